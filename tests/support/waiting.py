"""When what waits in the outbox could go."""

from __future__ import annotations

from bot.deps import Deps
from bot.store.queue import deliveries


async def next_wall(deps: Deps) -> float | None:
    """As the worker finds it. None: nothing waits for a moment."""
    async with deps.database.reading() as tx:
        return (await deliveries.look(tx, wall=deps.clock.wall(), limit=1)).next_wall
