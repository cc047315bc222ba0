"""Alerts come in: how fast they are taken, what a storm of ten thousand does to people, how soon a card is up."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select

from bench.report import Figure, percentile
from bench.rig import Rig, served
from bot.domain.people.token import Scope
from bot.services.admin import tokens
from bot.store.db.clock import DatabaseClock
from bot.store.db.database import open_database
from bot.store.tables.alerts import alert_groups, alert_storms, alerts
from bot.store.tables.people import channels
from bot.store.tables.queue import deliveries, inbox

TOGETHER = 50  # alerts in a payload
SENDERS = 4
PAYLOADS = 200
STORM = 10_000
STORM_SECONDS = 60.0
RULES = 500
ACKNOWLEDGE_EVERY = 0.5
CHANNELS = 4
CARDS_EACH = 8  # one more in a minute would be a storm
CARD_EVERY = 0.4
CALL_SECONDS = 0.05
PATIENCE_SECONDS = 300.0
OPS = "C0OPSALERTS"

Alert = dict[str, Any]


async def run(folder: Path) -> list[Figure]:
    return [
        *await _taking_in(folder / "intake"),
        *await _storm(folder / "storm"),
        *await _first_cards(folder / "cards"),
    ]


# --- a bot and its monitoring -----------------------------------------------------------------------------------------


class Hall:
    def __init__(self, rig: Rig, client: httpx.AsyncClient, count: Callable[[Any], Awaitable[int]]) -> None:
        self.rig = rig
        self.count = count
        self._client = client

    async def post(self, found: Iterable[Alert]) -> float:
        """One payload; the seconds until its 2xx."""
        started = time.perf_counter()
        answer = await self._client.post("/hooks/alertmanager", json={"version": "4", "alerts": list(found)})
        assert answer.status_code == 202, answer.text
        return time.perf_counter() - started

    async def worked(self) -> None:
        await self.until(select(func.count()).select_from(inbox).where(inbox.c.state != "done"), 0)

    async def until(self, statement: Any, count: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.count(statement) != count:  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.1)


@asynccontextmanager
async def opened(folder: Path, more: Mapping[str, str] | None = None) -> AsyncIterator[Hall]:
    folder.mkdir(exist_ok=True)
    async with served(folder, more=more) as rig:
        database = await open_database(f"sqlite:///{folder / 'bench.db'}")
        books = _Books(database, DatabaseClock(database))
        await books.clock.refresh()
        secret = await tokens.create(books, "monitoring", [Scope.INGEST], "U0ADA", by="bench")
        headers = {"Authorization": f"Bearer {secret.reveal()}"}

        async def count(statement: Any) -> int:
            async with database.reading() as tx:
                return int((await tx.execute(statement)).scalar_one() or 0)

        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{rig.port}", headers=headers, timeout=60) as client:
            yield Hall(rig, client, count)
        await database.close()


class _Books:
    def __init__(self, database: Any, clock: DatabaseClock) -> None:
        self.database, self.clock = database, clock


def _alert(number: int, rule: int, severity: str = "warning", **labels: str) -> Alert:
    named = {"alertname": f"Rule{rule}", "severity": severity, "job": "shop", "instance": f"10.0.{number % 250}.7:9100"}
    return {
        "status": "firing",
        "labels": {**named, "number": str(number), **labels},
        "annotations": {"summary": f"Rule {rule} holds on host {number}", "description": "It is slow. " * 10},
        "startsAt": datetime.now(UTC).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        "fingerprint": f"{number:016x}",
    }


def payloads(count: int, rules: int) -> list[list[Alert]]:
    found = [_alert(number, number % rules) for number in range(count)]
    random.Random(7).shuffle(found)  # noqa: S311  a seed makes it repeatable
    return [found[start : start + TOGETHER] for start in range(0, count, TOGETHER)]


# --- taking them in ---------------------------------------------------------------------------------------------------


async def _taking_in(folder: Path) -> list[Figure]:
    """The worker works meanwhile."""
    async with opened(folder) as hall:
        await hall.post([_alert(10**6, 0)])
        waiting = iter(payloads(PAYLOADS * TOGETHER, RULES))
        took: list[float] = []

        async def send() -> None:
            took.extend([await hall.post(payload) for payload in waiting])

        started = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(SENDERS)))
        elapsed = time.perf_counter() - started
        await hall.worked()
        everything = time.perf_counter() - started
        count = PAYLOADS * TOGETHER
        lost = count + 1 - await hall.count(select(func.count()).select_from(alerts))
    return [
        Figure(f"1,000 alerts in payloads of {TOGETHER}, durable before 2xx", elapsed * 1000 / count, "s", 1),
        Figure(f"a payload of {TOGETHER} alerts, answered, p50", percentile(took, 0.5) * 1000, "ms"),
        Figure(f"a payload of {TOGETHER} alerts, answered, p99", percentile(took, 0.99) * 1000, "ms", 250),
        Figure("1,000 alerts, worked into their groups", everything * 1000 / count, "s"),
        Figure("alerts lost (intake)", lost, "", 0),
    ]


# --- a storm ----------------------------------------------------------------------------------------------------------


async def _storm(folder: Path) -> list[Figure]:
    """Ten thousand in a minute, evenly; people acknowledge one group after another meanwhile."""
    async with opened(folder) as hall:
        storm = payloads(STORM, RULES)
        over = asyncio.Event()
        acknowledging = asyncio.create_task(_acknowledge(hall, over))
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, payload in enumerate(storm):
                await asyncio.sleep(max(0.0, started + number * STORM_SECONDS / len(storm) - time.perf_counter()))
                group.create_task(hall.post(payload))
        ended = time.perf_counter()
        over.set()
        acknowledged = await acknowledging
        await hall.worked()
        behind = time.perf_counter() - ended
        told = deliveries.c.state.in_(["sent", "dropped"])
        await hall.until(select(func.count()).select_from(deliveries).where(~told), 0)
        texts = _texts(hall.rig)
        lost = STORM - await hall.count(select(func.count()).select_from(alerts))
        wrong = not await _is_right(hall, texts)
        refused = hall.rig.refused_calls()
    return [
        Figure(f"alerts lost in a storm of {STORM} in a minute", lost, "", 0),
        Figure("messages of that storm in the channel", len(texts), "", 12),
        Figure("cards that are wrong at the end of it", int(wrong), "", 0),
        Figure("acknowledgement amid it, p50", percentile(acknowledged, 0.5), "ms"),
        Figure("acknowledgement amid it, p99", percentile(acknowledged, 0.99), "ms", 500),
        Figure("behind at its end", behind, "s"),
        Figure("calls that Slack's contract rejects (alerts)", refused, "", 0),
    ]


async def _acknowledge(hall: Hall, over: asyncio.Event) -> list[float]:
    """Milliseconds each."""
    took: list[float] = []
    for number in itertools.count(1):
        if over.is_set():
            return took
        await asyncio.sleep(ACKNOWLEDGE_EVERY)
        if await hall.count(select(func.max(alert_groups.c.id))) >= number:
            took.append(await hall.rig.command(f"/incident ack ALR-{number}", person=number, channel="ops-alerts"))
    return took


def _texts(rig: Rig) -> list[str]:
    found = rig.simulator.workspace.channels[OPS].messages.values()
    return [str(one.blocks) for one in found if one.by_app and not one.is_reply and not one.ephemeral_to]


async def _is_right(hall: Hall, texts: list[str]) -> bool:
    """The storm's card says how many groups it holds and how many alerts fire in them; one card for one storm."""
    mine = alert_groups.c.storm.is_not(None)
    groups = await hall.count(select(func.count()).select_from(alert_groups).where(mine))
    firing = await hall.count(select(func.sum(alert_groups.c.firing)).where(mine))
    storms = await hall.count(select(func.count()).select_from(alert_storms))
    expected = f"{groups} groups, {groups} of them open with {firing} alerts"
    found = [text for text in texts if "A storm of alerts" in text]
    return storms == len(found) == 1 and expected in found[0]


# --- the first card ---------------------------------------------------------------------------------------------------


ROUTES = "\n".join(
    [
        "access: {}",
        "routes:",
        *(f"  - {{match: ['shard=\"{one}\"'], channel: alerts-{one}}}" for one in range(CHANNELS)),
    ]
)
SERVICE = """
service: default
name: Bench
default_severity: P2
severities: [{key: P2, aliases: [warning], name: Normal, on_alert: card}]
"""


async def _first_cards(folder: Path) -> list[Figure]:
    """From the monitoring's request until Slack has answered the posting of the card, which takes it 50 ms."""
    for name, text in {"org.yml": ROUTES, "default/service.yml": SERVICE}.items():
        (folder / "catalogue" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "catalogue" / name).write_text(text)
    async with opened(folder, {"TOCSIN_CATALOG": str(folder / "catalogue")}) as hall:
        await hall.post([_alert(10**6, 10**6)])
        await hall.until(
            select(func.count()).select_from(channels).where(channels.c.channel.is_not(None)), CHANNELS + 2
        )
        await hall.rig.quiet()
        hall.rig.simulator.control.latency_seconds = CALL_SECONDS
        took = []
        for number in range(CHANNELS * CARDS_EACH):
            took.append(await _first_card(hall, number))
            await asyncio.sleep(CARD_EVERY)
    return [
        Figure("first alert to card at 50 ms a call, p50", percentile(took, 0.5) * 1000, "ms", 150),
        Figure("first alert to card at 50 ms a call, p99", percentile(took, 0.99) * 1000, "ms"),
    ]


async def _first_card(hall: Hall, number: int) -> float:
    posted: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def feel(entry: Mapping[str, Any]) -> None:
        is_mine = entry.get("method") == "chat.postMessage" and f" Rule{number} " in entry["args"].get("text", "")
        if is_mine and not posted.done():
            posted.set_result(time.perf_counter())

    hall.rig.simulator.journal.watch(feel)
    started = time.perf_counter()
    await hall.post([_alert(number, number, shard=str(number % CHANNELS))])
    return await asyncio.wait_for(posted, 20) - started
