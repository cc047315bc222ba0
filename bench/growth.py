"""What ten thousand open incidents cost a command, against ten. Both bots run side by side, asked in turn."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from bench import seed
from bench.report import Figure, percentile
from bench.rig import PEOPLE, Rig, served

FEW, MANY = 10, 10_000
TIMES = 40
HOMES = 20
PATIENCE_SECONDS = 30
QUICK = 0.1  # the quickest tenth shows what a command costs, with the least of other work on the machine in it
COMMANDS = {
    "note": "/incident note INC-5 remark {number}",
    "list": "/incident list",
    "overview": "/incident",
    "show": "/incident show INC-{incident}",
    "list mine": "/incident list mine",
    "timeline": "/incident timeline INC-{incident}",
    "ack": "/incident ack INC-{incident}",
    "declare": "/incident declare P3 trouble {number}",
}


async def run(folder: Path) -> list[Figure]:
    urls = {}
    for count in (FEW, MANY):
        (folder / str(count)).mkdir()
        urls[count] = f"sqlite:///{folder / str(count) / 'bench.db'}"
        await asyncio.to_thread(seed.fill, urls[count], count)
    async with (
        served(folder / str(FEW), database=urls[FEW]) as few,
        served(folder / str(MANY), database=urls[MANY]) as many,
    ):
        ratios = {name: await _compare(text, few, many) for name, text in COMMANDS.items()}
        homes = {"opening the Home tab": await _compare_homes(few, many)}
    return [
        Figure(f"cost of {name} with {MANY} open incidents against {FEW}", ratio, "x", 1.3)
        for name, ratio in (ratios | homes).items()
    ]


async def _compare(text: str, few: Rig, many: Rig) -> float:
    taken: dict[int, list[float]] = {FEW: [], MANY: []}
    for number in range(TIMES):
        for count, rig in ((FEW, few), (MANY, many)):
            words = text.format(number=number, incident=1 + number % FEW)
            taken[count].append(await rig.command(words, person=1))
            await asyncio.sleep(0.02)
    await few.quiet()
    await many.quiet()
    return percentile(taken[MANY], QUICK) / percentile(taken[FEW], QUICK)


async def _compare_homes(few: Rig, many: Rig) -> float:
    """An event, not a command: stored, acknowledged, worked off, and the tab published."""
    taken: dict[int, list[float]] = {FEW: [], MANY: []}
    for _ in range(HOMES):
        for count, rig in ((FEW, few), (MANY, many)):
            taken[count].append(await _home(rig))
    return percentile(taken[MANY], QUICK) / percentile(taken[FEW], QUICK)


async def _home(rig: Rig) -> float:
    before, started = rig.journal_end(), time.monotonic()
    await rig.simulator.control.home({"user": PEOPLE[1]})
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not rig.called("views.publish", before):  # noqa: ASYNC110 - the journal has no event
            await asyncio.sleep(0.001)
    return time.monotonic() - started
