"""On-call as it is kept: overrides made in Slack, and what PagerDuty last said of its schedules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, or_, select, update

from bot.domain.catalogue.levels import Override
from bot.domain.escalation.page import OnCall
from bot.ports import Tx
from bot.store.people.people import upsert
from bot.store.tables.people import oncall_overrides as overrides
from bot.store.tables.people import pagerduty_schedules


@dataclass(frozen=True)
class Taken:
    """An override made in Slack. `made_by` is `person` where they took it themselves."""

    id: int
    service: str
    level: str
    person: str
    made_by: str
    made_at: datetime
    begins_at: datetime
    ends_at: datetime

    @property
    def override(self) -> Override:
        return Override(self.person, self.begins_at, self.ends_at)

    @property
    def subject(self) -> str:
        """What its timer and its messages are about."""
        return f"OVR-{self.id}"


@dataclass(frozen=True)
class Roster:
    """What PagerDuty said of a schedule, and when (epoch seconds of wall time)."""

    people: tuple[OnCall, ...]
    seen_at: float

    def holds(self, wall: float, *, seconds: float) -> bool:
        """It is not older than that, and no shift in it has ended since."""
        ends = [person.until.timestamp() for person in self.people if person.until]
        return wall - self.seen_at <= seconds and all(wall < end for end in ends)


async def add(tx: Tx, **values: Any) -> Taken:
    row = (await tx.execute(insert(overrides).values(**values).returning(*overrides.c))).one()
    return _taken(row)


async def get(tx: Tx, number: int) -> Taken:
    return _taken((await tx.execute(select(overrides).where(overrides.c.id == number))).one())


async def of_level(tx: Tx, service: str, level: str, *, since: datetime) -> list[Taken]:
    """Those that end at or after `since`, in the order in which they were made: the last one wins."""
    here = (overrides.c.service == service, overrides.c.level == level, overrides.c.ends_at >= since)
    return await _found(tx, *here)


async def of_person(tx: Tx, person: str, *, now: datetime) -> list[Taken]:
    """Those that this person has, or gave to somebody, and that are not over."""
    return await _found(tx, or_(overrides.c.person == person, overrides.c.made_by == person), overrides.c.ends_at > now)


async def _found(tx: Tx, *conditions: Any) -> list[Taken]:
    rows = await tx.execute(select(overrides).where(*conditions).order_by(overrides.c.id))
    return [_taken(row) for row in rows]


async def end(tx: Tx, number: int, *, at: datetime) -> bool:
    """Over from now on. False where it was over before."""
    mine = (overrides.c.id == number, overrides.c.ends_at > at)
    return (await tx.execute(update(overrides).where(*mine).values(ends_at=at))).rowcount > 0


async def roster(tx: Tx, schedule: str) -> Roster | None:
    row = (await tx.execute(select(pagerduty_schedules).where(pagerduty_schedules.c.id == schedule))).one_or_none()
    return Roster(tuple(map(_person, row.people)), row.seen_at) if row else None


async def save_roster(tx: Tx, schedule: str, people: Sequence[OnCall], *, seen_at: float) -> None:
    row = {"id": schedule, "people": [_written(person) for person in people], "seen_at": seen_at}
    await upsert(tx, pagerduty_schedules, "id", [row])


def _written(person: OnCall) -> dict[str, Any]:
    return {**asdict(person), "until": person.until.isoformat() if person.until else None}


def _person(kept: dict[str, Any]) -> OnCall:
    until = kept.get("until")
    return OnCall(**{**kept, "until": datetime.fromisoformat(until) if until else None})


def _taken(row: Row[Any]) -> Taken:
    return Taken(**row._mapping)
