from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete, select

from bot.domain.alerts.heartbeat import Watch
from bot.ports import Tx
from bot.store.db.dialect import Insert, Inserting, state_is
from bot.store.db.rows import read_all, read_first, reader
from bot.store.tables.alerts import heartbeats
from bot.store.tables.queue import timers

_watch = reader(Watch)


def _or_heard(statement: Insert) -> Any:
    fresh = {name: statement.excluded[name] for name in ("name", "labels", "last_at", "last_wall")}
    return statement.on_conflict_do_update(index_elements=[heartbeats.c.key], set_=fresh)


_HEARD = Inserting(heartbeats, _or_heard)


async def heard(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """`first_at` counts for new ones alone."""
    await tx.execute(_HEARD.on(tx), sorted(rows, key=lambda row: str(row["key"])))


async def lock(tx: Tx, key: str) -> Watch | None:
    return await read_first(tx, select(heartbeats).where(heartbeats.c.key == key).with_for_update(), _watch)


async def forget(tx: Tx, key: str) -> None:
    await tx.execute(delete(heartbeats).where(heartbeats.c.key == key))


async def pending(tx: Tx, kind: str) -> dict[str, dict[str, Any]]:
    mine = select(heartbeats.c.key, timers.c.payload).join(timers, timers.c.subject == heartbeats.c.key)
    rows = await tx.execute(mine.where(timers.c.kind == kind, state_is(timers, "pending")))
    return {row.key: row.payload for row in rows}


async def find_all(tx: Tx, keys: Collection[str]) -> list[Watch]:
    return await read_all(tx, select(heartbeats).where(heartbeats.c.key.in_(sorted(keys))).with_for_update(), _watch)
