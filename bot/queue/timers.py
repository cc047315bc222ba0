"""Timers: promises for a moment. What one does is rows, written in the transaction that marks it done."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from random import SystemRandom
from typing import Any
from weakref import WeakKeyDictionary

from bot.deps import Deps
from bot.domain.outgoing.backoff import delay_seconds
from bot.domain.outgoing.timer import MOST_ATTEMPTS, Lateness, Timer, newest_of
from bot.ports import Tx
from bot.queue import audit, operator_alarm
from bot.store.db.errors import somebody_goes_first
from bot.store.db.locks import wait_briefly
from bot.store.queue import timers as store
from bot.telemetry import Event, get_logger

TimerHandler = Callable[[Deps, Tx, Timer], Awaitable[None]]
Handlers = Mapping[str, TimerHandler]

BATCH = 200
RETRIES_AT_ONCE = 20
BATCH_SECONDS = 0.05  # how long one batch may keep other writers waiting

log = get_logger()
_dice = SystemRandom()
# What a running batch has locked, and one of its own functions has cancelled or moved meanwhile.
_withdrawn: WeakKeyDictionary[Tx, set[int]] = WeakKeyDictionary()


async def schedule(
    tx: Tx,
    *,
    kind: str,
    subject: str,
    due_at: datetime,
    dedupe_key: str,
    payload: dict[str, Any] | None = None,
    lateness: Lateness = Lateness.FIRE_LATE,
) -> bool:
    """False, and nothing changed, when the key is pending or was fired; a cancelled one comes back."""
    return await store.insert(
        tx,
        due_at=due_at,
        kind=kind,
        subject=subject,
        payload=payload or {},
        dedupe_key=dedupe_key,
        lateness=lateness.value,
    )


async def plant(tx: Tx, kind: str, subject: str, at: datetime, payload: dict[str, Any] | None = None) -> None:
    await schedule(tx, kind=kind, subject=subject, due_at=at, dedupe_key=planted(kind, subject, at), payload=payload)


def planted(kind: str, subject: str, at: datetime) -> str:
    return f"{kind}:{subject}:{at.isoformat()}"


is_pending = store.is_pending


@dataclass(frozen=True)
class Arming:
    """A timer that is moved and fires again and again under the same key."""

    kind: str
    subject: str
    due_at: datetime
    dedupe_key: str
    payload: dict[str, Any] = field(default_factory=dict)


async def arm_all(tx: Tx, armings: Sequence[Arming]) -> None:
    """Due at these times from now on, whether they were pending, fired or never there. Not for one that is firing."""
    await store.arm_all(tx, [{**asdict(one), "lateness": Lateness.FIRE_LATE.value} for one in armings])


async def reschedule(tx: Tx, *, dedupe_key: str, due_at: datetime) -> bool:
    """False where none is pending."""
    return bool(_withdraw(tx, await store.move(tx, dedupe_key=dedupe_key, due_at=due_at)))


async def cancel(tx: Tx, *, subject: str, kind: str | None = None) -> int:
    return _withdraw(tx, await store.cancel(tx, subject=subject, kind=kind))


def _withdraw(tx: Tx, identities: list[int]) -> int:
    _withdrawn.get(tx, set()).update(identities)
    return len(identities)


async def next_due(deps: Deps) -> datetime | None:
    """When the earliest pending timer is due, in the time of promises. Failed ones that rest do not count."""
    async with deps.database.reading() as tx:
        return await store.next_due(tx)


async def fire_all(deps: Deps, table: Handlers, on_fired: Callable[[], None]) -> tuple[int, datetime | None]:
    """Fire all that is due, batch by batch; how many were settled, and when the next is due, as `next_due`."""
    fired = 0
    while True:
        batch, due = await fire_some(deps, table)
        if not batch:
            return fired, due
        fired += batch
        on_fired()


async def fire_some(deps: Deps, table: Handlers, *, limit: int = BATCH) -> tuple[int, datetime | None]:
    """Fire one batch of due timers, each exactly once; returns how many are settled, and what was due first
    before it. Call again until 0.

    A function that raises undoes the batch; each is then tried alone, and the broken one keeps its row: tried again
    later, and after eight times failed, with an alarm.
    """
    async with deps.database.reading() as tx:  # a read, so that an idle look holds up no writer
        now, wall = deps.clock.now(), deps.clock.wall()
        due = await store.next_due(tx)
        is_due = due is not None and due <= now
        # What failed before waits until the others are done.
        rested = [] if is_due else await store.retry_ids(tx, now=now, wall=wall, limit=RETRIES_AT_ONCE)
    return await (_fire_together(deps, table, limit) if is_due else _fire_each(deps, table, rested)), due


async def _fire_together(deps: Deps, table: Handlers, limit: int) -> int:
    try:
        return await _fire_batch(deps, table, limit)
    except Exception as problem:  # noqa: BLE001  whose fault it was is found out one by one
        log.warning(Event.TIMER_STUMBLED, error=repr(problem), batch=True)
        async with deps.database.reading() as tx:
            identities = await store.due_ids(tx, now=deps.clock.now(), limit=limit)
        return await _fire_each(deps, table, identities)


# --- together -----------------------------------------------------------------------------------------------------


async def _fire_batch(deps: Deps, table: Handlers, limit: int) -> int:
    now = deps.clock.now()
    async with deps.database.transaction() as tx:
        await wait_briefly(tx)
        due = await store.lock_due(tx, now=now, limit=limit)
        if not due:
            return 0
        newest = await _newest(tx, due, now)
        pointless = {timer.id: note for timer in due if (note := timer.pointless(now, newest))}
        fired = await _run_some(deps, table, tx, [timer for timer in due if timer.id not in pointless])
        await store.mark_done(tx, fired, at=now)
        for note in sorted(set(pointless.values())):
            await store.mark_done(tx, [id_ for id_, why in pointless.items() if why == note], at=now, note=note)
    return len(fired) + len(pointless)


async def _newest(tx: Tx, due: list[Timer], now: datetime) -> dict[tuple[str, str], datetime]:
    coalescing = [timer for timer in due if timer.lateness is Lateness.COALESCE]
    if not coalescing:
        return {}
    elsewhere = await store.newest_due(tx, now=now, subjects={timer.subject for timer in coalescing})
    return newest_of(coalescing) | elsewhere


async def _run_some(deps: Deps, table: Handlers, tx: Tx, due: list[Timer]) -> list[int]:
    """In order, until BATCH_SECONDS have passed; the others stay due. Returns who is done."""
    withdrawn = _withdrawn.setdefault(tx, set())
    until = time.perf_counter() + BATCH_SECONDS
    done: list[int] = []
    for timer in due:
        if timer.id not in withdrawn:
            await _function(table, timer)(deps, tx, timer)
            if timer.id not in withdrawn:  # it may have moved itself
                done.append(timer.id)
        if time.perf_counter() > until:
            break
    return done


def _function(table: Handlers, timer: Timer) -> TimerHandler:
    if timer.kind not in table:
        raise LookupError(f"No function for timers of kind {timer.kind}.")
    return table[timer.kind]


# --- alone --------------------------------------------------------------------------------------------------------


async def _fire_each(deps: Deps, table: Handlers, identities: list[int]) -> int:
    return sum([await _fire_alone(deps, table, identity) for identity in identities])


async def _fire_alone(deps: Deps, table: Handlers, identity: int) -> bool:
    """Whether it is settled: fired, or counted as failed once more."""
    now = deps.clock.now()
    timer = None
    try:
        async with deps.database.transaction() as tx:
            await wait_briefly(tx)
            timer = await store.lock_one(tx, identity, now=now)
            if timer is None:
                return False
            note = timer.pointless(now, await _newest(tx, [timer], now))
            fired = [timer.id] if note else await _run_some(deps, table, tx, [timer])
            await store.mark_done(tx, fired, at=now, note=note)
    except Exception as problem:  # noqa: BLE001  one broken timer must not stop the others; it is kept and counted
        return await _stumble(deps, timer, problem)
    return True


async def _stumble(deps: Deps, timer: Timer | None, problem: Exception) -> bool:
    if timer is None or somebody_goes_first(problem):
        log.info(Event.TIMER_STUMBLED, error=repr(problem), yielded=True)
        return False
    log.error(Event.TIMER_STUMBLED, timer=timer.dedupe_key, kind=timer.kind, error=repr(problem), exc_info=problem)
    last = timer.attempts + 1 >= MOST_ATTEMPTS
    retry_at = None if last else deps.clock.wall() + delay_seconds(timer.attempts + 1, _dice.random())
    async with deps.database.transaction() as tx:
        await store.mark_failed(tx, timer, retry_at=retry_at, error=repr(problem))
        if last:
            await _give_up(deps, tx, timer, problem)
    return True


async def _give_up(deps: Deps, tx: Tx, timer: Timer, problem: Exception) -> None:
    log.error(Event.TIMER_FAILED, timer=timer.dedupe_key, kind=timer.kind)
    what = f"{timer.kind} of {timer.subject}, due {timer.due_at:%Y-%m-%d %H:%M} UTC"
    sentence = f"A timer failed {MOST_ATTEMPTS} times and was given up: {what}. See the log for the reason."
    await operator_alarm.raise_later(deps, tx, subject=timer.subject, sentence=sentence, key=f"timer:{timer.id}")
    await audit.record(
        tx, deps.clock, "tocsin", "timer.failed", timer.subject,
        timer=timer.id, kind=timer.kind, error=repr(problem)[:500],
    )  # fmt: skip
