"""Maintenance windows: while one is on, a service's alerts are kept and shown, and nobody is paged. Rules only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.errors import Unclear
from bot.domain.text import duration

LONGEST = timedelta(days=7)
REASON_LIMIT = 300
HOW = "`/incident maintenance <service> 2h [reason]`"


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """It ends by itself at `ends_at`, or somebody ends it before."""

    id: int
    reason: str
    made_by: str
    begins_at: datetime
    ends_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None

    def is_on(self, now: datetime) -> bool:
        return self.ended_at is None and self.begins_at <= now < self.ends_at


@dataclass(frozen=True, kw_only=True)
class Window(Suppression):
    service: str

    def __str__(self) -> str:
        return f"MNT-{self.id}"


def number(word: str) -> int | None:
    match = re.fullmatch(r"mnt-?(\d{1,9})", word.strip().casefold(), re.ASCII)
    return int(match[1]) if match else None


@dataclass(frozen=True)
class Wish:
    service: str
    lasting: timedelta
    reason: str = ""


def read(text: str) -> Wish:
    """`shop 2h new disks`; `on` may come before the service or after it. Raises Unclear."""
    words = text.split()
    words = words[1:] if len(words) > 2 and words[0].casefold() == "on" else words
    words = [words[0], *words[2:]] if len(words) > 2 and words[1].casefold() == "on" else words
    if len(words) < 2:
        raise Unclear(f"Say which service and for how long: {HOW}.")
    lasting = duration.parse(words[1])
    if not timedelta(0) < lasting <= LONGEST:
        raise Unclear(
            f"Maintenance lasts between 1 second and {duration.words(LONGEST)}. Say it again when it goes on."
        )
    return Wish(words[0], lasting, " ".join(words[2:])[:REASON_LIMIT])
