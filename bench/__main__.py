"""`python -m bench [NAME …]`: runs the benchmarks, prints figures with their bars, exits 1 when one is missed."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from bench import acknowledge, alerts, channels, cost, declare, footprint, growth, runs, timers
from bench.report import Figure, contention, raw, table
from bot import telemetry

BENCHMARKS: Mapping[str, Callable[[Path], Awaitable[list[Figure]]]] = {
    "acknowledge": acknowledge.run,
    "declare": declare.run,
    "growth": growth.run,
    "timers": timers.run,
    "runs": runs.run,
    "alerts": alerts.run,
    "channels": channels.run,
    "footprint": footprint.run,
    "cost": cost.run,
}


QUIET_MACHINE = 1.15  # above it, figures in milliseconds say more about the neighbours than about the program


async def measure(names: list[str]) -> tuple[list[Figure], float]:
    """The figures, and how contended the machine was at the worst of the looks taken between benchmarks."""
    figures, crowd = [], contention()
    for name in names:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
            found = await BENCHMARKS[name](Path(folder))
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
        figures += found
        crowd = max(crowd, contention())
    return figures, crowd


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark “{unknown[0]}”. There is {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    telemetry.configure("console", "error")
    figures, crowd = asyncio.run(measure(names or list(BENCHMARKS)))
    print(table(figures))
    print(f"\n{raw(figures)}")
    if crowd > QUIET_MACHINE:
        print(
            f"\nThe machine was busy with other work: everything took up to {crowd:.1f} times as long as its own work."
        )
    missed = [figure for figure in figures if not figure.is_met]
    print(f"\n{len(missed)} of {sum(one.bar is not None for one in figures)} bars missed.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
