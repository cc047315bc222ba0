"""A hundred thousand promises pending: how late a due one fires, what a tick costs, how fast a backlog goes."""

from __future__ import annotations

import asyncio
import gc
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from bench.hall import Hall, opened
from bench.report import Figure, percentile
from bench.rig import served
from bot.deps import Deps
from bot.domain.outgoing.timer import Timer
from bot.ports import Tx
from bot.queue import timers
from bot.store.tables import queue as queue_tables

PENDING = 100_000
SOON = 500
SOON_SECONDS = 5.0
OVERDUE = 20_000
IDLE_TICKS = 50


async def run(folder: Path) -> list[Figure]:
    async with opened(folder) as hall:
        await hall.schedule("far", PENDING, lambda n: timedelta(days=2, seconds=n))
        started = time.perf_counter()
        await timers.next_due(hall.deps)
        first_look_ms = (time.perf_counter() - started) * 1000
        tick_ms = await _idle_tick_ms(hall)
        late_ms = await _drift_ms(hall)
        overdue_seconds = await _work_off(hall)
        twice = sum(1 for count in hall.fired.values() if count > 1)
        lost = SOON + OVERDUE - len(hall.fired)
    async with served(folder, database=f"sqlite:///{folder / 'kernel.db'}") as rig:
        ready_seconds = rig.ready_after_seconds
    return [
        Figure(f"drift with {PENDING} timers pending, p50", percentile(late_ms, 0.5), "ms"),
        Figure(f"drift with {PENDING} timers pending, p99", percentile(late_ms, 0.99), "ms", 100),
        Figure("timers fired twice", twice, "", 0),
        Figure("timers lost", lost, "", 0),
        Figure(f"tick with nothing due, {PENDING} pending", tick_ms, "ms"),
        Figure(f"first look at start-up, {PENDING} pending", first_look_ms, "ms"),
        Figure(f"start-up of `serve` to ready, {PENDING} pending", ready_seconds, "s", 2),
        Figure(f"{OVERDUE} overdue timers fired", overdue_seconds, "s"),
    ]


async def _idle_tick_ms(hall: Hall) -> float:
    started = time.perf_counter()
    for _ in range(IDLE_TICKS):
        await timers.fire_some(hall.deps, {"far": _nothing, "soon": _nothing})
    return (time.perf_counter() - started) * 1000 / IDLE_TICKS


async def _nothing(deps: Deps, tx: Tx, timer: Timer) -> None:
    return None


async def _drift_ms(hall: Hall) -> list[float]:
    """A worker runs as in `serve`; each firing notes how late it was."""
    late: list[float] = []
    all_fired = asyncio.Event()

    async def note(deps: Deps, tx: Tx, timer: Timer) -> None:
        late.append((deps.clock.now() - timer.due_at).total_seconds() * 1000)
        hall.fired[timer.dedupe_key] += 1
        if len(late) == SOON:
            all_fired.set()

    await hall.schedule("soon", SOON, lambda n: timedelta(seconds=1 + n * SOON_SECONDS / SOON))
    gc.collect()
    gc.freeze()  # as `serve` does once it is ready
    async with hall.working({"soon": note, "far": _nothing}):
        async with asyncio.timeout(SOON_SECONDS + 30):
            await all_fired.wait()
    return late


async def _work_off(hall: Hall) -> float:
    async def count(deps: Deps, tx: Tx, timer: Timer) -> None:
        hall.fired[timer.dedupe_key] += 1

    await hall.schedule("overdue", OVERDUE, lambda n: timedelta(seconds=-n))
    started = time.perf_counter()
    while (await timers.fire_some(hall.deps, {"overdue": count}))[0]:
        pass
    elapsed = time.perf_counter() - started
    async with hall.database.reading() as tx:
        done = select(func.count()).select_from(queue_tables.timers).where(queue_tables.timers.c.state == "done")
        assert (await tx.execute(done)).scalar_one() == SOON + OVERDUE
    return elapsed
