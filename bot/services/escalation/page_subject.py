"""A page's key at PagerDuty, and its target in plain words."""

from __future__ import annotations

import hashlib
import re

from bot.domain.people import access
from bot.ports import Tx
from bot.services.subjects import Subject
from bot.store.people import people as people_store

PREFIX = "tocsin:"  # of every key of ours at PagerDuty …
_OF_A_STEP = re.compile(r"tocsin-\d{14}-RUN-\d+-")  # … but those that steps of runs choose


def dedup_key(subject: Subject, target: str, key: str) -> str:
    """One key for one target and reason. The subject's birth keeps another installation's ALR-7 apart."""
    whole = f"{subject.born_at.isoformat()}\n{target}\n{key}"
    return f"{PREFIX}{subject}:{hashlib.sha256(whole.encode('utf-8', 'replace')).hexdigest()[:20]}"


def is_ours(name: str) -> bool:
    """Whether this is the key of a page that an installation of this bot sent."""
    return name.startswith(PREFIX) or _OF_A_STEP.match(name) is not None


async def spoken(tx: Tx, target: str) -> str:
    """`ops`, Ada, the team sre, the people on call: in plain words."""
    if access.USER.fullmatch(target):
        known = await people_store.find(tx, target)
        return known.person.name if known else target
    if access.GROUP.fullmatch(target):
        return f"the user group {target}"
    return access.spoken(target)
