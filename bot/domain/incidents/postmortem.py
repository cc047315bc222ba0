"""A post-mortem draft is Markdown: a template's sections, some of which people have written over. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

EDITABLE_LIMIT = 3000  # what one input of a modal holds
_HEADING = re.compile(r"^## +(.+?) *$", re.MULTILINE)
BEFORE_DUE = timedelta(hours=24)
EVERY = timedelta(hours=24)


@dataclass(frozen=True)
class Section:
    heading: str
    body: str

    @property
    def is_editable(self) -> bool:
        return len(self.body) <= EDITABLE_LIMIT


def sections(markdown: str) -> tuple[str, list[Section]]:
    parts = _HEADING.split(markdown)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return parts[0].strip(), [Section(heading, body.strip()) for heading, body in pairs]


def written(text: str) -> str:
    return re.sub(r"^##(?= )", "###", text.strip(), flags=re.MULTILINE)


def mark_of(heading: str) -> str:
    return hashlib.sha256(heading.encode()).hexdigest()[:12]


def with_edits(markdown: str, edits: Mapping[str, str]) -> str:
    """A section that left the template is kept."""
    intro, found = sections(markdown)
    written = [Section(one.heading, edits.get(one.heading, one.body)) for one in found]
    lost = [Section(heading, body) for heading, body in edits.items() if heading not in {one.heading for one in found}]
    return "\n\n".join([intro, *[f"## {one.heading}\n\n{one.body}".rstrip() for one in [*written, *lost]]]) + "\n"


def next_reminder(due: datetime, now: datetime) -> datetime:
    for moment in (due - BEFORE_DUE, due):
        if moment > now:
            return moment
    return now + EVERY
