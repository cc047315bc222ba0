"""What the world is to be told: written down with the fact, claimed by the worker, sent between two transactions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.deps import Deps
from bot.domain.outgoing.delivery import EDITS, Parcel
from bot.ports import Tx
from bot.queue import sender
from bot.queue.concurrency import Pump
from bot.queue.handler import Errand
from bot.queue.sender import Trip
from bot.store.queue import deliveries as store
from bot.store.queue import rate_limits
from bot.store.queue.deliveries import Candidate

SEATS = 64
_POST = "post:"

__all__ = ["Parcel", "enqueue", "next_wall", "outbox", "release_all_leases", "send_waiting"]


async def enqueue(deps: Deps, tx: Tx, parcel: Parcel) -> int | None:
    """Write the intention down in the transaction of the fact. Call `deps.hints.wake()` after the commit.

    Returns the delivery's id, or None when a waiting row stands for it (collapse_key) or it was written before
    (dedupe_key). `parcel.gate` is a channel's id, with or without `post:`.
    """
    gate = _gate(parcel)
    while True:
        now, wall = deps.clock.now(), deps.clock.wall()
        written = await store.insert(tx, parcel, gate=gate, wall=wall, created_at=now)
        if written is not None or parcel.collapse_key is None:
            return written
        if parcel.dedupe_key is not None and await store.is_known(tx, parcel.dedupe_key):
            return None
        if await store.join_waiting(tx, parcel):
            return None
        # The waiting row was claimed between the two statements: this parcel is a row of its own after all.


def _gate(parcel: Parcel) -> str | None:
    if parcel.gate is None or parcel.gate == EDITS:
        return parcel.gate
    return _POST + parcel.gate.removeprefix(_POST)


async def hurry(deps: Deps, tx: Tx, subject: str) -> None:
    """What the subject's deliveries waited for has come: look at them now."""
    await store.hurry(tx, subject, wall=deps.clock.wall())


def outbox(deps: Deps, errands: Mapping[str, Errand], landed: Callable[[], None] = lambda: None) -> Pump[Trip]:
    """The pump that sends: claims what may go, carries each delivery on its own."""

    async def claim(room: int) -> list[Trip]:
        return await _claim(deps, errands, room)

    return Pump(claim, sender.carry, seats=SEATS, landed=landed)


async def send_waiting(deps: Deps, errands: Mapping[str, Errand]) -> int:
    """Send everything that may go at this moment, and what follows from it; returns how many moved."""
    return await outbox(deps, errands).until_quiet()


async def next_wall(deps: Deps) -> float | None:
    """The wall time at which something that waits (gate, backoff, look-up) could go; may be a little early."""
    async with deps.database.reading() as tx:
        return await store.next_wall(tx, wall=deps.clock.wall())


async def release_all_leases(deps: Deps) -> int:
    """For the one process of a SQLite database, at start: what a crash left in flight is looked up at once."""
    async with deps.database.transaction() as tx:
        return await store.release_all_leases(tx)


# --- claiming -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """What a look at the table found, before anything is locked."""

    waiting: list[Candidate]
    doubtful: bool

    def __bool__(self) -> bool:
        return bool(self.waiting) or self.doubtful


async def _claim(deps: Deps, errands: Mapping[str, Errand], room: int) -> list[Trip]:
    found = await _look(deps, room)
    if not found:
        return []
    wall = deps.clock.wall()
    async with deps.database.transaction() as tx:
        doubtful = await _take_doubtful(deps, tx, wall, room) if found.doubtful else []
        waiting = await _take_waiting(deps, tx, wall, found.waiting[: room - len(doubtful)])
    return [trip.with_errand(errands) for trip in (*doubtful, *waiting)]


async def _look(deps: Deps, room: int) -> _Found:
    wall = deps.clock.wall()
    async with deps.database.reading() as tx:
        closed = await rate_limits.closed_methods(tx, wall=wall)
        waiting = await store.candidates(tx, wall=wall, closed=closed.keys(), limit=room)
        return _Found(waiting, await store.any_doubtful(tx, wall=wall))


async def _take_doubtful(deps: Deps, tx: Tx, wall: float, room: int) -> list[Trip]:
    until = wall + deps.config.lease_seconds
    taken = await store.claim_doubtful(tx, wall=wall, limit=room, owner=deps.worker_name, until=until)
    return [Trip(deps, claim, delivery, answer=answer) for claim, delivery, answer in taken]


async def _take_waiting(deps: Deps, tx: Tx, wall: float, found: list[Candidate]) -> list[Trip]:
    """Pass the gates first, then take the rows whose gate let them; a gate taken in vain is given back."""
    passed = await _pass(deps, tx, wall, {each.gate for each in found if each.gate})
    free = [each.id for each in found if each.gate is None or each.gate in passed]
    if not free:
        return []
    until = wall + deps.config.lease_seconds
    taken = await store.claim_ready(tx, free, wall=wall, owner=deps.worker_name, until=until)
    trips = [Trip(deps, claim, delivery, gate_until=passed.get(delivery.gate or "")) for claim, delivery in taken]
    used = {trip.delivery.gate for trip in trips}
    for name, until in passed.items():
        if name not in used:
            await rate_limits.give_back(tx, [name], taken_until=until, wall=wall)
    return trips


async def _pass(deps: Deps, tx: Tx, wall: float, names: set[str]) -> dict[str, float]:
    """The open ones of these gates, closed now, and until when."""
    posts, edits = wall + deps.config.post_interval_seconds, wall + 60 / deps.config.edits_a_minute
    passed = dict.fromkeys(await rate_limits.take(tx, names - {EDITS}, wall=wall, until=posts), posts)
    return passed | dict.fromkeys(await rate_limits.take(tx, names & {EDITS}, wall=wall, until=edits), edits)
