"""The worker: does what is due by itself, without being asked and without waiting for the slowest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from bot.deps import Deps
from bot.domain.outgoing.timer import Timer
from bot.ports import Tx
from bot.queue import commitments, inbox, operator_alarm, outbox, timers
from bot.queue.chores import Chore
from bot.queue.inbox import InboxItem
from bot.store.db.clock import DatabaseClock
from bot.store.db.database import SqlDatabase
from bot.store.queue import workers
from bot.store.tables.queue import deliveries as table
from bot.worker import Worker
from tests.queue.rows import column
from tests.queue.world import Note, World, make_deps, note, until
from tests.support.clock import HandClock


async def post_it(deps: Deps, tx: Tx, timer: Timer) -> None:
    await outbox.enqueue(deps, tx, note(timer.dedupe_key, subject=timer.subject))


async def post_item(deps: Deps, item: InboxItem) -> None:
    async with deps.database.transaction() as tx:
        await outbox.enqueue(deps, tx, note(item.key, dedupe_key=item.key))


def worker_for(
    deps: Deps, handler: Note | None = None, chores: dict[str, Chore] | None = None, **seconds: float
) -> Worker:
    return Worker(
        deps,
        timers={"post": post_it},
        deliveries={
            "note": handler or Note(),
            operator_alarm.OperatorAlarm.kind: operator_alarm.OperatorAlarmHandler(),
        },
        inbox={"message": post_item},
        chores=chores or {},
        late={},
        **seconds,
    )


@pytest.fixture
async def live(database: SqlDatabase) -> Deps:
    """Surroundings whose clock runs, a thousand times as fast as the wall for promises."""
    clock = DatabaseClock(database, speed=1000)
    await clock.start()
    return make_deps(database, clock, World(clock))


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await task


def said(deps: Deps) -> list[str]:
    assert isinstance(deps.chat, World)
    return deps.chat.texts()


async def schedule(deps: Deps, key: str, due_in: float) -> None:
    async with deps.database.transaction() as tx:
        due_at = deps.clock.now() + timedelta(seconds=due_in)
        await timers.schedule(tx, kind="post", subject="INC-1", due_at=due_at, dedupe_key=key)


async def test_one_turn_does_all_that_is_due(deps: Deps, world: World, clock: HandClock) -> None:
    """A turn fires timers, works the inbox and sends what both enqueued, and shows that it lives."""
    await schedule(deps, "timer", 60)
    clock.advance(60)
    await inbox.receive(deps, key="event", kind="message", payload={})
    assert await worker_for(deps).work_once() == 4
    assert sorted(world.texts()) == ["event", "timer"]
    async with deps.database.reading() as tx:
        assert await workers.newest(tx) == clock.wall()


NO_TICK = 60.0  # the safety net comes too late for any test to be saved by it


async def test_timer_fires_by_itself(live: Deps) -> None:
    """A running worker fires a timer at its time, converted by the speed of the clock, without waiting for a tick."""
    async with running(worker_for(live, tick_seconds=NO_TICK)):
        began = time.monotonic()
        await schedule(live, "soon", 200)  # 0.2 s of wall time
        live.wakeups.wake()
        await until(lambda: said(live) == ["soon"])
    assert time.monotonic() - began > 0.15


async def test_hint_is_heard_at_once(live: Deps) -> None:
    """What was committed and hinted at leaves without waiting for a tick."""
    async with running(worker_for(live, tick_seconds=NO_TICK)):
        async with live.database.transaction() as tx:
            await outbox.enqueue(live, tx, note("first", then="second"))
        live.wakeups.wake()
        await until(lambda: said(live) == ["first", "second"])


async def test_lost_hint_loses_nothing(live: Deps) -> None:
    """Without any hint the tick finds it."""
    async with running(worker_for(live)):
        async with live.database.transaction() as tx:
            await outbox.enqueue(live, tx, note("unannounced"))
        await until(lambda: said(live) == ["unannounced"])


async def test_slow_call_holds_up_nobody(live: Deps) -> None:
    """While one call hangs, others leave."""
    assert isinstance(live.chat, World)
    live.chat.blocked = hanging = asyncio.Event()
    async with running(worker_for(live)):
        async with live.database.transaction() as tx:
            await outbox.enqueue(live, tx, note("slow"))
        live.wakeups.wake()
        await until(lambda: live.chat.calls == 1)  # type: ignore[attr-defined]
        live.chat.blocked = None
        async with live.database.transaction() as tx:
            await outbox.enqueue(live, tx, note("quick", then="quicker"))
        live.wakeups.wake()
        await until(lambda: said(live) == ["quick", "quicker"])
        hanging.set()


async def test_gate_opens_without_a_tick(live: Deps) -> None:
    """A message behind a rate limit leaves as soon as the rate limit opens."""
    brisk = live.with_config(post_interval_seconds=0.1)
    async with running(worker_for(brisk, tick_seconds=NO_TICK)):
        began = time.monotonic()
        async with live.database.transaction() as tx:
            for number in range(6):
                await outbox.enqueue(brisk, tx, note(f"n{number}", rate_limit="C1"))
        live.wakeups.wake()
        await until(lambda: len(said(live)) == 6)
    assert time.monotonic() - began >= 0.5
    assert said(live) == [f"n{number}" for number in range(6)]


async def test_graceful_stop(live: Deps) -> None:
    """A stop takes nothing new and lets what is in flight arrive."""
    assert isinstance(live.chat, World)
    live.chat.blocked = asyncio.Event()
    async with running(worker_for(live)) as stop:
        async with live.database.transaction() as tx:
            await outbox.enqueue(live, tx, note("in flight", then="left behind"))
        live.wakeups.wake()
        await until(lambda: live.chat.calls == 1)  # type: ignore[attr-defined]
        stop.set()
        await asyncio.sleep(0)
        live.chat.blocked.set()
    assert said(live) == ["in flight"]
    assert await column(live.database, table, "state") == ["sent", "ready"]


async def test_restart_goes_on(live: Deps) -> None:
    """What was committed while no worker ran is done when one starts, overdue timers included."""
    await schedule(live, "overdue", -500)
    await inbox.receive(live, key="event", kind="message", payload={})
    async with running(worker_for(live)):
        await until(lambda: sorted(said(live)) == ["event", "overdue"])


async def test_promises_are_audited_by_themselves(deps: Deps, world: World, clock: HandClock) -> None:
    """The worker's own chores find a missed promise."""
    async with deps.database.transaction() as tx:
        await commitments.add(tx, subject="INC-1", due_at={"update": clock.now()}, grace_seconds=0)
    clock.advance(1)
    worker = worker_for(deps)
    await worker.do_chores()
    await worker.work_once()
    assert len(world.alarms) == 1


async def test_chores_recur(live: Deps) -> None:
    """A chore is done again and again, and one that raises does not stop the worker."""
    done: list[float] = []

    async def sweep(deps: Deps) -> None:
        done.append(deps.clock.wall())
        if len(done) == 1:
            raise RuntimeError("a broom broke")

    async with running(worker_for(live, chores={"sweep": Chore(0.05, sweep)})):
        await until(lambda: len(done) >= 3)
        await schedule(live, "alive", 0)
        await until(lambda: said(live) == ["alive"])
