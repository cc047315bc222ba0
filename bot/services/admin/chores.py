from __future__ import annotations

from datetime import timedelta

from bot import telemetry
from bot.deps import Deps
from bot.services.admin import retention
from bot.store import audit
from bot.store.queue import deliveries, inbox, requests, timers, workers
from bot.telemetry import Event

KEEP_KEYS = timedelta(days=3)  # longer than anybody repeats a request
KEEP_ROWS = timedelta(days=30)
KEEP_HEARTBEATS_SECONDS = 3600.0


async def purge(deps: Deps) -> int:
    now, wall = deps.clock.now(), deps.clock.wall()
    async with deps.database.transaction() as tx:
        await workers.forget(tx, before=wall - KEEP_HEARTBEATS_SECONDS)
        forgotten = (
            await requests.forget(tx, before=now - KEEP_KEYS)
            + await inbox.forget(tx, before=now - KEEP_KEYS)
            + await timers.forget(tx, before=now - KEEP_ROWS)
            + await deliveries.forget(tx, before=now - KEEP_ROWS)
        )
    return forgotten + await retention.forget(deps)


async def seal(deps: Deps) -> None:
    """The head goes to the log, so that the database's owner cannot rebuild the chain unseen."""
    async with deps.database.reading() as tx:
        if not await audit.any_unsealed(tx):
            return
    async with deps.database.transaction() as tx:
        head = await audit.seal(tx)
    if head is not None:
        telemetry.get_logger().info(Event.AUDIT_SEALED, seq=head.seq, hash=head.hash)
