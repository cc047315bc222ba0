"""Old alerts are forgotten: ninety days after their end, unless an incident or a run still tells of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from bot.deps import Deps
from bot.ports import Tx
from bot.priority import yield_to_commands
from bot.store.alerts import refused_webhooks, retention as store

KEEP = timedelta(days=90)
MOST_BATCHES = 100  # of each kind in one turn; the next turn comes within the hour
YIELD_SECONDS = 0.1

Batch = Callable[[Tx, datetime], Awaitable[int]]


async def _refusals(tx: Tx, before: datetime) -> int:
    return await refused_webhooks.forget(tx, before=before.date())


# Groups first: what they refer to can go when they are gone.
KINDS: tuple[Batch, ...] = (
    store.forget_groups,
    store.forget_alerts,
    store.forget_storms,
    store.forget_silences,
    store.forget_overrides,
    store.forget_heartbeats,
    _refusals,
)


async def forget(deps: Deps) -> int:
    """Returns how many groups and other rows. Each batch is a short transaction of its own."""
    before = deps.clock.now() - KEEP
    return sum([await _forget(deps, kind, before) for kind in KINDS])


async def _forget(deps: Deps, kind: Batch, before: datetime) -> int:
    forgotten = 0
    for _ in range(MOST_BATCHES):
        await yield_to_commands(YIELD_SECONDS)
        async with deps.database.transaction() as tx:
            batch = await kind(tx, before)
        if not batch:
            break
        forgotten += batch
    return forgotten
