"""Chores that recur. A chore that says so is done by one process of all, the others by each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from bot.deps import Deps
from bot.services import forgetting, promises
from bot.store import deliveries, gates, heartbeats, inbox, requests, timers

KEEP_KEYS = timedelta(days=3)  # longer than anybody repeats a request
KEEP_ROWS = timedelta(days=30)
KEEP_HEARTBEATS_SECONDS = 3600.0


@dataclass(frozen=True)
class Chore:
    """`do(deps)` every so many seconds of wall time. `alone`: by one process of all; else by each."""

    every_seconds: float
    do: Callable[[Deps], Awaitable[object]]
    alone: bool = True


async def may_do(deps: Deps, name: str, chore: Chore) -> bool:
    """Whether this process does it this time. SQLite has one process, PostgreSQL a row to race for."""
    if not chore.alone or deps.database.dialect == "sqlite":
        return True
    wall = deps.clock.wall()
    gate = f"chore:{name}"
    async with deps.database.reading() as tx:
        if await gates.opens_at(tx, gate) > wall:
            return False
    async with deps.database.transaction() as tx:
        # A little less than the interval, so that the next turn is not missed by a hair.
        return bool(await gates.take(tx, [gate], wall=wall, until=wall + chore.every_seconds * 0.9))


async def purge(deps: Deps) -> int:
    """Forget what nobody will ask for again: old keys, worked inbox items, fired timers, settled deliveries, alerts."""
    now, wall = deps.clock.now(), deps.clock.wall()
    async with deps.database.transaction() as tx:
        await heartbeats.forget(tx, before=wall - KEEP_HEARTBEATS_SECONDS)
        forgotten = (
            await requests.forget(tx, before=now - KEEP_KEYS)
            + await inbox.forget(tx, before=now - KEEP_KEYS)
            + await timers.forget(tx, before=now - KEEP_ROWS)
            + await deliveries.forget(tx, before=now - KEEP_ROWS)
        )
    return forgotten + await forgetting.forget(deps)


CHORES = {
    "promises": Chore(5, promises.audit_promises),
    "purge": Chore(3600, purge),
}
