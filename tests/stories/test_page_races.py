"""Acknowledgements and pages at the same moment: nobody is woken after somebody was told that they are on it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.domain.secret import Secret
from bot.integrations.pagerduty import PagerDuty
from bot.ports import Database
from bot.services import timers
from bot.services.trips import TIMERS
from bot.store import tables
from tests.support.alerts import Monitoring, firing, monitoring
from tests.support.catalogues import catalogue
from tests.support.clock import START, HandClock
from tests.support.pager_order import OrderedPagerDuty
from tests.support.pagerduty import API_KEY, ROUTING_KEY, SENDER, trusted
from tests.support.story import told

SHOP = """
service: shop
name: Shop
default_severity: S1
severities:
  - {key: S1, name: Urgent, ladder: urgent}
ladders:
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
        timeout_seconds=5,
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
    """The states of pages and of promises."""
    async with sent.story.deps.database.reading() as tx:
        found = (select(table.c.state) for table in (tables.pages, tables.promises))
        paged, promised = [sorted((await tx.execute(one)).scalars()) for one in found]
    return {"pages": paged, "promises": promised}


async def race(sent: Monitoring, stand_in: OrderedPagerDuty, dice: random.Random) -> dict[str, list[str]]:
    """Every page is due at this moment, and every alert is acknowledged at about the same time."""
    await sent.sends(*(firing(f"Rule{n}", since=START, severity="S1", service="shop") for n in range(ALERTS)))
    sent.story.clock.set(max(sent.story.clock.now(), START).replace(hour=9, minute=15, second=1))
    while await timers.fire_due(sent.story.deps, TIMERS):
        pass
    turning = asyncio.create_task(sent.story.worker.turn())
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


@pytest.mark.parametrize("rest", [True, False], ids=["rest", "events"])
async def test_acknowledged_while_pages_leave(
    rest: bool, database: Database, clock: HandClock, tmp_path: Path, away: OrderedPagerDuty
) -> None:
    """Two dozen pages are due at once, and each alert is acknowledged around then: none begins after the answer."""
    became = await raced(database, clock, tmp_path, away, rest=rest, seed=7)
    assert away.late() == []
    assert set(became["promises"]) <= {"kept", "released"}
    assert set(became["pages"]) == {"acknowledged"}
    assert {one["status"] for one in away.incidents.values()} == {"acknowledged"}
