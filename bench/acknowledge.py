"""How quickly a person is answered: one command alone, and fifty at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.report import Figure, percentile
from bench.rig import served

ALONE = 40
PARALLEL = 50
ROUNDS = 4


async def run(folder: Path) -> list[Figure]:
    async with served(folder) as rig:
        await rig.command("/incident declare P3 warming up")
        await rig.quiet()
        alone = []
        for number in range(ALONE):
            alone.append(await rig.command(f"/incident note INC-1 remark {number}"))
            await asyncio.sleep(0.03)
        parallel: list[float] = []
        for turn in range(ROUNDS):
            words = [f"/incident declare P3 trouble {turn} {number}" for number in range(PARALLEL)]
            parallel += await asyncio.gather(*(rig.command(text, person=place) for place, text in enumerate(words)))
            await rig.quiet()
        return [
            Figure("acknowledgement alone, p50", percentile(alone, 0.5), "ms", 15),
            Figure("acknowledgement alone, p99", percentile(alone, 0.99), "ms"),
            Figure(f"acknowledgement of {PARALLEL} parallel declares, p50", percentile(parallel, 0.5), "ms"),
            Figure(f"acknowledgement of {PARALLEL} parallel declares, p99", percentile(parallel, 0.99), "ms", 300),
            Figure("calls that Slack's contract rejects (acknowledge)", rig.refused_calls(), "", 0),
        ]
