"""One public verb is one transaction, keyed: the same request twice is done once. Workers are woken after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.deps import Deps
from bot.domain.people.person import Actor
from bot.ports import Tx
from bot.queue import idempotency


@asynccontextmanager
async def begin(deps: Deps, by: Actor | None = None) -> AsyncIterator[Tx]:
    """Raises Repeated where the actor's key was already carried out."""
    async with deps.database.transaction() as tx:
        if by:
            await idempotency.once(deps, tx, by.key)
        yield tx
    deps.wakeups.wake()
