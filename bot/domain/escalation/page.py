"""What somebody is woken for, and who would be: values that any paging service understands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

SUMMARY_LIMIT = 1024


@dataclass(frozen=True)
class Page:
    """One reason to be woken. `dedup_key` names the reason: the same key twice wakes nobody twice."""

    summary: str
    dedup_key: str
    source: str  # what is affected: a service's key
    severity: str = "critical"  # critical, error, warning or info
    details: str = ""
    link: str | None = None

    @property
    def line(self) -> str:
        return " ".join(self.summary.split())[:SUMMARY_LIMIT] or self.dedup_key


@dataclass(frozen=True)
class OnCall:
    """Somebody who is on call, as the paging service knows them. `until` is by its clock; None: it did not say."""

    id: str
    name: str
    email: str | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Paged:
    """What became of a page: what the other side numbers it, where it said; and addresses it knows nobody of."""

    remote: str | None = None
    unknown: tuple[str, ...] = ()
