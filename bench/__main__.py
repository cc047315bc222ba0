"""`python -m bench [NAME …]`: runs the benchmarks, prints figures with their bars, exits 1 when one is missed."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from bench import acknowledge, channels, declare, footprint, growth, timers
from bench.report import Figure, table
from bot import telemetry

BENCHMARKS: Mapping[str, Callable[[Path], Awaitable[list[Figure]]]] = {
    "acknowledge": acknowledge.run,
    "declare": declare.run,
    "growth": growth.run,
    "timers": timers.run,
    "channels": channels.run,
    "footprint": footprint.run,
}


async def measure(names: list[str]) -> list[Figure]:
    figures = []
    for name in names:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
            found = await BENCHMARKS[name](Path(folder))
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
        figures += found
    return figures


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark “{unknown[0]}”. There is {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    telemetry.configure("console", "error")
    figures = asyncio.run(measure(names or list(BENCHMARKS)))
    print(table(figures))
    missed = [figure for figure in figures if not figure.is_met]
    print(f"\n{len(missed)} of {sum(one.bar is not None for one in figures)} bars missed.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
