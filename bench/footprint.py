"""How soon `serve` is ready, and what it weighs: at rest, and after a thousand incidents."""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path

from bench.report import Figure
from bench.rig import served

STARTS = 3
INCIDENTS = 1_000
AT_ONCE = 20


async def run(folder: Path) -> list[Figure]:
    ready = []
    for number in range(STARTS):
        (folder / f"start{number}").mkdir()
        async with served(folder / f"start{number}") as rig:
            ready.append(rig.ready_after_seconds)
    async with served(folder) as rig:
        await asyncio.sleep(1)
        at_rest = rig.memory_mb()
        for start in range(0, INCIDENTS, AT_ONCE):
            words = [f"/incident declare P2 trouble {start + place}" for place in range(AT_ONCE)]
            await asyncio.gather(*(rig.command(text, person=place) for place, text in enumerate(words)))
        await rig.quiet()
        return [
            Figure("start-up to ready on SQLite, median of 3", statistics.median(ready), "s", 1.5),
            Figure("resident memory at rest", at_rest, "MB", 120),
            Figure(f"resident memory after {INCIDENTS} incidents", rig.memory_mb(), "MB", 150),
            Figure("calls that Slack's contract rejects (1,000 incidents)", rig.refused_calls(), "", 0),
        ]
