"""Chores that recur. A chore that says so is done by one process of all, the others by each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.deps import Deps
from bot.store.queue import rate_limits


@dataclass(frozen=True)
class Chore:
    """`do(deps)` every so many seconds of wall time. `alone`: by one process of all; else by each."""

    every_seconds: float
    do: Callable[[Deps], Awaitable[object]]
    alone: bool = True


async def may_do(deps: Deps, name: str, chore: Chore) -> bool:
    """SQLite has one process; on PostgreSQL the processes race for a row."""
    if not chore.alone or deps.database.dialect == "sqlite":
        return True
    wall = deps.clock.wall()
    rate_limit = f"chore:{name}"
    async with deps.database.reading() as tx:
        if await rate_limits.opens_at(tx, rate_limit) > wall:
            return False
    async with deps.database.transaction() as tx:
        # A little less than the interval, so that the next turn is not missed by a hair.
        return bool(await rate_limits.take(tx, [rate_limit], wall=wall, until=wall + chore.every_seconds * 0.9))
