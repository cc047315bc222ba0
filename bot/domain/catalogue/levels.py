"""Levels of on-call as operators write them: rotations, overrides, lists, or a schedule in PagerDuty."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.catalogue.hours import Hours, moment, zone

_LONGEST_CLOCK_CHANGE = timedelta(hours=26)


@dataclass(frozen=True)
class Rotation:
    """One person at a time, the next one every `every`; in its `hours`, where it has some.

    Without a zone `start` is aware and every shift is equally long. With a zone `start` is wall time there, and so is
    every handover: 09:00 stays 09:00 when the clocks change, and the shift around it is an hour shorter or longer. A
    handover at a wall time that comes twice, or not at all, follows `hours.moment`. Before its start a rotation is
    what it would have been, so that at any moment there is exactly one person.
    """

    people: tuple[str, ...]
    every: timedelta
    start: datetime
    zone: str | None = None
    hours: Hours | None = None

    def person(self, at: datetime) -> str:
        return self.people[self._number(at) % len(self.people)]

    def next_handover(self, at: datetime) -> datetime:
        number = self._number(at)
        return min(self.handover(number + ahead) for ahead in range(1, self._margin + 1))

    def handover(self, number: int) -> datetime:
        begins = self.start + number * self.every
        return begins if self.zone is None else moment(begins, zone(self.zone))

    @property
    def _margin(self) -> int:
        """How many shifts a clock change may be out by."""
        return 2 if self.zone is None else 2 + _LONGEST_CLOCK_CHANGE // self.every

    def _number(self, at: datetime) -> int:
        wall = at if self.zone is None else at.astimezone(zone(self.zone)).replace(tzinfo=None)
        near = (wall - self.start) // self.every
        around = range(near + self._margin, near - self._margin, -1)
        return next(number for number in around if self.handover(number) <= at)


@dataclass(frozen=True)
class Override:
    person: str
    begins_at: datetime
    ends_at: datetime

    def holds(self, at: datetime) -> bool:
        return self.begins_at <= at < self.ends_at


@dataclass(frozen=True)
class Level:
    """One level of on-call: rotations, a list of `who`, or a schedule in PagerDuty.

    Of several rotations the first whose hours are open has it; the last has no hours, so that nobody is missing.
    """

    key: str
    rotations: tuple[Rotation, ...] = ()
    who: tuple[str, ...] = ()
    pagerduty_schedule: str | None = None
    overrides: tuple[Override, ...] = ()
