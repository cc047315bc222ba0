"""From submit to 'the declarer is invited and the first card is there', in multiples of Slack's latency."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.report import Figure
from bench.rig import PEOPLE, Rig, served

LATENCIES_MS = (0, 50, 100, 250)
TIMES = 7
BAR_AT_100_MS = 2.6
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Call:
    method: str
    start: float  # epoch seconds
    end: float
    args: dict[str, Any]


async def run(folder: Path) -> list[Figure]:
    figures = []
    async with served(folder) as rig:
        await rig.command("/incident declare P1 warming up")
        await rig.quiet()
        for latency_ms in LATENCIES_MS:
            rig.simulator.control.latency_seconds = latency_ms / 1000
            trips = [await _declare(rig, f"slow {latency_ms} {number}") for number in range(TIMES)]
            seconds = statistics.median(trip[0] for trip in trips)
            if latency_ms == 0:
                figures.append(Figure("declare to invited and card, no latency", seconds * 1000, "ms"))
                continue
            bar = BAR_AT_100_MS if latency_ms == 100 else None
            multiple = seconds * 1000 / latency_ms
            figures.append(Figure(f"declare to invited and card at {latency_ms} ms a call", multiple, "x", bar))
            figures.append(Figure(f"round trips in a row at {latency_ms} ms", max(t[1] for t in trips), "", 2))
        figures.append(Figure("calls that Slack's contract rejects (declare)", rig.refused_calls(), "", 0))
    return figures


async def _declare(rig: Rig, title: str) -> tuple[float, int]:
    """Seconds from submit to both answers, and the longest chain of calls that one of them had to wait for."""
    before = rig.journal_end()
    started = time.time()
    await rig.command(f"/incident declare P1 {title}")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (both := _invited_and_card(rig, title, before)) is None:  # noqa: ASYNC110 - the journal has no event
            await asyncio.sleep(0.02)
    calls = _calls(rig, before)
    await rig.quiet()
    return max(one.end for one in both) - started, max(_depth(one, calls) for one in both)


def _invited_and_card(rig: Rig, title: str, before: int) -> tuple[Call, Call] | None:
    """The declarer's invitation to the channel of this title, and the first message in it, once both are answered."""
    calls = _calls(rig, before)
    name = title.replace(" ", "-")
    channel = next((one.id for one in rig.simulator.workspace.channels.values() if one.name.endswith(name)), "")
    there = [one for one in calls if channel and one.args.get("channel") == channel]
    invited = (one for one in there if one.method == "conversations.invite" and one.args["users"] == PEOPLE[0])
    cards = (one for one in there if one.method == "chat.postMessage")
    both = next(invited, None), next(cards, None)
    return (both[0], both[1]) if both[0] and both[1] else None


def _calls(rig: Rig, before: int) -> list[Call]:
    return [_call(line) for line in rig.simulator.journal.since(before) if line["entry"] == "call"]


def _call(line: dict[str, Any]) -> Call:
    end = datetime.fromisoformat(line["at"]).timestamp()
    return Call(line["method"], end - line["duration_ms"] / 1000, end, line["args"])


def _depth(last: Call, calls: list[Call]) -> int:
    """How many calls stand one after another before and including this one."""
    earlier = [one for one in calls if one.end <= last.start]
    return 1 + max((_depth(one, calls) for one in earlier), default=0)
