"""Holds a claimed row while long work runs: the lease is renewed until the work is over or the row is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bot.deps import Deps
from bot.store.db import claim as kernel
from bot.store.db.claim import Claim, LeaseLost
from bot.store.db.errors import DatabaseTrouble
from bot.telemetry import Event, get_logger

log = get_logger()


async def release_all(deps: Deps) -> int:
    """For the one process of a SQLite database, at start: what a crash left goes on at once."""
    async with deps.database.transaction() as tx:
        return await kernel.release_all(tx)


@asynccontextmanager
async def held(deps: Deps, claim: Claim) -> AsyncIterator[None]:
    renewing = asyncio.create_task(_renew(deps, claim))
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing


async def _renew(deps: Deps, claim: Claim) -> None:
    lease_seconds = deps.config.lease_seconds
    while True:
        await asyncio.sleep(lease_seconds / 3)
        try:
            async with deps.database.transaction() as tx:
                await kernel.renew(tx, claim, until=deps.clock.wall() + lease_seconds)
        except LeaseLost as lost:
            log.warning(Event.LEASE_LOST, what=str(lost))
            return
        except DatabaseTrouble as problem:
            log.warning(Event.DATABASE_TROUBLE, during="lease", error=str(problem))
