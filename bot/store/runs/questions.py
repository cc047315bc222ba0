"""Statements about what waits for one person's answer."""

from __future__ import annotations

from sqlalchemy import select

from bot.domain.runs.run import Run, Status
from bot.ports import Tx
from bot.store.runs import runs as store
from bot.store.tables.runs import runs


async def unknown_of(tx: Tx, person: str, *, limit: int = 20) -> list[Run]:
    """Runs that this person asked for and whose step is unknown, the oldest first."""
    found = select(*runs.c).where(runs.c.status == Status.UNKNOWN.value, runs.c.requested_by == person)
    return [store.run(row) for row in await tx.execute(found.order_by(runs.c.id).limit(limit))]
