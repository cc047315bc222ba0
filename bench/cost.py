"""What the bot's own work costs: CPU time of its process, in multiples of a loop that every Python runs alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
from sqlalchemy import func, select

from bench.alerts import RULES, TOGETHER, Hall, opened, payloads
from bench.report import Figure
from bench.rig import Rig
from bot.store.tables.queue import deliveries

ADDITIONS = 10_000_000
LOOPS = 3
DECLARES = 60
AT_ONCE = 20
ALERTS = 2_000
IDLE_SECONDS = 20.0
SETTLE_SECONDS = 2.0
UNTOLD = ("ready", "sending", "unconfirmed")


async def run(folder: Path) -> list[Figure]:
    async with opened(folder) as hall:
        before = reference_loop_seconds()
        await _declare(hall, AT_ONCE)
        idle = await _own_seconds_at_rest(hall.rig) / IDLE_SECONDS
        declaring = await _own_seconds(hall.rig, idle, lambda: _declare(hall, DECLARES)) / DECLARES

        async def send() -> None:
            for payload in payloads(ALERTS, RULES):
                await hall.post(payload)
            await hall.worked()
            await _at_rest(hall)

        taking_in = await _own_seconds(hall.rig, idle, send) / ALERTS
        loop = min(before, reference_loop_seconds())
        return [
            Figure("the reference loop: ten million additions", loop, "s"),
            Figure("own CPU of a declare with all that follows", declaring / loop, "loops", 0.12),
            Figure(f"own CPU of an alert in payloads of {TOGETHER}", taking_in / loop, "loops", 0.0006),
            Figure("own CPU of an idle second", idle / loop, "loops", 0.008),
            Figure("calls that Slack's contract rejects (cost)", hall.rig.refused_calls(), "", 0),
        ]


def reference_loop_seconds() -> float:
    """CPU seconds: the least of some."""
    return min(_loop() for _ in range(LOOPS))


def _loop() -> float:
    started, total = time.process_time(), 0
    for number in range(ADDITIONS):
        total += number
    return time.process_time() - started


def _spent(rig: Rig) -> float:
    times = psutil.Process(rig.process.pid).cpu_times()
    return float(times.user + times.system)


async def _own_seconds_at_rest(rig: Rig) -> float:
    before = _spent(rig)
    await asyncio.sleep(IDLE_SECONDS)
    return _spent(rig) - before


async def _own_seconds(rig: Rig, idle: float, work: Callable[[], Awaitable[None]]) -> float:
    """Beyond what the same time at rest costs."""
    before, started = _spent(rig), time.monotonic()
    await work()
    return _spent(rig) - before - idle * (time.monotonic() - started)


async def _declare(hall: Hall, count: int) -> None:
    for start in range(0, count, AT_ONCE):
        words = [f"/incident declare P2 trouble {start + place} of {count}" for place in range(AT_ONCE)]
        await asyncio.gather(*(hall.rig.command(text, person=place) for place, text in enumerate(words)))
    await _at_rest(hall)


async def _at_rest(hall: Hall) -> None:
    """Until all is told: a channel takes one message a second."""
    await hall.until(select(func.count()).select_from(deliveries).where(deliveries.c.state.in_(UNTOLD)), 0)
    await asyncio.sleep(SETTLE_SECONDS)
