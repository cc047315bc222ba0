"""When each worker was last seen at work."""

from __future__ import annotations

from sqlalchemy import delete, func, select

from bot.ports import Tx
from bot.store.db.dialect import insert_into
from bot.store.tables.queue import workers


async def beat(tx: Tx, *, worker: str, wall: float) -> None:
    statement = insert_into(tx, workers).values(worker=worker, at=wall)
    await tx.execute(statement.on_conflict_do_update(index_elements=[workers.c.worker], set_={"at": wall}))


async def newest(tx: Tx) -> float | None:
    at: float | None = await tx.scalar(select(func.max(workers.c.at)))
    return at


async def forget(tx: Tx, *, before: float) -> None:
    await tx.execute(delete(workers).where(workers.c.at < before))
