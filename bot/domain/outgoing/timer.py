"""A timer: something promised for a moment, and what to do with it when that moment is past."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

STALE_AFTER = timedelta(seconds=60)
MOST_ATTEMPTS = 8


class Lateness(StrEnum):
    FIRE_LATE = "fire_late"  # late is better than never
    SKIP = "skip"  # a minute late is too late
    COALESCE = "coalesce"  # of several due at once, only the newest is carried out


@dataclass(frozen=True)
class Timer:
    """A due row. `attempts` counts failures so far."""

    id: int
    due_at: datetime
    kind: str
    subject: str
    payload: dict[str, Any]
    dedupe_key: str
    lateness: Lateness
    attempts: int

    @property
    def group(self) -> tuple[str, str]:
        return self.subject, self.kind

    def late_seconds(self, now: datetime) -> float:
        return (now - self.due_at).total_seconds()

    def pointless(self, now: datetime, newest: Mapping[tuple[str, str], datetime]) -> str | None:
        """None where it should fire."""
        if self.lateness is Lateness.SKIP and now - self.due_at > STALE_AFTER:
            return f"skipped: {self.late_seconds(now):.0f} s late"
        if self.lateness is Lateness.COALESCE and newest.get(self.group, self.due_at) > self.due_at:
            return "coalesced into a newer one"
        return None


def newest_of(timers: Iterable[Timer]) -> dict[tuple[str, str], datetime]:
    latest: dict[tuple[str, str], datetime] = {}
    for timer in timers:
        latest[timer.group] = max(timer.due_at, latest.get(timer.group, timer.due_at))
    return latest
