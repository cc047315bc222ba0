"""Acknowledgements and pages at the same moment: nobody is woken after somebody was told that they are on it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from bot.app.registry import TIMERS
from bot.domain.text.secret import Secret
from bot.integrations.pagerduty import PagerDuty
from bot.ports import Database
from bot.queue import timers
from bot.store.db.database import open_database
from bot.store.incidents import incidents as incidents_store
from bot.store.tables import escalation as escalation_tables, queue as queue_tables
from tests.support.alerts import Monitoring, firing, monitoring
from tests.support.catalogues import catalogue
from tests.support.clock import START, HandClock
from tests.support.escalations import opened, pager_of, pagerduty
from tests.support.pager_order import OrderedPagerDuty
from tests.support.pagerduty import API_KEY, ROUTING_KEY, SENDER, trusted
from tests.support.story import told

SHOP = """
service: shop
name: Shop
default_severity: S1
severities:
  - {key: S1, name: Urgent, escalation_policy: urgent}
escalation_policies:
  urgent:
    steps:
      - {after: 15m, notify: ["page:production"]}
oncall:
  primary: {who: [U0ADA]}
contacts:
  production: {pagerduty_service: PSVC123}
"""
ALERTS = 24
SLOWEST_SECONDS = 0.04  # a handshake
MOST_BEFORE = 10  # pages that have left before an alert is acknowledged
A_MOMENT_SECONDS = 0.03

Moment = Callable[[], Awaitable[None]]


def pager(stand_in: OrderedPagerDuty, *, rest: bool) -> PagerDuty:
    return PagerDuty(
        routing_key=Secret(ROUTING_KEY),
        api_key=Secret(API_KEY) if rest else None,
        sender=SENDER,
        events_url=stand_in.url,
        api_url=stand_in.url,
        timeout_seconds=30,
    )


async def acknowledge(sent: Monitoring, stand_in: OrderedPagerDuty, number: int, is_time: Moment) -> None:
    await is_time()
    text = f"/incident ack ALR-{number}"
    answer = await sent.story.does("command", user="Ben", channel="general", text=text)
    stand_in.mark(f"ALR-{number}")
    assert f"ALR-{number}" in str(answer["response"]), answer


def moment(stand_in: OrderedPagerDuty, dice: random.Random, is_over: Callable[[], bool]) -> Moment:
    """A little after so many pages have left, or when no more do."""
    before, after = len(stand_in.began) + dice.randint(1, MOST_BEFORE), dice.uniform(0, A_MOMENT_SECONDS)

    async def is_time() -> None:
        while len(stand_in.began) < before and not is_over():  # noqa: ASYNC110  it happens in another thread
            await asyncio.sleep(0.002)
        await asyncio.sleep(after)

    return is_time


async def fates(sent: Monitoring) -> dict[str, list[str]]:
    """The states of pages and of commitments."""
    async with sent.story.deps.database.reading() as tx:
        found = (select(table.c.state) for table in (escalation_tables.pages, queue_tables.commitments))
        paged, promised = [sorted((await tx.execute(one)).scalars()) for one in found]
    return {"pages": paged, "commitments": promised}


async def race(sent: Monitoring, stand_in: OrderedPagerDuty, dice: random.Random) -> dict[str, list[str]]:
    """Every page is due at this moment, and every alert is acknowledged at about the same time."""
    await sent.sends(*(firing(f"Rule{n}", since=START, severity="S1", service="shop") for n in range(ALERTS)))
    sent.story.clock.set(max(sent.story.clock.now(), START).replace(hour=9, minute=15, second=1))
    while (await timers.fire_some(sent.story.deps, TIMERS))[0]:
        pass
    turning = asyncio.create_task(sent.story.worker.work_once())
    moments = [moment(stand_in, dice, turning.done) for _ in range(ALERTS)]
    await asyncio.gather(*(acknowledge(sent, stand_in, number, one) for number, one in enumerate(moments, start=1)))
    await turning
    await sent.story.settle()
    assert len(stand_in.marks) == ALERTS
    return await fates(sent)


async def raced(
    database: Database, clock: HandClock, folder: Path, stand_in: OrderedPagerDuty, *, rest: bool, seed: int
) -> dict[str, list[str]]:
    """A story of its own about one such moment."""
    client = pager(stand_in, rest=rest)
    folders = [catalogue(folder, org="default_service: shop", shop=SHOP)]
    parts: dict[str, Any] = {"pager": client}
    async with told(database, clock, catalogue=folders, parts=parts) as story, monitoring(story) as sent:
        became = await race(sent, stand_in, random.Random(seed))  # noqa: S311  a seed makes it repeatable
    client.close()
    return became


@pytest.fixture
async def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OrderedPagerDuty]:
    context = trusted(tmp_path, monkeypatch)
    with OrderedPagerDuty(context, slowest_seconds=SLOWEST_SECONDS, seed=4).standing() as stand_in:
        yield stand_in


@pytest.mark.both_databases
@pytest.mark.parametrize("rest", [True, False], ids=["rest", "events"])
async def test_acknowledged_while_pages_leave(
    rest: bool, database: Database, clock: HandClock, tmp_path: Path, away: OrderedPagerDuty
) -> None:
    """Two dozen pages are due at once, and each alert is acknowledged around then: none begins after the answer."""
    became = await raced(database, clock, tmp_path, away, rest=rest, seed=7)
    assert away.late() == []
    assert set(became["commitments"]) <= {"met", "cancelled"}
    assert set(became["pages"]) == {"acknowledged"}
    assert {one["status"] for one in away.incidents.values()} == {"acknowledged"}


async def somebody_waits(database: Database) -> None:
    """Until a transaction waits for what another one holds."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    while True:
        async with database.reading() as tx:
            if await tx.scalar(waiting):
                return
        await asyncio.sleep(0.01)  # PostgreSQL tells nobody


async def test_acknowledged_there_while_its_incident_is_changed(
    postgres_url: str, clock: HandClock, tmp_path: Path, away: OrderedPagerDuty
) -> None:
    """What PagerDuty says waits for the incident before it holds the page: who resolves that incident wants the
    page next, and neither waits for the other for ever.
    """
    client, database = pager(away, rest=True), await open_database(postgres_url)
    declaring = SHOP.replace("name: Urgent", "name: Urgent, on_alert: declare")
    folders = [catalogue(tmp_path, org="default_service: shop", shop=declaring)]
    parts: dict[str, Any] = {"pager": client}
    async with told(database, clock, catalogue=folders, parts=parts) as story, monitoring(story) as sent:
        await sent.sends(firing("Slow", since=START, severity="S1", service="shop"))
        await story.fast_forward(minutes=15, seconds=1)
        ((key, made),) = away.incidents.items()
        said = {"id": made["id"], "type": "incident", "incident_key": key, "title": "It"}
        happened = {"event_type": "incident.acknowledged", "occurred_at": story.clock.now().isoformat()}
        await sent.posts({"event": {"id": "E1", **happened, "data": said}}, vendor="pagerduty")
        async with database.transaction() as tx:
            await incidents_store.lock(tx, 1)
            turning = asyncio.create_task(story.worker.work_once())
            async with asyncio.timeout(20):
                await somebody_waits(database)
            assert (
                await tx.execute(select(escalation_tables.pages.c.state).with_for_update(nowait=True))
            ).scalars().all() == ["open"]
        await turning
        await story.settle()
        assert await fates(sent) == {"pages": ["acknowledged"], "commitments": ["met"]}
    client.close()
    await database.close()


async def test_acknowledged_while_a_reader_is_looked_for(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PagerDuty is asked who is on call, and somebody acknowledges meanwhile: no e-mail goes out, none is missed."""
    mailing = SHOP.replace("page:production", "email:oncall").replace("who: [U0ADA]", "pagerduty_schedule: PSCHED1")
    eve = {"id": "PUEVE", "name": "Eve", "email": "eve@example.com"}
    async with AsyncExitStack() as stack:
        stand_in = await stack.enter_async_context(pagerduty(tmp_path, monkeypatch))
        stand_in.schedules["PSCHED1"] = [{"escalation_level": 1, "user": eve}]
        client = pager_of(stand_in)
        stack.callback(client.close)
        org = "default_service: shop"
        shop = await stack.enter_async_context(
            opened(sqlite_database, clock, tmp_path, pager=client, shop=mailing, org=org)
        )

        async def meanwhile() -> None:
            await shop.story.does("command", user="Ben", channel="general", text="/incident ack ALR-1")

        await shop.fires(severity="S1")
        stand_in.meanwhile = meanwhile
        await shop.at(15, 1)
        assert stand_in.requests == ["GET /oncalls"]
        assert shop.mail.received == []
        await shop.audits()
        assert await shop.promised() == ["cancelled"]
        assert shop.story.alarm.heard == []
