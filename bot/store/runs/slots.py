"""Statements about slots: how many runs may work on one target."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import (
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from bot.domain.runs.run import Run
from bot.ports import Tx
from bot.store.db.dialect import state_is
from bot.store.tables.runs import runs, slots

_QUEUED = text("runs.status = 'queued'")  # word for word the partial index


async def take_slot(tx: Tx, run: Run) -> bool:
    """False where all of its key are taken."""
    taken = set((await tx.execute(select(slots.c.slot).where(slots.c.key == run.slot_key))).scalars())
    free = next((slot for slot in range(run.slot_limit) if slot not in taken), None)
    if free is None:
        return False
    await tx.execute(insert(slots).values(key=run.slot_key, slot=free, run=run.id))
    return True


async def leave_slots(tx: Tx, ids: Iterable[int]) -> None:
    await tx.execute(delete(slots).where(slots.c.run.in_(list(ids))))


async def in_slot(tx: Tx, key: str) -> list[int]:
    return list((await tx.execute(select(slots.c.run).where(slots.c.key == key).order_by(slots.c.run))).scalars())


async def wake_queued(tx: Tx, key: str, *, wall: float) -> None:
    first = (
        select(runs.c.id)
        .where(_QUEUED, runs.c.slot_key == key, state_is(runs, "parked"))
        .order_by(runs.c.id)
        .limit(1)
        .scalar_subquery()
    )
    await tx.execute(update(runs).where(runs.c.id == first).values(state="ready", next_at=wall))


async def queued_before_free_slots(tx: Tx) -> list[str]:
    """Keys in whose queue a run waits though a slot is free: a hint was lost."""
    taken = select(func.count()).select_from(slots).where(slots.c.key == runs.c.slot_key).scalar_subquery()
    waiting = select(runs.c.slot_key).where(_QUEUED, state_is(runs, "parked"), taken < runs.c.slot_limit)
    return sorted(set((await tx.execute(waiting)).scalars()))
