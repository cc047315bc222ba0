"""Statements about silences, and about the alerts that they are compared with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, text, update

from bot.domain.alerts.alert import Status
from bot.domain.alerts.silence import Silence
from bot.domain.catalogue import matchers
from bot.domain.errors import Missing
from bot.ports import Tx
from bot.store.tables.alerts import alert_groups as groups
from bot.store.tables.alerts import alerts, silences

_OPEN = text("alert_groups.status = 'firing'")  # word for word the partial index


def _silence(row: Row[Any]) -> Silence:
    values = dict(row._mapping)
    values["matchers"] = tuple(matchers.parse(one) for one in values["matchers"])
    return Silence(**values)


async def add(tx: Tx, values: Mapping[str, Any]) -> Silence:
    return _silence((await tx.execute(insert(silences).returning(silences), dict(values))).one())


async def change(tx: Tx, number: int, **values: Any) -> Silence:
    changed = update(silences).where(silences.c.id == number).values(**values).returning(silences)
    return _silence((await tx.execute(changed)).one())


async def lock(tx: Tx, number: int) -> Silence:
    """The silence, held until the transaction ends. Raises Missing."""
    row = (await tx.execute(select(silences).where(silences.c.id == number).with_for_update())).one_or_none()
    if row is None:
        raise Missing(f"There is no SIL-{number}. `/incident silence` lists those in force.")
    return _silence(row)


async def in_force(tx: Tx, now: datetime) -> list[Silence]:
    """Those that end first stand first."""
    mine = select(silences).where(silences.c.ends_at > now, silences.c.begins_at <= now, silences.c.ended_at.is_(None))
    return [_silence(row) for row in await tx.execute(mine.order_by(silences.c.ends_at, silences.c.id))]


async def holding(tx: Tx, now: datetime) -> dict[int, int]:
    """How many open groups each of them holds."""
    held = select(groups.c.silence, func.count()).where(_OPEN, groups.c.silence.is_not(None))
    rows = await tx.execute(held.where(groups.c.silenced_until > now).group_by(groups.c.silence))
    return {row[0]: int(row[1]) for row in rows}


async def held_by(tx: Tx, number: int, now: datetime) -> list[int]:
    """The open groups that it holds, the worst first."""
    mine = select(groups.c.id).where(_OPEN, groups.c.silence == number, groups.c.silenced_until > now)
    return list((await tx.execute(mine.order_by(groups.c.rank, groups.c.id))).scalars())


@dataclass(frozen=True)
class Firing:
    """One alert that fires in an open group, and what is needed to see whether a silence means it."""

    group: int
    service: str
    severity: str
    is_heartbeat: bool
    labels: Mapping[str, str]


async def firing(tx: Tx, numbers: Collection[int] | None = None, *, awake_at: datetime | None = None) -> list[Firing]:
    """Of these open groups, or of all, those silenced until then at least left out; the worst group first."""
    mine = (
        select(groups.c.id, groups.c.service, groups.c.severity, groups.c.heartbeat, alerts.c.labels)
        .join_from(groups, alerts, alerts.c.alert_group == groups.c.id)
        .where(_OPEN, alerts.c.status == Status.FIRING.value)
    )
    if numbers is not None:
        mine = mine.where(groups.c.id.in_(sorted(numbers)))
    if awake_at is not None:
        mine = mine.where(groups.c.silenced_until.is_(None) | (groups.c.silenced_until < awake_at))
    rows = await tx.execute(mine.order_by(groups.c.rank, groups.c.id))
    return [Firing(row[0], row[1], row[2], row[3] is not None, row[4]) for row in rows]
