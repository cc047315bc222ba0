"""One look at all that waits, so that a worker at rest costs next to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Float, Table, and_, bindparam, exists, or_, select

from bot.ports import Tx
from bot.store.db.dialect import prefer_indexes, state_is
from bot.store.tables.base import Utc
from bot.store.tables.queue import deliveries, inbox, timers
from bot.store.tables.runs import runs

_NOW, _WALL = bindparam("now", type_=Utc), bindparam("wall", type_=Float)


@dataclass(frozen=True)
class Pending:
    timers: bool
    inbox: bool
    deliveries: bool
    runs: bool


def _any(table: Table, waiting: str, *taken: str) -> ColumnElement[bool]:
    """The first condition is word for word the partial index."""
    open_ = state_is(table, waiting, *taken)
    may_go = and_(state_is(table, waiting), table.c.next_at <= _WALL)
    is_left = and_(state_is(table, *taken), or_(table.c.lease_until <= _WALL, table.c.lease_until.is_(None)))
    return exists(select(table.c.id).where(open_, or_(may_go, is_left)))


_LOOK = select(
    exists(
        select(timers.c.id).where(
            state_is(timers, "pending"),
            timers.c.due_at <= _NOW,
            or_(timers.c.retry_at.is_(None), timers.c.retry_at <= _WALL),
        )
    ).label("timers"),
    _any(inbox, "ready", "working").label("inbox"),
    _any(deliveries, "ready", "sending", "unconfirmed").label("deliveries"),
    _any(runs, "ready", "running").label("runs"),
)


async def look(tx: Tx, *, now: datetime, wall: float) -> Pending:
    """What may go at these moments, or before; now and then something that still waits for another."""
    await prefer_indexes(tx)
    row = (await tx.execute(_LOOK, {"now": now, "wall": wall})).one()
    return Pending(bool(row.timers), bool(row.inbox), bool(row.deliveries), bool(row.runs))
