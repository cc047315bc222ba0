"""One delivery's trip: prepare in a read, act outside any transaction, write the outcome in one.

Whatever happens the row ends in a state that says so: sent, dropped, failed, ready again later, or unconfirmed, which
means that the other side may have done it and must be asked before it is told again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import Any, TypeVar

from bot.deps import Deps
from bot.domain.errors import Throttled, Undeliverable, Unwanted
from bot.domain.outgoing.backoff import delay_seconds
from bot.domain.outgoing.delivery import Call, Delivery, Fate, Plan, Skip, Wait
from bot.ports import Tx
from bot.queue import audit, lease
from bot.queue.handler import DeliveryHandler
from bot.store.db import claim as kernel
from bot.store.db.claim import Claim, LeaseLost
from bot.store.db.errors import DatabaseTrouble, already_there
from bot.store.queue import rate_limits
from bot.telemetry import Event, get_logger

MOST_STUMBLES = 12  # how often a delivery handler may raise what it should not before it is given up
MOST_LOOKUPS = 2
UNKNOWN_SECONDS = 30.0  # another replica may be newer and know the kind
LEAST_WAIT_SECONDS = 0.05
WAIT_GROWTH = 1.2
LONGEST_WAIT_SECONDS = 15.0
ACTING_SHARE = 0.8  # of the lease

Value = TypeVar("Value")

log = get_logger()
_dice = SystemRandom()


@dataclass(frozen=True)
class Attempt:
    deps: Deps
    claim: Claim
    delivery: Delivery[Any]
    handler: DeliveryHandler[Any] | None = None
    limited_until: float | None = None  # what we closed its rate limit with
    answer: dict[str, Any] | None = None  # it was sent, and only the writing down is missing

    def with_handler(self, handlers: Mapping[str, DeliveryHandler[Any]]) -> Attempt:
        """Without one where this version does not know its kind, or not in this form."""
        try:
            handler = handlers[self.delivery.kind]
            payload = handler.payload.read(self.delivery.payload)
        except (KeyError, TypeError):
            return self
        return replace(self, handler=handler, delivery=replace(self.delivery, payload=payload))

    @property
    def unconfirmed(self) -> bool:
        return self.claim.state == "unconfirmed"

    @property
    def names(self) -> dict[str, Any]:
        return {"delivery": self.delivery.id, "kind": self.delivery.kind, "subject": self.delivery.subject}


async def deliver(attempt: Attempt) -> None:
    """From claimed to its outcome. Raises only when the database is out of reach; then the lease tells the next."""
    try:
        async with lease.held(attempt.deps, attempt.claim):
            if attempt.handler is None:
                log.warning(Event.DELIVERY_STUMBLED, error="This version knows no such kind.", **attempt.names)
                await _put_off(attempt, UNKNOWN_SECONDS, "unknown kind")
            elif attempt.answer is not None:
                await _arrived(attempt, attempt.handler, attempt.answer)
            else:
                await _follow_plan(attempt, attempt.handler)
    except LeaseLost as lost:
        log.warning(Event.LEASE_LOST, what=str(lost), **attempt.names)


# --- the way out --------------------------------------------------------------------------------------------------


async def _follow_plan(attempt: Attempt, handler: DeliveryHandler[Any]) -> None:
    match await _prepare(attempt, handler):
        case Call() as call if attempt.unconfirmed:
            await _look_before_repeating(attempt, handler, call)
        case Call() as call:
            await _send(attempt, handler, call)
        case Wait() as wait:
            await _put_off(attempt, _patience(attempt, wait), wait.reason)
        case Skip(reason):
            await _drop(attempt, reason)


async def _prepare(attempt: Attempt, handler: DeliveryHandler[Any]) -> Plan | None:
    """None when the delivery handler stumbled, which has been written down."""
    try:
        async with attempt.deps.database.reading() as tx:
            plan = await handler.prepare(attempt.deps, tx, attempt.delivery)
            why = await handler.still_wanted(attempt.deps, tx, attempt.delivery) if isinstance(plan, Wait) else None
            return Skip(why) if why else plan
    except Exception as problem:  # noqa: BLE001  a broken handler must not stop the others; it is logged and counted
        await _stumble(attempt, problem)
        return None


async def _send(attempt: Attempt, handler: DeliveryHandler[Any], call: Call) -> None:
    if not await _passes_rate_limits(attempt, call):
        return
    if attempt.deps.clock.wall() >= attempt.claim.until:
        raise LeaseLost(f"delivery {attempt.delivery.id} was held up until its lease was over")
    try:
        answer = await _in_time(attempt, _look_up_and_send(attempt, handler, call.arguments), maybe_done=True)
    except Unwanted as stopped:
        await _drop(attempt, stopped.error)
    except Throttled as refusal:
        await _throttled(attempt, refusal)
    except Undeliverable as refusal:
        await (_leave_unconfirmed(attempt, refusal) if refusal.maybe_done else _refused(attempt, handler, refusal))
    else:
        await _arrived(attempt, handler, answer)


async def _in_time(attempt: Attempt, acting: Awaitable[Value], *, maybe_done: bool) -> Value:
    """Raises Undeliverable, also where the handler is broken or the lease is nearly over.

    `maybe_done`: what did not end well may have been sent all the same.
    """
    try:
        async with asyncio.timeout(attempt.deps.config.lease_seconds * ACTING_SHARE):
            return await acting
    except Undeliverable:
        raise
    except TimeoutError as problem:
        raise Undeliverable("timed_out", maybe_done=maybe_done) from problem
    except Exception as problem:
        log.error(Event.DELIVERY_STUMBLED, error=repr(problem), exc_info=problem, **attempt.names)
        raise Undeliverable(repr(problem), maybe_done=maybe_done) from problem


async def _look_up_and_send(
    attempt: Attempt, handler: DeliveryHandler[Any], arguments: dict[str, Any]
) -> dict[str, Any]:
    """Raises Unwanted, also where the look-up failed."""
    try:
        arguments = await handler.look_up(attempt.deps, attempt.delivery, arguments)
    except Undeliverable:
        await _must_be_wanted(attempt, handler)
        raise
    await _must_be_wanted(attempt, handler)
    return await handler.send(attempt.deps, attempt.delivery, arguments)


async def _must_be_wanted(attempt: Attempt, handler: DeliveryHandler[Any]) -> None:
    if type(handler).still_wanted is DeliveryHandler.still_wanted:
        return  # most are always wanted, which costs no read
    async with attempt.deps.database.reading() as tx:
        why = await handler.still_wanted(attempt.deps, tx, attempt.delivery)
    if why:
        raise Unwanted(why)


# --- rate limits that are known only now ------------------------------------------------------------------------------


async def _passes_rate_limits(attempt: Attempt, call: Call) -> bool:
    """Those that the claim could not know of; at a closed one the row is put back behind it."""
    post = f"post:{call.target}" if call.target else None
    if post is None or post == attempt.delivery.rate_limit:
        return True
    wall = attempt.deps.clock.wall()
    async with attempt.deps.database.transaction() as tx:
        opens_at = await rate_limits.opens_at(tx, f"method:{attempt.delivery.method}")
        if opens_at > wall:
            await _return(tx, attempt, next_at=opens_at, error="method rate limit")
            return False
        return await _take_rate_limit(tx, attempt, post, wall)


async def _take_rate_limit(tx: Tx, attempt: Attempt, post: str, wall: float) -> bool:
    if await rate_limits.take(tx, [post], wall=wall, until=wall + attempt.deps.config.post_interval_seconds):
        return True
    await _return(tx, attempt, next_at=await rate_limits.opens_at(tx, post), error="rate limit", rate_limit=post)
    return False


# --- outcomes -----------------------------------------------------------------------------------------------------


async def _arrived(attempt: Attempt, handler: DeliveryHandler[Any], answer: dict[str, Any]) -> None:
    try:
        async with attempt.deps.database.transaction() as tx:
            await _write_down(tx, attempt, handler, answer)
    except LeaseLost:
        raise
    except Exception as problem:  # noqa: BLE001  sent and not written down: forgetting that would send it again
        await _remember(attempt, answer, problem)


async def _write_down(tx: Tx, attempt: Attempt, handler: DeliveryHandler[Any], answer: dict[str, Any]) -> None:
    await kernel.finish(
        tx, attempt.claim, state="sent", settled_at=attempt.deps.clock.now(), answer=_gist(answer), error=None
    )
    await handler.on_sent(attempt.deps, tx, attempt.delivery, answer)


def _gist(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: answer[key] for key in ("ts", "channel") if isinstance(answer.get(key), str)}


async def _remember(attempt: Attempt, answer: dict[str, Any], problem: Exception) -> None:
    """Keep the answer with the row, to be written down later without asking again."""
    log.error(Event.DELIVERY_STUMBLED, error=repr(problem), exc_info=problem, **attempt.names)
    attempts = attempt.delivery.lookups + 1
    async with attempt.deps.database.transaction() as tx:
        if attempts >= MOST_STUMBLES:
            await _fail(tx, attempt, f"sent, and could not be written down: {problem!r}", answer=answer)
            return
        await kernel.finish(
            tx, attempt.claim, state="unconfirmed", next_at=_later(attempt, attempts), lookups=attempts, answer=answer,
            error=repr(problem)[:500],
        )  # fmt: skip


async def _throttled(attempt: Attempt, refusal: Throttled) -> None:
    method, until = attempt.delivery.method, attempt.deps.clock.wall() + refusal.retry_after_seconds
    log.info(Event.DELIVERY_THROTTLED, method=method, retry_after_seconds=refusal.retry_after_seconds, **attempt.names)
    async with attempt.deps.database.transaction() as tx:
        await rate_limits.close(tx, f"method:{method}", until=until)
        await _return(tx, attempt, next_at=until, error=refusal.error)


async def _refused(attempt: Attempt, handler: DeliveryHandler[Any], refusal: Undeliverable) -> None:
    """The handler's None means: permanent fails, anything else is tried again."""
    try:
        async with attempt.deps.database.transaction() as tx:
            await kernel.assert_held(tx, attempt.claim)
            fate = await handler.on_refused(attempt.deps, tx, attempt.delivery, refusal)
            await _after_refusal(tx, attempt, handler, refusal, fate)
    except LeaseLost:
        raise
    except Exception as problem:  # noqa: BLE001  a broken handler must not stop the others; it is logged and counted
        await _stumble(attempt, problem)


async def _after_refusal(
    tx: Tx,
    attempt: Attempt,
    handler: DeliveryHandler[Any],
    refusal: Undeliverable,
    fate: Fate,
) -> None:
    match fate:
        case Wait():
            await _wait(tx, attempt, fate.seconds, fate.reason)
        case Skip():
            await _discard(tx, attempt, fate.reason)
        case None if refusal.permanent:
            await _fail(tx, attempt, refusal.error)
        case None:
            await _retry(tx, attempt, refusal.error)
        case answer:
            await _write_down(tx, attempt, handler, answer)


async def _stumble(attempt: Attempt, problem: Exception) -> None:
    """Before anything was sent."""
    log.error(Event.DELIVERY_STUMBLED, error=repr(problem), exc_info=problem, **attempt.names)
    async with attempt.deps.database.transaction() as tx:
        if attempt.unconfirmed:
            await _stay_unconfirmed(tx, attempt, _later(attempt, attempt.claim.epoch), repr(problem))
        elif attempt.delivery.attempts >= MOST_STUMBLES:
            await _fail(tx, attempt, repr(problem))
        else:
            await _retry(tx, attempt, repr(problem))


async def _drop(attempt: Attempt, reason: str) -> None:
    async with attempt.deps.database.transaction() as tx:
        await _discard(tx, attempt, reason)


async def _put_off(attempt: Attempt, seconds: float, reason: str) -> None:
    async with attempt.deps.database.transaction() as tx:
        await _wait(tx, attempt, seconds, reason)


async def _wait(tx: Tx, attempt: Attempt, seconds: float, reason: str) -> None:
    """An unconfirmed one stays so, and is asked for again then."""
    next_at = attempt.deps.clock.wall() + max(seconds, LEAST_WAIT_SECONDS)
    if attempt.unconfirmed:
        await _stay_unconfirmed(tx, attempt, next_at, reason)
    else:
        await _return(tx, attempt, next_at=next_at, error=reason)


# --- unconfirmed -----------------------------------------------------------------------------------------------------


async def _leave_unconfirmed(attempt: Attempt, refusal: Undeliverable) -> None:
    """It may have happened. Asked at once, and once more a moment later."""
    log.warning(Event.DELIVERY_UNCONFIRMED, error=refusal.error, **attempt.names)
    async with attempt.deps.database.transaction() as tx:
        await kernel.finish(
            tx,
            attempt.claim,
            state="unconfirmed",
            next_at=attempt.deps.clock.wall(),
            lookups=0,
            error=refusal.error[:500],
        )


async def _look_before_repeating(attempt: Attempt, handler: DeliveryHandler[Any], call: Call) -> None:
    asking = handler.find_sent(attempt.deps, attempt.delivery, call.arguments)
    try:
        found = await _in_time(attempt, asking, maybe_done=False)
    except Throttled as refusal:
        await _put_off(attempt, refusal.retry_after_seconds, refusal.error)
    except Undeliverable as refusal:
        if refusal.permanent:
            await _refused(attempt, handler, refusal)
        else:
            await _put_off(attempt, delay_seconds(attempt.claim.epoch, _dice.random()), refusal.error)
    else:
        await (_not_found(attempt) if found is None else _arrived(attempt, handler, found.answer))


async def _not_found(attempt: Attempt) -> None:
    """Missed once: ask again a moment later. Missed twice: it did not happen, so do it."""
    lookups, wall = attempt.delivery.lookups + 1, attempt.deps.clock.wall()
    async with attempt.deps.database.transaction() as tx:
        if lookups < MOST_LOOKUPS:
            next_at = wall + attempt.deps.config.lookup_interval_seconds
            await kernel.finish(tx, attempt.claim, state="unconfirmed", next_at=next_at, lookups=lookups)
        else:
            await _make_ready(tx, attempt, next_at=wall, lookups=0)


async def _stay_unconfirmed(tx: Tx, attempt: Attempt, next_at: float, reason: str) -> None:
    await kernel.finish(tx, attempt.claim, state="unconfirmed", next_at=next_at, error=reason[:500])


# --- writing an outcome inside a transaction ----------------------------------------------------------------------


async def _return(tx: Tx, attempt: Attempt, *, next_at: float, error: str, **values: Any) -> None:
    """Put it back as if it had not been claimed: it waits, which is not trying."""
    await _make_ready(tx, attempt, next_at=next_at, error=error[:500], untried=True, **values)
    await _give_rate_limit_back(tx, attempt)


async def _retry(tx: Tx, attempt: Attempt, error: str) -> None:
    log.info(Event.DELIVERY_RETRIED, error=error, attempts=attempt.delivery.attempts, **attempt.names)
    await _make_ready(tx, attempt, next_at=_later(attempt, attempt.delivery.attempts), error=error[:500])


async def _make_ready(tx: Tx, attempt: Attempt, **values: Any) -> None:
    try:
        async with tx.begin_nested() if attempt.delivery.collapses else nullcontext():
            await kernel.finish(tx, attempt.claim, state="ready", **values)
    except DatabaseTrouble as problem:
        if not already_there(problem):
            raise
        # A newer row with its collapse key waits already, and will be rendered from the same state.
        now = attempt.deps.clock.now()
        await kernel.finish(tx, attempt.claim, state="dropped", settled_at=now, error="superseded by a newer one")


async def _discard(tx: Tx, attempt: Attempt, reason: str) -> None:
    log.info(Event.DELIVERY_DROPPED, reason=reason, **attempt.names)
    await kernel.finish(tx, attempt.claim, state="dropped", settled_at=attempt.deps.clock.now(), error=reason[:500])
    await _give_rate_limit_back(tx, attempt)


async def _fail(tx: Tx, attempt: Attempt, error: str, **values: Any) -> None:
    log.error(Event.DELIVERY_FAILED, error=error, **attempt.names)
    now = attempt.deps.clock.now()
    await kernel.finish(tx, attempt.claim, state="failed", settled_at=now, error=error[:500], **values)
    detail = {"delivery": attempt.delivery.id, "kind": attempt.delivery.kind, "error": error[:500]}
    await audit.record(tx, attempt.deps.clock, "tocsin", "delivery.failed", attempt.delivery.subject, **detail)


async def _give_rate_limit_back(tx: Tx, attempt: Attempt) -> None:
    if attempt.limited_until is not None and attempt.delivery.rate_limit is not None:
        await rate_limits.give_back(
            tx, attempt.delivery.rate_limit, taken_until=attempt.limited_until, wall=attempt.deps.clock.wall()
        )  # fmt: skip


def _patience(attempt: Attempt, plan: Wait) -> float:
    """Each look that finds nothing to do lengthens the time to the next: a thousand may wait for one outage."""
    return max(plan.seconds, min(plan.seconds * WAIT_GROWTH ** min(attempt.claim.epoch - 1, 40), LONGEST_WAIT_SECONDS))


def _later(attempt: Attempt, attempts: int) -> float:
    return attempt.deps.clock.wall() + delay_seconds(attempts, _dice.random())
