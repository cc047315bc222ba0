from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from bot.domain.alerts.alert import Status
from bot.domain.alerts.silence import Silence
from bot.domain.catalogue.matchers import Matcher, parse
from bot.ports import Tx
from bot.store.alerts.groups import OPEN, open_numbers
from bot.store.db.rows import or_missing, read_all, read_first, read_one, reader
from bot.store.tables.alerts import alert_groups as groups, alerts, silences


def _matchers(kept: Sequence[str]) -> tuple[Matcher, ...]:
    return tuple(map(parse, kept))


_silence = reader(Silence, matchers=_matchers)


async def add(tx: Tx, values: Mapping[str, Any]) -> Silence:
    return await read_one(tx, insert(silences).returning(silences), _silence, values)


_CHANGE = update(silences).where(silences.c.id == bindparam("number")).returning(silences)


async def end(tx: Tx, number: int, *, at: datetime, by: str) -> Silence:
    return await read_one(tx, _CHANGE, _silence, {"number": number, "ended_at": at, "ended_by": by})


async def lock(tx: Tx, number: int) -> Silence:
    """Raises Missing."""
    found = await read_first(tx, select(silences).where(silences.c.id == number).with_for_update(), _silence)
    return or_missing(found, f"There is no SIL-{number}. `/incident silence` lists those in force.")


async def in_force(tx: Tx, now: datetime) -> list[Silence]:
    mine = select(silences).where(silences.c.ends_at > now, silences.c.begins_at <= now, silences.c.ended_at.is_(None))
    return await read_all(tx, mine.order_by(silences.c.ends_at, silences.c.id), _silence)


async def holding(tx: Tx, now: datetime) -> dict[int, int]:
    held = select(groups.c.silence, func.count()).where(OPEN, groups.c.silence.is_not(None))
    rows = await tx.execute(held.where(groups.c.silenced_until > now).group_by(groups.c.silence))
    return {row[0]: row[1] for row in rows}


async def held_by(tx: Tx, number: int, now: datetime) -> list[int]:
    return await open_numbers(tx, groups.c.silence == number, groups.c.silenced_until > now)


@dataclass(frozen=True)
class Firing:
    group: int
    service: str
    severity: str
    is_heartbeat: bool
    labels: Mapping[str, str]


async def firing(tx: Tx, numbers: Collection[int] | None = None, *, awake_at: datetime | None = None) -> list[Firing]:
    """Of these open groups, or of all; without those silenced until `awake_at` or later."""
    mine = (
        select(groups.c.id, groups.c.service, groups.c.severity, groups.c.heartbeat, alerts.c.labels)
        .join_from(groups, alerts, alerts.c.alert_group == groups.c.id)
        .where(OPEN, alerts.c.status == Status.FIRING.value)
    )
    if numbers is not None:
        mine = mine.where(groups.c.id.in_(sorted(numbers)))
    if awake_at is not None:
        mine = mine.where(groups.c.silenced_until.is_(None) | (groups.c.silenced_until < awake_at))
    rows = await tx.execute(mine.order_by(groups.c.rank, groups.c.id))
    return [Firing(row[0], row[1], row[2], row[3] is not None, row[4]) for row in rows]
