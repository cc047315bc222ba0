"""Statements for figures over many incidents. Private ones and drills are in none of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from bot.domain.incidents.incident import Status
from bot.ports import Tx
from bot.store.db.rows import read_all, reader
from bot.store.tables.incidents import incidents

MOST_ROWS = 10_000

_COUNTED = (incidents.c.private.is_(False), incidents.c.drill.is_(False))


@dataclass(frozen=True)
class Times:
    detected_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None


async def open_by_severity(tx: Tx) -> dict[str, int]:
    ended = incidents.c.status.in_([Status.RESOLVED.value, Status.CLOSED.value])
    query = (
        select(incidents.c.severity, func.count().label("number"))
        .where(~ended, *_COUNTED)
        .group_by(incidents.c.severity)
        .order_by(func.min(incidents.c.rank), incidents.c.severity)
    )
    return {row.severity: row.number for row in await tx.execute(query)}


async def times_since(tx: Tx, since: datetime) -> list[Times]:
    recent = (
        select(incidents.c.detected_at, incidents.c.acknowledged_at, incidents.c.resolved_at)
        .where(incidents.c.declared_at >= since, *_COUNTED)
        .order_by(incidents.c.declared_at.desc())
        .limit(MOST_ROWS)
    )
    return await read_all(tx, recent, reader(Times))
