"""What the world is to be told: written down with the fact, claimed by the worker, sent between two transactions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.deps import Deps
from bot.domain.outgoing.delivery import EDITS, NewDelivery
from bot.ports import Tx
from bot.queue import sender
from bot.queue.concurrency import Pool
from bot.queue.handler import DeliveryHandler
from bot.queue.sender import Attempt
from bot.store.queue import deliveries as store, rate_limits
from bot.store.queue.deliveries import Candidate, Found

CONCURRENCY = 64
_POST = "post:"

__all__ = ["NewDelivery", "Outbox", "enqueue", "send_waiting"]


async def enqueue(deps: Deps, tx: Tx, new: NewDelivery) -> int | None:
    """Write the intention down in the transaction of the fact. Call `deps.wakeups.wake()` after the commit.

    Returns the delivery's id, or None when a waiting row counts for it (collapse_key) or it was written before
    (dedupe_key). `new.rate_limit` is a channel's id, with or without `post:`.
    """
    rate_limit = _rate_limit(new)
    while True:
        now, wall = deps.clock.now(), deps.clock.wall()
        written = await store.insert(tx, new, rate_limit=rate_limit, wall=wall, created_at=now)
        if written is not None or new.collapse_key is None:
            return written
        if new.dedupe_key is not None and await store.answer_to(tx, new.dedupe_key):
            return None
        if await store.join_waiting(tx, new):
            return None
        # The waiting row was claimed between the two statements: this delivery is a row of its own after all.


def _rate_limit(new: NewDelivery) -> str | None:
    if new.rate_limit is None or new.rate_limit == EDITS:
        return new.rate_limit
    return _POST + new.rate_limit.removeprefix(_POST)


async def retry_now(deps: Deps, tx: Tx, subject: str) -> None:
    """What the subject's deliveries waited for has come: look at them now."""
    await store.retry_now(tx, subject, wall=deps.clock.wall())


class Outbox(Pool[Attempt]):
    def __init__(
        self, deps: Deps, handlers: Mapping[str, DeliveryHandler[Any]], on_done: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(self._take, sender.deliver, concurrency=CONCURRENCY, on_done=on_done)
        self._deps, self._handlers = deps, handlers
        self.next_wall: float | None = None  # as the last look found it

    async def _take(self, room: int) -> list[Attempt]:
        found = await _look(self._deps, room)
        self.next_wall = found.next_wall
        claimed = await _claim(self._deps, found, room) if found.waiting or found.unconfirmed else []
        return [attempt.with_handler(self._handlers) for attempt in claimed]


async def send_waiting(deps: Deps, handlers: Mapping[str, DeliveryHandler[Any]]) -> int:
    return await Outbox(deps, handlers).until_idle()


# --- claiming -----------------------------------------------------------------------------------------------------


async def _look(deps: Deps, room: int) -> Found:
    async with deps.database.reading() as tx:
        return await store.look(tx, wall=deps.clock.wall(), limit=room)


async def _claim(deps: Deps, found: Found, room: int) -> list[Attempt]:
    wall = deps.clock.wall()
    async with deps.database.transaction() as tx:
        unconfirmed = await _take_unconfirmed(deps, tx, wall, room) if found.unconfirmed else []
        return [*unconfirmed, *await _take_waiting(deps, tx, wall, found.waiting[: room - len(unconfirmed)])]


async def _take_unconfirmed(deps: Deps, tx: Tx, wall: float, room: int) -> list[Attempt]:
    until = wall + deps.config.lease_seconds
    taken = await store.claim_unconfirmed(tx, wall=wall, limit=room, owner=deps.worker_name, until=until)
    return [Attempt(deps, claim, delivery, answer=answer) for claim, delivery, answer in taken]


async def _take_waiting(deps: Deps, tx: Tx, wall: float, found: list[Candidate]) -> list[Attempt]:
    """Pass the rate limits first, then take the rows whose rate limit let them. What is taken and not used is given
    back.
    """
    passed = await _pass(deps, tx, wall, {each.rate_limit for each in found if each.rate_limit})
    free = [each.id for each in found if each.rate_limit is None or each.rate_limit in passed]
    if not free:
        return []
    until = wall + deps.config.lease_seconds
    taken = await store.claim_ready(tx, free, wall=wall, owner=deps.worker_name, until=until)
    claimed = [
        Attempt(deps, claim, delivery, limited_until=passed.get(delivery.rate_limit or "")) for claim, delivery in taken
    ]
    used = {attempt.delivery.rate_limit for attempt in claimed}
    for name, until in passed.items():
        if name not in used:
            await rate_limits.give_back(tx, name, taken_until=until, wall=wall)
    return claimed


async def _pass(deps: Deps, tx: Tx, wall: float, names: set[str]) -> dict[str, float]:
    """The open ones of these rate limits, closed now, and until when (wall)."""
    posts, edits = wall + deps.config.post_interval_seconds, wall + 60 / deps.config.edits_a_minute
    passed = dict.fromkeys(await rate_limits.take(tx, names - {EDITS}, wall=wall, until=posts), posts)
    return passed | dict.fromkeys(await rate_limits.take(tx, names & {EDITS}, wall=wall, until=edits), edits)
