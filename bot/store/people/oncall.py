"""On-call as it is kept: overrides made in Slack, and what PagerDuty last said of its schedules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, insert, or_, select, update

from bot.domain.catalogue.levels import Override
from bot.domain.escalation.page import OnCall
from bot.ports import Tx
from bot.store.db.rows import read_all, read_first, read_one, reader
from bot.store.people.people import upsert
from bot.store.tables.people import oncall_overrides as overrides, pagerduty_schedules


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
        return f"OVR-{self.id}"


@dataclass(frozen=True)
class Roster:
    """What PagerDuty said of a schedule, and when (epoch seconds of wall time)."""

    people: tuple[OnCall, ...]
    seen_at: float

    def holds(self, wall: float, *, seconds: float) -> bool:
        ends = [person.until.timestamp() for person in self.people if person.until]
        return wall - self.seen_at <= seconds and all(wall < end for end in ends)


_taken = reader(Taken)


async def add(tx: Tx, **values: Any) -> Taken:
    return await read_one(tx, insert(overrides).values(**values).returning(overrides), _taken)


async def get(tx: Tx, number: int) -> Taken:
    return await read_one(tx, select(overrides).where(overrides.c.id == number), _taken)


async def of_level(tx: Tx, service: str, level: str, *, since: datetime) -> list[Taken]:
    return await _found(tx, overrides.c.service == service, overrides.c.level == level, overrides.c.ends_at >= since)


async def of_person(tx: Tx, person: str, *, now: datetime) -> list[Taken]:
    return await _found(tx, or_(overrides.c.person == person, overrides.c.made_by == person), overrides.c.ends_at > now)


async def _found(tx: Tx, *conditions: ColumnElement[bool]) -> list[Taken]:
    return await read_all(tx, select(overrides).where(*conditions).order_by(overrides.c.id), _taken)


async def end(tx: Tx, number: int, *, at: datetime) -> bool:
    """False where it was over before."""
    mine = (overrides.c.id == number, overrides.c.ends_at > at)
    return (await tx.execute(update(overrides).where(*mine).values(ends_at=at))).rowcount > 0


async def roster(tx: Tx, schedule: str) -> Roster | None:
    kept = select(pagerduty_schedules).where(pagerduty_schedules.c.id == schedule)
    return await read_first(tx, kept, reader(Roster, people=_people))


async def save_roster(tx: Tx, schedule: str, people: Sequence[OnCall], *, seen_at: float) -> None:
    row = {"id": schedule, "people": [_written(person) for person in people], "seen_at": seen_at}
    await upsert(tx, pagerduty_schedules, "id", [row])


def _written(person: OnCall) -> dict[str, Any]:
    return {**asdict(person), "until": person.until.isoformat() if person.until else None}


def _people(kept: Sequence[dict[str, Any]]) -> tuple[OnCall, ...]:
    return tuple(OnCall(**{**one, "until": _moment(one.get("until"))}) for one in kept)


def _moment(kept: str | None) -> datetime | None:
    return datetime.fromisoformat(kept) if kept else None
