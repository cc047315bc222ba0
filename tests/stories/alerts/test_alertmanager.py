"""A real Alertmanager, and once a real Prometheus before it, sends to the real door: a card, its end, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from bot.domain.people.token import Scope
from bot.http.app import make_app
from bot.http.door import HttpDoor
from bot.ports import Database
from bot.services.admin import tokens
from bot.store.tables import alerts as alerts_tables, queue as queue_tables
from tests.support.alertmanager import alertmanager, listening, metrics_at, prometheus_with_rule
from tests.support.alerts import OPS
from tests.support.backends import free_port
from tests.support.clock import HandClock
from tests.support.story import Story, shown, well_told

PATIENCE_SECONDS = 60.0  # of a machine that does much else


class Ear:
    """An installation on a port, and what it has heard and shown."""

    def __init__(self, story: Story, url: str, token: str) -> None:
        self.story = story
        self.hook = f"{url}/hooks/alertmanager"
        self.token = token

    async def until(self, look: Callable[[], Awaitable[bool]]) -> None:
        """Real processes have real time; the installation's clock follows the wall."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await look():
                await asyncio.sleep(0.05)
                await self.settle()

    async def settle(self) -> None:
        clock = self.story.clock
        clock.set(max(datetime.now(UTC), clock.now()))
        await self.story.settle()

    async def cards(self) -> list[str]:
        return await self.story.by_the_bot(OPS)

    async def shows(self, word: str) -> bool:
        return any(word in card for card in await self.cards())

    async def heard(self) -> int:
        """Messages of Alertmanager that were stored."""
        mine = (
            select(func.count()).select_from(queue_tables.inbox).where(queue_tables.inbox.c.kind == "hook:alertmanager")
        )
        async with self.story.deps.database.reading() as tx:
            return int((await tx.execute(mine)).scalar_one())

    async def alerts(self) -> list[str]:
        async with self.story.deps.database.reading() as tx:
            return [
                row.status
                for row in await tx.execute(select(alerts_tables.alerts.c.status).order_by(alerts_tables.alerts.c.id))
            ]


@asynccontextmanager
async def ear(database: Database) -> AsyncIterator[Ear]:
    clock = HandClock(datetime.now(UTC))
    async with well_told(database, clock) as story:
        secret = await tokens.create(story.deps, "alertmanager", [Scope.INGEST], "U0ADA", by="test")
        door = HttpDoor(deps=lambda: story.deps, slack_trouble=story.door.trouble)
        async with listening(make_app(door)) as url:
            yield Ear(story, url, secret.reveal())


async def test_a_rule_fires_and_ends(sqlite_database: Database, tmp_path: Path) -> None:
    """A rule of Prometheus fires: one card. What it watches comes back: struck through. With a bearer token."""
    port = free_port()
    rule = {
        "alert": "ShopDown", "expr": 'up{job="shop"} == 0', "labels": {"severity": "high"},
        "annotations": {"summary": "The shop does not answer"},
    }  # fmt: skip
    scrape = {"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    async with ear(sqlite_database) as our:
        auth = {"authorization": {"type": "Bearer", "credentials": our.token}}
        with alertmanager(our.hook, auth) as manager, prometheus_with_rule(rule, scrape, manager):
            await our.until(lambda: our.shows("*ALR-1 ShopDown*"))
            (card,) = await our.cards()
            assert card.splitlines()[1] == "The shop does not answer"
            assert "*Severity*\nP1 High" in card
            assert f"instance=127.0.0.1:{port}" in card
            assert "|Graph>" in card
            with metrics_at(port, tmp_path):
                await our.until(lambda: our.shows("✅ ~ALR-1 ShopDown~"))
        assert len(await our.cards()) == 1
        assert await our.alerts() == ["resolved"]


async def test_what_it_says_again_changes_nothing(sqlite_database: Database) -> None:
    """Repeated by `repeat_interval` and by other routes, grouped otherwise, it is one alert and one card, never edited.

    With basic authentication.
    """
    every: list[dict[str, object]] = [
        {"matchers": ['severity="high"'], "continue": True},
        {"matchers": ['severity="high"'], "group_by": ["host"], "continue": True},
    ]
    async with ear(sqlite_database) as our:
        auth = {"basic_auth": {"username": "alertmanager", "password": our.token}}
        with alertmanager(our.hook, auth, [*every]) as manager:
            await manager.fires(alertname="Slow", severity="high", host="a")
            await our.until(lambda: our.shows("*ALR-1 Slow*"))
            edits = len(our.story.calls("chat.update"))

            async def repeated() -> bool:
                return await our.heard() >= 6

            await our.until(repeated)
            assert await our.alerts() == ["firing"]
            assert len(our.story.calls("chat.update")) == edits
            await manager.ends(alertname="Slow", severity="high", host="a")
            await our.until(lambda: our.shows("✅ ~ALR-1 Slow~"))
        await our.settle()
        assert len(await our.cards()) == 1
        assert await our.alerts() == ["resolved"]


async def test_it_tries_again_while_we_cannot_store(sqlite_database: Database) -> None:
    """Our 503 makes it come again: whatever fired while the database was away is there afterwards, once."""

    async def rename(table: str, name: str) -> None:
        async with sqlite_database.transaction() as tx:
            await tx.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {name}")

    async with ear(sqlite_database) as our:
        auth = {"authorization": {"credentials": our.token}}
        with alertmanager(our.hook, auth) as manager:
            await rename("inbox", "away")
            for host in ("a", "b"):
                await manager.fires(alertname="Slow", severity="high", host=host)
                await manager.fires(alertname="Full", severity="warning", host=host)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await manager.figure("alertmanager_notification_requests_failed_total") < 4:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await rename("away", "inbox")

            async def all_there() -> bool:
                return len(await our.alerts()) == 4

            await our.until(all_there)
        await our.settle()
        cards = [shown(one).splitlines()[0] for one in await our.story.messages(OPS) if "ALR-" in shown(one)]
        assert sorted(card.split()[-1] for card in cards) == ["Full*", "Slow*"]
        assert await our.alerts() == ["firing"] * 4
