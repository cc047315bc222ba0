"""What ten thousand open incidents cost a command, against ten. Both bots run side by side, asked in turn."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench import seed
from bench.report import Figure, percentile
from bench.rig import Rig, served

FEW, MANY = 10, 10_000
TIMES = 40
COMMANDS = {
    "note": "/incident note INC-5 remark {}",
    "list": "/incident list {:.0s}",
    "overview": "/incident{:.0s}",
    "declare": "/incident declare P3 trouble {}",
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
    return [
        Figure(f"cost of {name} with {MANY} open incidents against {FEW}", ratio, "x", 1.3)
        for name, ratio in ratios.items()
    ]


async def _compare(text: str, few: Rig, many: Rig) -> float:
    taken: dict[int, list[float]] = {FEW: [], MANY: []}
    for number in range(TIMES):
        for count, rig in ((FEW, few), (MANY, many)):
            taken[count].append(await rig.command(text.format(str(number))))
            await asyncio.sleep(0.02)
    await few.quiet()
    await many.quiet()
    return percentile(taken[MANY], 0.5) / percentile(taken[FEW], 0.5)
