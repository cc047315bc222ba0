"""The long chaos of escalation policies, started by `make soak`: steps on time and once, no matter which
of the processes is killed.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.crash import Child, NewDatabase
from tests.support.escalation_processes import Step, Tower, tower

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

SPEED = 60.0
STEPS = tuple((after, ("email:ops", "page:oncall")[after // 4 % 2]) for after in range(0, 57, 4))  # one in 4 s
AFTERS = [after for after, _ in STEPS]
ALERTS = 20
EVERY_SECONDS = 10.0  # a new alert
KILLS = 20
ON_TIME_SECONDS = 1.0
PATIENCE_SECONDS = 240.0


@dataclass
class Downtime:
    """While nobody was up: from a kill until the next process is ready."""

    spans: list[tuple[float, float]] = field(default_factory=list)

    def late(self, due: float, came: float) -> float:
        """Beyond the moment at which it was due and somebody was there to do it, for long enough to be on time."""
        begins = due
        for down, up in self.spans:
            if down - ON_TIME_SECONDS <= begins < up:
                begins = up
        return came - begins


async def kill_now_and_then(escalating: Tower, victims: list[str], downtime: Downtime, dice: random.Random) -> None:
    """Twenty times, never while another one is still starting."""
    children: Mapping[str, Child] = escalating.house.children
    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(4.0, 10.0))
        await escalating.house.is_up()
        victim = children[dice.choice(victims)]
        killed_at = time.time()
        victim.kill()
        await victim.is_gone.wait()
        await escalating.house.is_up()
        if len(children) == 1:
            downtime.spans.append((killed_at, time.time()))


async def weathered(url: str, folder: Path, seed: int, victims: list[str]) -> None:
    """Alerts come one after another while processes are killed; the figures are printed, then judged."""
    dice, downtime = random.Random(seed), Downtime()  # noqa: S311  a seed makes it repeatable
    async with tower(url, folder, SPEED, *STEPS, workers=victims[1:]) as escalating:
        killing = asyncio.create_task(kill_now_and_then(escalating, victims, downtime, dice))
        for number in range(ALERTS):
            await escalating.fires(f"Rule{number}")
            await asyncio.sleep(EVERY_SECONDS)
        await escalating.until(ALERTS * len(STEPS), PATIENCE_SECONDS)
        await killing
        await escalating.house.quiet()
        heard, due = escalating.heard(), await escalating.due_walls(AFTERS)
        late = {step: downtime.late(due[step], heard.first[step]) for step in due}
        promises = await escalating.commitments()
        in_flight = await escalating.in_flight()
        others = {step: one for step, one in late.items() if step not in in_flight}
        told = [_figures(others, "others"), _figures({step: late[step] for step in in_flight}, "in flight")]
        fired = await escalating.fired_late()
        told += [f"timers p50 {fired[len(fired) // 2] * 1000:.0f} ms, p99 {fired[-len(fired) // 100] * 1000:.0f} ms"]
        told += [f"{escalating.house.deaths} kills, {heard.repeated} repeated under a key, {dict(promises)}"]
        print("; ".join([f"load {os.getloadavg()[0]:.1f}", *told, *heard.other]))  # noqa: T201
        assert escalating.house.deaths >= KILLS
        assert set(heard.first) == set(due)
        assert [step for step, times in heard.times.items() if times != 1] == []
        assert {step: one for step, one in others.items() if one > ON_TIME_SECONDS} == {}


def _figures(late: Mapping[Step, float], called: str) -> str:
    seconds = sorted(late.values())
    if not seconds:
        return f"0 steps {called}"
    p50, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    most = f"most {seconds[-1] * 1000:.0f} ms late"
    return f"{len(seconds)} steps {called}: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, {most}"


async def test_twenty_kills_on_sqlite(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    """One process, killed twenty times: every step once, on time but for the seconds until it runs again."""
    await weathered(new_sqlite(), tmp_path, 41, ["serve"])


async def test_twenty_kills_on_postgresql(new_postgres: NewDatabase, tmp_path: Path) -> None:
    """A bot and a worker, one of them killed at a time: every step once and on time, by the one that is left."""
    await weathered(new_postgres(), tmp_path, 42, ["serve", "worker"])
