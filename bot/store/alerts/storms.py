"""Many cards in one channel become one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict, Unpack

from sqlalchemy import ColumnElement, and_, case, func, insert, select, update

from bot.domain.alerts.alert import Status
from bot.domain.alerts.group import AlertGroup
from bot.ports import Tx
from bot.store.alerts import groups as group_store
from bot.store.db.rows import read_first, read_one, reader
from bot.store.tables.alerts import alert_groups as groups, alert_storms as storms


@dataclass(frozen=True)
class Storm:
    id: int
    channel_name: str
    began_at: datetime
    channel: str | None
    ts: str | None

    def __str__(self) -> str:
        return f"STORM-{self.id}"


class StormChanges(TypedDict, total=False):
    last_wall: float
    channel: str
    ts: str


_storm = reader(Storm)


async def storm(tx: Tx, number: int) -> Storm:
    return await read_one(tx, select(storms).where(storms.c.id == number), _storm)


async def storm_on(tx: Tx, channel_name: str, *, since_wall: float) -> Storm | None:
    mine = select(storms).where(storms.c.channel_name == channel_name, storms.c.last_wall > since_wall)
    return await read_first(tx, mine.order_by(storms.c.id.desc()).limit(1), _storm)


async def begin_storm(tx: Tx, channel_name: str, *, at: datetime, wall: float) -> Storm:
    row = {"channel_name": channel_name, "began_at": at, "last_wall": wall}
    return await read_one(tx, insert(storms).returning(storms), _storm, row)


async def change_storm(tx: Tx, number: int, **values: Unpack[StormChanges]) -> None:
    await tx.execute(update(storms).where(storms.c.id == number).values(values))


async def join(tx: Tx, number: int, members: Collection[int], *, wall: float) -> None:
    await tx.execute(update(groups).where(groups.c.id.in_(sorted(members))).values(storm=number))
    await change_storm(tx, number, last_wall=wall)


async def cards_since(tx: Tx, channel_name: str, *, since_wall: float) -> int:
    return await tx.scalar(select(func.count()).where(_with_card(channel_name, since_wall))) or 0


async def sweep_into(tx: Tx, storm: int, channel_name: str, *, since_wall: float) -> None:
    recent = update(groups).where(_with_card(channel_name, since_wall))
    await tx.execute(recent.where(groups.c.ts.is_(None), groups.c.storm.is_(None)).values(storm=storm))


def _with_card(channel_name: str, since_wall: float) -> ColumnElement[bool]:
    return and_(groups.c.channel_name == channel_name, groups.c.opened_wall > since_wall, groups.c.has_card)


@dataclass(frozen=True)
class Part:
    service: str
    severity: str
    rank: int
    name: str
    groups: int
    open: int
    firing: int


async def parts(tx: Tx, storm: int) -> list[Part]:
    shared = (groups.c.service, groups.c.severity, groups.c.rank, groups.c.name)
    is_open = func.sum(case((groups.c.status == Status.FIRING.value, 1), else_=0))
    firing = func.sum(groups.c.firing)
    mine = select(*shared, func.count(), is_open, firing).where(groups.c.storm == storm).group_by(*shared)
    rows = await tx.execute(mine.order_by(groups.c.rank, firing.desc(), groups.c.service, groups.c.name))
    return [Part(row[0], row[1], row[2], row[3], int(row[4]), int(row[5]), int(row[6])) for row in rows]


async def unattended(tx: Tx, storm: int, limit: int, *, now: datetime) -> list[AlertGroup]:
    return await group_store.unattended(tx, now, limit, groups.c.storm == storm)
