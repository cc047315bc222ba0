"""One delivery's trip: prepare in a read, act outside any transaction, write the outcome in one.

Whatever happens the row ends in a state that says so: sent, dropped, failed, ready again later, or in doubt, which
means that the other side may have done it and must be asked before it is told again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Throttled, Undeliverable
from bot.domain.outgoing.backoff import delay_seconds
from bot.domain.outgoing.delivery import Call, Delivery, Found, Plan, Skip, Wait
from bot.ports import Tx
from bot.queue import audit, lease
from bot.queue.handler import Errand
from bot.store.db import claim as kernel
from bot.store.db.claim import Claim, Fenced
from bot.store.db.errors import already_there
from bot.store.queue import rate_limits
from bot.store.queue.deliveries import attempt_undone
from bot.telemetry import Event, get_logger

MOST_STUMBLES = 12  # how often an errand may raise what it should not before it is given up
MOST_LOOKUPS = 2
UNKNOWN_SECONDS = 30.0  # another replica may be newer and know the kind
LEAST_WAIT_SECONDS = 0.05
WAIT_GROWTH = 1.2
LONGEST_WAIT_SECONDS = 15.0
ACTING_SHARE = 0.8  # of the lease

log = get_logger()
_dice = SystemRandom()


@dataclass(frozen=True)
class Trip:
    """A claimed delivery and all that is needed to carry it."""

    deps: Deps
    claim: Claim
    delivery: Delivery
    errand: Errand | None = None
    gate_until: float | None = None  # what we closed its gate with
    answer: dict[str, Any] | None = None  # it was sent, and only the writing down is missing

    def with_errand(self, errands: Mapping[str, Errand]) -> Trip:
        return replace(self, errand=errands.get(self.delivery.kind))

    @property
    def in_doubt(self) -> bool:
        return self.claim.state == "doubt"

    @property
    def names(self) -> dict[str, Any]:
        """What a log line says of it."""
        return {"delivery": self.delivery.id, "kind": self.delivery.kind, "subject": self.delivery.subject}


async def carry(trip: Trip) -> None:
    """From claimed to its outcome. Raises only when the database is out of reach; then the lease tells the next."""
    try:
        async with lease.held(trip.deps, trip.claim):
            if trip.errand is None:
                await _leave_to_others(trip)
            elif trip.in_doubt:
                await _look_before_repeating(trip, trip.errand)
            else:
                await _deliver(trip, trip.errand)
    except Fenced as lost:
        log.warning(Event.FENCED, what=str(lost), **trip.names)


async def _leave_to_others(trip: Trip) -> None:
    log.warning(Event.DELIVERY_STUMBLED, error="This version knows no such kind.", **trip.names)
    if trip.in_doubt:
        await _ask_later(trip, UNKNOWN_SECONDS, "unknown kind")
    else:
        await _put_back(trip, UNKNOWN_SECONDS, "unknown kind")


# --- the way out --------------------------------------------------------------------------------------------------


async def _deliver(trip: Trip, errand: Errand) -> None:
    plan = await _prepare(trip, errand)
    match plan:
        case Call():
            await _send(trip, errand, plan)
        case Wait():
            await _put_back(trip, _patience(trip, plan), plan.reason)
        case Skip():
            await _drop(trip, plan.reason)


async def _prepare(trip: Trip, errand: Errand) -> Plan | None:
    """What to do, from the state of this moment; None when the errand stumbled, which has been written down."""
    try:
        async with trip.deps.database.reading() as tx:
            return await errand.prepare(trip.deps, tx, trip.delivery)
    except Exception as problem:  # noqa: BLE001  a broken errand must not stop the others; it is logged and counted
        await _stumble(trip, problem)
        return None


async def _send(trip: Trip, errand: Errand, call: Call) -> None:
    method = call.method or trip.delivery.method
    if not await _passes_gates(trip, call, method):
        return
    if trip.deps.clock.wall() >= trip.claim.until:
        raise Fenced(f"delivery {trip.delivery.id} was held up until its lease was over")
    try:
        answer = await _act(trip, errand, call.arguments, method)
    except Throttled as refusal:
        await _throttled(trip, method, refusal)
    except Undeliverable as refusal:
        await (_doubt(trip, refusal) if refusal.maybe_done else _refused(trip, errand, refusal))
    else:
        await _arrived(trip, errand, answer)


async def _act(trip: Trip, errand: Errand, arguments: dict[str, Any], method: str) -> dict[str, Any]:
    limit = trip.deps.config.lease_seconds * ACTING_SHARE
    try:
        async with asyncio.timeout(limit):
            return await errand.act(trip.deps, trip.delivery, arguments, method)
    except Undeliverable:
        raise
    except TimeoutError as problem:
        raise Undeliverable("timed_out", maybe_done=True) from problem
    except Exception as problem:  # a broken errand may have sent something before it broke
        log.error(Event.DELIVERY_STUMBLED, error=repr(problem), exc_info=problem, **trip.names)
        raise Undeliverable(repr(problem), maybe_done=True) from problem


# --- gates that are known only now --------------------------------------------------------------------------------


async def _passes_gates(trip: Trip, call: Call, method: str) -> bool:
    """Pass the gates the claim could not know of; at a closed one the row is put back behind it."""
    post = f"post:{call.target}" if call.target else None
    if post == trip.delivery.gate:
        post = None
    if post is None and method == trip.delivery.method:
        return True
    wall = trip.deps.clock.wall()
    async with trip.deps.database.transaction() as tx:
        opens_at = await rate_limits.opens_at(tx, f"method:{method}")
        if opens_at > wall:
            await _return(tx, trip, next_at=opens_at, error="method gate closed")
            return False
        return post is None or await _take_gate(tx, trip, post, wall)


async def _take_gate(tx: Tx, trip: Trip, post: str, wall: float) -> bool:
    if await rate_limits.take(tx, [post], wall=wall, until=wall + trip.deps.config.post_interval_seconds):
        return True
    await _return(tx, trip, next_at=await rate_limits.opens_at(tx, post), error="gate closed", gate=post)
    return False


# --- outcomes -----------------------------------------------------------------------------------------------------


async def _arrived(trip: Trip, errand: Errand, answer: dict[str, Any]) -> None:
    try:
        async with trip.deps.database.transaction() as tx:
            await _write_down(tx, trip, errand, answer)
    except Fenced:
        raise
    except Exception as problem:  # noqa: BLE001  sent and not written down: forgetting that would send it again
        await _remember(trip, answer, problem)


async def _write_down(tx: Tx, trip: Trip, errand: Errand, answer: dict[str, Any]) -> None:
    await kernel.conclude(
        tx, trip.claim, state="sent", settled_at=trip.deps.clock.now(), answer=_gist(answer), error=None
    )
    await errand.settle(trip.deps, tx, trip.delivery, answer)


def _gist(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: answer[key] for key in ("ts", "channel") if isinstance(answer.get(key), str)}


async def _remember(trip: Trip, answer: dict[str, Any], problem: Exception) -> None:
    """Keep the answer with the row, to be written down later without asking again."""
    log.error(Event.DELIVERY_STUMBLED, error=repr(problem), exc_info=problem, **trip.names)
    attempts = trip.delivery.lookups + 1
    async with trip.deps.database.transaction() as tx:
        if attempts >= MOST_STUMBLES:
            await _fail(tx, trip, f"sent, and could not be written down: {problem!r}", answer=answer)
            return
        await kernel.conclude(
            tx, trip.claim, state="doubt", next_at=_later(trip, attempts), lookups=attempts, answer=answer,
            error=repr(problem)[:500],
        )  # fmt: skip


async def _throttled(trip: Trip, method: str, refusal: Throttled) -> None:
    until = trip.deps.clock.wall() + refusal.retry_after_seconds
    log.info(Event.DELIVERY_THROTTLED, method=method, retry_after_seconds=refusal.retry_after_seconds, **trip.names)
    async with trip.deps.database.transaction() as tx:
        await rate_limits.close(tx, f"method:{method}", until=until)
        await _return(tx, trip, next_at=until, error=refusal.error)


async def _refused(trip: Trip, errand: Errand, refusal: Undeliverable) -> None:
    """The errand says what a refusal means. Its None: permanent fails, anything else is tried again."""
    try:
        async with trip.deps.database.transaction() as tx:
            await kernel.confirm(tx, trip.claim)
            fate = await errand.refused(trip.deps, tx, trip.delivery, refusal)
            await _after_refusal(tx, trip, errand, refusal, fate)
    except Fenced:
        raise
    except Exception as problem:  # noqa: BLE001  a broken errand must not stop the others; it is logged and counted
        await _stumble(trip, problem)


async def _after_refusal(
    tx: Tx, trip: Trip, errand: Errand, refusal: Undeliverable, fate: dict[str, Any] | Wait | Skip | None
) -> None:
    match fate:
        case Wait() if trip.in_doubt:
            await _stay_in_doubt(tx, trip, _wall_in(trip, fate.seconds), fate.reason)
        case Wait():
            await _return(tx, trip, next_at=_wall_in(trip, fate.seconds), error=fate.reason)
        case Skip():
            await _discard(tx, trip, fate.reason)
        case None if refusal.permanent:
            await _fail(tx, trip, refusal.error)
        case None:
            await _retry(tx, trip, refusal.error)
        case answer:
            await _write_down(tx, trip, errand, answer)


async def _stumble(trip: Trip, problem: Exception) -> None:
    """The errand raised what it should not, before anything was sent."""
    log.error(Event.DELIVERY_STUMBLED, error=repr(problem), exc_info=problem, **trip.names)
    async with trip.deps.database.transaction() as tx:
        if trip.in_doubt:
            await _stay_in_doubt(tx, trip, _later(trip, trip.claim.epoch), repr(problem))
        elif trip.delivery.attempts >= MOST_STUMBLES:
            await _fail(tx, trip, repr(problem))
        else:
            await _retry(tx, trip, repr(problem))


async def _drop(trip: Trip, reason: str) -> None:
    async with trip.deps.database.transaction() as tx:
        await _discard(tx, trip, reason)


async def _put_back(trip: Trip, seconds: float, reason: str) -> None:
    async with trip.deps.database.transaction() as tx:
        await _return(tx, trip, next_at=_wall_in(trip, seconds), error=reason)


# --- doubt --------------------------------------------------------------------------------------------------------


async def _doubt(trip: Trip, refusal: Undeliverable) -> None:
    """It may have happened. Asked at once, and once more a moment later."""
    log.warning(Event.DELIVERY_IN_DOUBT, error=refusal.error, **trip.names)
    async with trip.deps.database.transaction() as tx:
        await kernel.conclude(
            tx, trip.claim, state="doubt", next_at=trip.deps.clock.wall(), lookups=0, error=refusal.error[:500]
        )


async def _look_before_repeating(trip: Trip, errand: Errand) -> None:
    if trip.answer is not None:
        await _arrived(trip, errand, trip.answer)
        return
    plan = await _prepare(trip, errand)
    match plan:
        case Call():
            await _look_up(trip, errand, plan)
        case Wait():
            await _ask_later(trip, _patience(trip, plan), plan.reason)
        case Skip():
            await _drop(trip, plan.reason)


async def _look_up(trip: Trip, errand: Errand, call: Call) -> None:
    try:
        found = await _ask(trip, errand, call)
    except Throttled as refusal:
        await _ask_later(trip, refusal.retry_after_seconds, refusal.error)
    except Undeliverable as refusal:
        if refusal.permanent:
            await _refused(trip, errand, refusal)
        else:
            await _ask_later(trip, delay_seconds(trip.claim.epoch, _dice.random()), refusal.error)
    else:
        await (_not_found(trip) if found is None else _arrived(trip, errand, found.answer))


async def _ask(trip: Trip, errand: Errand, call: Call) -> Found | None:
    limit = trip.deps.config.lease_seconds * ACTING_SHARE
    try:
        async with asyncio.timeout(limit):
            return await errand.look_up(trip.deps, trip.delivery, call.arguments)
    except Undeliverable:
        raise
    except TimeoutError as problem:
        raise Undeliverable("timed_out") from problem
    except Exception as problem:
        log.error(Event.DELIVERY_STUMBLED, error=repr(problem), exc_info=problem, **trip.names)
        raise Undeliverable(repr(problem)) from problem


async def _not_found(trip: Trip) -> None:
    """Missed once: ask again a moment later. Missed twice: it did not happen, so do it."""
    lookups = trip.delivery.lookups + 1
    wall = trip.deps.clock.wall()
    async with trip.deps.database.transaction() as tx:
        if lookups < MOST_LOOKUPS:
            next_at = wall + trip.deps.config.lookup_interval_seconds
            await kernel.conclude(tx, trip.claim, state="doubt", next_at=next_at, lookups=lookups)
        else:
            await _make_ready(tx, trip, next_at=wall, lookups=0)


async def _ask_later(trip: Trip, seconds: float, reason: str) -> None:
    async with trip.deps.database.transaction() as tx:
        await _stay_in_doubt(tx, trip, _wall_in(trip, seconds), reason)


async def _stay_in_doubt(tx: Tx, trip: Trip, next_at: float, reason: str) -> None:
    await kernel.conclude(tx, trip.claim, state="doubt", next_at=next_at, error=reason[:500])


# --- writing an outcome inside a transaction ----------------------------------------------------------------------


async def _return(tx: Tx, trip: Trip, *, next_at: float, error: str, **values: Any) -> None:
    """Put it back as if it had not been claimed: it waits, which is not trying."""
    await _make_ready(tx, trip, next_at=next_at, error=error[:500], **attempt_undone(), **values)
    await _give_gate_back(tx, trip)


async def _retry(tx: Tx, trip: Trip, error: str) -> None:
    log.info(Event.DELIVERY_RETRIED, error=error, attempts=trip.delivery.attempts, **trip.names)
    await _make_ready(tx, trip, next_at=_later(trip, trip.delivery.attempts), error=error[:500])


async def _make_ready(tx: Tx, trip: Trip, **values: Any) -> None:
    try:
        async with tx.begin_nested():
            await kernel.conclude(tx, trip.claim, state="ready", **values)
    except Exception as problem:
        if not already_there(problem):
            raise
        # A newer row with its collapse key waits already, and will be rendered from the same state.
        now = trip.deps.clock.now()
        await kernel.conclude(tx, trip.claim, state="dropped", settled_at=now, error="superseded by a newer one")


async def _discard(tx: Tx, trip: Trip, reason: str) -> None:
    log.info(Event.DELIVERY_DROPPED, reason=reason, **trip.names)
    await kernel.conclude(tx, trip.claim, state="dropped", settled_at=trip.deps.clock.now(), error=reason[:500])
    await _give_gate_back(tx, trip)


async def _fail(tx: Tx, trip: Trip, error: str, **values: Any) -> None:
    log.error(Event.DELIVERY_FAILED, error=error, **trip.names)
    now = trip.deps.clock.now()
    await kernel.conclude(tx, trip.claim, state="failed", settled_at=now, error=error[:500], **values)
    detail = {"delivery": trip.delivery.id, "kind": trip.delivery.kind, "error": error[:500]}
    await audit.record(tx, trip.deps.clock, "tocsin", "delivery.failed", trip.delivery.subject, **detail)


async def _give_gate_back(tx: Tx, trip: Trip) -> None:
    if trip.gate_until is not None and trip.delivery.gate is not None:
        await rate_limits.give_back(
            tx, [trip.delivery.gate], taken_until=trip.gate_until, wall=trip.deps.clock.wall()
        )  # fmt: skip


def _patience(trip: Trip, plan: Wait) -> float:
    """The more often it was looked at in vain, the longer until the next look: a thousand may wait for one outage."""
    return max(plan.seconds, min(plan.seconds * WAIT_GROWTH ** min(trip.claim.epoch - 1, 40), LONGEST_WAIT_SECONDS))


def _wall_in(trip: Trip, seconds: float) -> float:
    return trip.deps.clock.wall() + max(seconds, LEAST_WAIT_SECONDS)


def _later(trip: Trip, attempts: int) -> float:
    return trip.deps.clock.wall() + delay_seconds(attempts, _dice.random())
