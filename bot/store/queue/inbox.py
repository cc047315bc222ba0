from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Float, Integer, and_, bindparam, delete, or_, select, text

from bot.ports import Tx
from bot.store.db import claim as kernel
from bot.store.db.claim import Claim
from bot.store.db.dialect import Inserting, state_is
from bot.store.db.rows import reader
from bot.store.tables.queue import inbox

_OPEN = text("inbox.state in ('ready','working')")  # word for word the partial index


@dataclass(frozen=True)
class InboxItem:
    """`key` is the outside's own (Slack's event_id); a handler keys its transaction by it."""

    id: int
    key: str
    kind: str
    payload: dict[str, Any]
    received_at: datetime
    attempts: int


item = reader(InboxItem)


_INSERT = Inserting(inbox, lambda insert: insert.on_conflict_do_nothing().returning(inbox.c.id))


async def insert(tx: Tx, *, key: str, kind: str, payload: dict[str, Any], wall: float, received_at: datetime) -> bool:
    """False where the key was there."""
    row = {"key": key, "kind": kind, "payload": payload, "state": "ready", "next_at": wall, "received_at": received_at}
    return await tx.scalar(_INSERT.on(tx), row) is not None


_WALL = bindparam("wall", type_=Float)
_LOST = and_(state_is(inbox, "working"), inbox.c.lease_until <= _WALL)
_WAITING = and_(state_is(inbox, "ready"), inbox.c.next_at <= _WALL)
_CLAIMABLE = select(inbox.c.id).where(_OPEN, or_(_WAITING, _LOST)).order_by(inbox.c.id)
_ANY = _CLAIMABLE.limit(1)
_TAKE = kernel.Acquiring(
    inbox, _CLAIMABLE.limit(bindparam("limit", type_=Integer)), state="working", attempts=inbox.c.attempts + 1
)


async def any_claimable(tx: Tx, *, wall: float) -> bool:
    return (await tx.execute(_ANY, {"wall": wall})).first() is not None


async def claim(tx: Tx, *, wall: float, limit: int, owner: str, until: float) -> list[tuple[Claim, InboxItem]]:
    """Those whose worker was lost, too; each counts as tried once more."""
    taken = await _TAKE.take(tx, owner=owner, until=until, wall=wall, limit=limit)
    return sorted(((claim, item(row)) for claim, row in taken), key=lambda pair: pair[1].id)


async def any_open(tx: Tx, family: str, *, before: datetime, wall: float) -> bool:
    """What failed and rests does not count."""
    mine = select(inbox.c.id).where(_OPEN, inbox.c.kind.startswith(f"{family}:"), inbox.c.received_at <= before)
    return (await tx.execute(mine.where(inbox.c.next_at <= wall).limit(1))).first() is not None


async def forget(tx: Tx, *, before: datetime) -> int:
    old = delete(inbox).where(state_is(inbox, "done", "failed"), inbox.c.received_at < before)
    return (await tx.execute(old)).rowcount
