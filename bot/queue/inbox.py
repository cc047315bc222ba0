"""The inbox: what the outside sent is stored before it is acknowledged, and worked afterwards until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import SystemRandom
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Repeated
from bot.domain.outgoing.backoff import delay_seconds
from bot.ports import Tx
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

__all__ = ["InboxHandler", "InboxItem", "by_family", "intake", "one_at_a_time", "receive", "work"]

log = get_logger()
_dice = SystemRandom()


async def receive(deps: Deps, *, key: str, kind: str, payload: dict[str, Any]) -> bool:
    """The item may be acknowledged when this returns. False: its key was there already."""
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
    async def handle(deps: Deps, item: InboxItem) -> None:
        await (handlers.get(item.kind) or handlers[item.kind.partition(":")[0]])(deps, item)

    return handle


@dataclass(frozen=True)
class _Job:
    claim: Claim
    item: InboxItem


def intake(deps: Deps, handler: InboxHandler, on_done: Callable[[], None] = lambda: None) -> Pool[_Job]:
    return Pool(partial(_claim, deps), partial(_work, deps, handler), concurrency=CONCURRENCY, on_done=on_done)


async def work(deps: Deps, handler: InboxHandler) -> int:
    """Work everything that waits at this moment; returns how many.

    The handler may be called again for the same item after a crash or an exception, so it keys its transactions by
    `item.key`; `Repeated` counts as done. An item that fails eight times is given up, logged and audited.
    """
    return await intake(deps, handler).until_idle()


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
        with suppress(Repeated):  # carried out before a crash took us
            await handler(deps, job.item)
    except Exception as problem:  # noqa: BLE001  one item that cannot be worked must not stop the others
        await _stumble(deps, job, problem)
    else:
        async with deps.database.transaction() as tx:
            await kernel.finish(tx, job.claim, state="done", error=None)


async def _stumble(deps: Deps, job: _Job, problem: Exception) -> None:
    item, error = job.item, repr(problem)
    log.error(Event.INBOX_STUMBLED, key=item.key, kind=item.kind, error=error, exc_info=problem)
    async with deps.database.transaction() as tx:
        if item.attempts >= MOST_ATTEMPTS:
            await _give_up(deps, tx, job, error[:500])
        else:
            next_at = deps.clock.wall() + delay_seconds(item.attempts, _dice.random())
            await kernel.finish(tx, job.claim, state="ready", next_at=next_at, error=error[:500])


async def _give_up(deps: Deps, tx: Tx, job: _Job, error: str) -> None:
    item = job.item
    log.error(Event.INBOX_FAILED, key=item.key, kind=item.kind)
    await kernel.finish(tx, job.claim, state="failed", error=error)
    await audit.record(tx, deps.clock, "tocsin", "inbox.failed", item.key[:64], kind=item.kind, error=error)
