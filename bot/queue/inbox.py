"""The inbox: what the outside sent is stored before it is acknowledged, and worked afterwards until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import SystemRandom
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Repeated
from bot.domain.outgoing.backoff import delay_seconds
from bot.queue import audit, lease
from bot.queue.concurrency import Pool
from bot.store.db import claim as kernel
from bot.store.db.claim import Claim, LeaseLost
from bot.store.queue import inbox as store
from bot.store.queue.inbox import InboxItem
from bot.telemetry import Event, get_logger

InboxHandler = Callable[[Deps, InboxItem], Awaitable[None]]

CONCURRENCY = 16
MOST_ATTEMPTS = 8

__all__ = ["InboxHandler", "InboxItem", "by_family", "intake", "one_at_a_time", "receive", "release_all_leases", "work"]

log = get_logger()
_dice = SystemRandom()


async def receive(deps: Deps, *, key: str, kind: str, payload: dict[str, Any]) -> bool:
    """Store it; it may be acknowledged when this returns. False: it was there already."""
    async with deps.database.transaction() as tx:
        wall, now = deps.clock.wall(), deps.clock.now()
        is_new = await store.insert(tx, key=key, kind=kind, payload=payload, wall=wall, received_at=now)
    if is_new:
        deps.wakeups.wake()
    return is_new


def one_at_a_time(handler: InboxHandler) -> InboxHandler:
    """For items that queue for one another: a worker's other work does not run out of connections meanwhile."""
    lock = asyncio.Lock()

    async def handle(deps: Deps, item: InboxItem) -> None:
        async with lock:
            await handler(deps, item)

    return handle


def by_family(handlers: Mapping[str, InboxHandler]) -> InboxHandler:
    """One handler of several: each works the items of its kind, or whose kind begins with its name and a colon."""

    async def handle(deps: Deps, item: InboxItem) -> None:
        handler = handlers.get(item.kind) or handlers[item.kind.partition(":")[0]]
        await handler(deps, item)

    return handle


@dataclass(frozen=True)
class _Job:
    claim: Claim
    item: InboxItem


def intake(deps: Deps, handler: InboxHandler, on_done: Callable[[], None] = lambda: None) -> Pool[_Job]:
    """The pump that works the inbox."""

    async def claim(room: int) -> list[_Job]:
        return await _claim(deps, room)

    async def work_one(job: _Job) -> None:
        await _work(deps, handler, job)

    return Pool(claim, work_one, concurrency=CONCURRENCY, on_done=on_done)


async def work(deps: Deps, handler: InboxHandler) -> int:
    """Work everything that waits at this moment; returns how many.

    The handler may be called again for the same item after a crash or an exception, so it keys its transactions by
    `item.key`; `Repeated` counts as done. An item that fails eight times is given up, logged and audited.
    """
    return await intake(deps, handler).until_idle()


async def release_all_leases(deps: Deps) -> int:
    """For the one process of a SQLite database, at start: what a crash left is worked again at once."""
    async with deps.database.transaction() as tx:
        return await store.release_all_leases(tx)


async def _claim(deps: Deps, room: int) -> list[_Job]:
    wall = deps.clock.wall()
    async with deps.database.reading() as tx:
        if not await store.any_claimable(tx, wall=wall):
            return []
    async with deps.database.transaction() as tx:
        until = wall + deps.config.lease_seconds
        taken = await store.claim(tx, wall=wall, limit=room, owner=deps.worker_name, until=until)
    return [_Job(claim, item) for claim, item in taken]


async def _work(deps: Deps, handler: InboxHandler, job: _Job) -> None:
    try:
        async with lease.held(deps, job.claim):
            await _handle(deps, handler, job)
    except LeaseLost as lost:
        log.warning(Event.LEASE_LOST, what=str(lost))


async def _handle(deps: Deps, handler: InboxHandler, job: _Job) -> None:
    try:
        await handler(deps, job.item)
    except Repeated:
        await _done(deps, job)  # carried out before a crash took us
    except Exception as problem:  # noqa: BLE001  one item that cannot be worked must not stop the others
        await _stumble(deps, job, problem)
    else:
        await _done(deps, job)


async def _done(deps: Deps, job: _Job) -> None:
    async with deps.database.transaction() as tx:
        await kernel.finish(tx, job.claim, state="done", error=None)


async def _stumble(deps: Deps, job: _Job, problem: Exception) -> None:
    item = job.item
    log.error(Event.INBOX_STUMBLED, key=item.key, kind=item.kind, error=repr(problem), exc_info=problem)
    if item.attempts >= MOST_ATTEMPTS:
        await _give_up(deps, job, problem)
        return
    next_at = deps.clock.wall() + delay_seconds(item.attempts, _dice.random())
    async with deps.database.transaction() as tx:
        await kernel.finish(tx, job.claim, state="ready", next_at=next_at, error=repr(problem)[:500])


async def _give_up(deps: Deps, job: _Job, problem: Exception) -> None:
    item = job.item
    log.error(Event.INBOX_FAILED, key=item.key, kind=item.kind)
    async with deps.database.transaction() as tx:
        await kernel.finish(tx, job.claim, state="failed", error=repr(problem)[:500])
        detail = {"kind": item.kind, "error": repr(problem)[:500]}
        await audit.record(tx, deps.clock, "tocsin", "inbox.failed", item.key[:64], **detail)
