"""Two hundred busy channels against Slack's one message a second in each."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.hall import opened
from bench.report import Figure, percentile
from bot.deps import Deps
from bot.domain.outgoing.delivery import Call, Delivery, NewDelivery, Payload, Plan
from bot.ports import Tx
from bot.queue import outbox
from bot.queue.handler import DeliveryHandler

CHANNELS = 200
EACH = 6
CALL_SECONDS = 0.05


@dataclass(frozen=True)
class Line(Payload, kind="say"):
    n: int


class Say(DeliveryHandler[Line]):
    """A message that takes Slack 50 ms."""

    def __init__(self) -> None:
        self.said: dict[str, list[float]] = defaultdict(list)
        self.all_said = asyncio.Event()

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[Line]) -> Plan:
        return Call({"channel": delivery.subject})

    async def send(self, deps: Deps, delivery: Delivery[Line], arguments: dict[str, Any]) -> dict[str, Any]:
        self.said[arguments["channel"]].append(time.monotonic())
        if sum(map(len, self.said.values())) == CHANNELS * EACH:
            self.all_said.set()
        await asyncio.sleep(CALL_SECONDS)
        return {"ok": True}


async def run(folder: Path) -> list[Figure]:
    async with opened(folder) as hall:
        say = Say()
        async with hall.database.transaction() as tx:
            for number in range(EACH):
                for channel in range(CHANNELS):
                    name = f"C{channel}"
                    await outbox.enqueue(hall.deps, tx, NewDelivery(Line(number), name, rate_limit=name))
        started = time.monotonic()
        async with hall.working({}, {"say": say}), asyncio.timeout(120):
            await say.all_said.wait()
        elapsed = time.monotonic() - started
    gaps = [later - earlier for said in say.said.values() for earlier, later in itertools.pairwise(said)]
    ideal = EACH - 1 + CALL_SECONDS
    return [
        Figure(f"{EACH} messages in each of {CHANNELS} channels, against one a second", elapsed / ideal, "x", 1.3),
        Figure("shortest gap between two messages in a channel, p1, below 1 s by", 1 - percentile(gaps, 0.01), "s"),
        Figure("channels with a message missing", sum(len(said) != EACH for said in say.said.values()), "", 0),
    ]
