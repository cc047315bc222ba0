"""Messages of monitoring that were refused are counted, and a flood of them costs next to nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import insert, select
from structlog.testing import capture_logs

from bot.domain.people.token import Scope
from bot.http.app import make_app
from bot.http.door import HttpDoor
from bot.http.refusals import Refusals
from bot.intake import VENDORS
from bot.ports import Database
from bot.services.alerts import noisy_rules
from bot.store.alerts import refused_webhooks as store
from bot.store.alerts.refused_webhooks import Refusal
from bot.store.db.database import open_database
from bot.store.tables import alerts as alerts_tables
from tests.http.conftest import TokenFor
from tests.support.clock import START
from tests.support.story import Story

FIRING = {"alerts": [{"status": "firing", "labels": {"alertname": "Slow"}}]}


class Door:
    """The HTTP door with its counts at hand."""

    def __init__(self, door: HttpDoor) -> None:
        app = make_app(door)
        self.refusals: Refusals = app.state.refusals
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.api = httpx.AsyncClient(transport=transport, base_url="http://tocsin.invalid")


@pytest.fixture
def open_door(story: Story) -> Door:
    return Door(HttpDoor(deps=lambda: story.deps, slack_trouble=story.door.trouble))


async def rows(database: Database) -> dict[tuple[str, str, str], int]:
    async with database.reading() as tx:
        found = await tx.execute(select(*alerts_tables.hook_refusals.c))
        return {(row.day, row.vendor, row.reason): row.count for row in found}


async def test_counted_by_vendor_and_reason(story: Story, open_door: Door, token_for: TokenFor) -> None:
    """Whatever refused it: no or a wrong token, an unknown vendor or source, a body that is no JSON or too large."""
    ingest, reader = await token_for("U0ADA", Scope.INGEST), await token_for("U0ADA", Scope.READ)
    bad = {"Authorization": "Bearer tocsin_wrong"}
    api = open_door.api
    for path, headers, body, status in (
        ("alertmanager", {}, b"{}", 401),
        ("alertmanager", bad, b"{}", 401),
        ("alertmanager", bad, b"{}", 401),
        ("grafana", reader, b"{}", 403),
        ("alertmanger", ingest, b"{}", 404),
        ("generic?source=zabbix", ingest, b"{}", 404),
        ("sentry", ingest, b"<xml/>", 400),
        ("datadog", ingest, b"x" * 10_000_001, 413),
        ("alertmanager", ingest, b"{}", 202),
    ):
        answer = await api.post(f"/hooks/{path}", headers=headers, content=body)
        assert answer.status_code == status, answer.text
    assert await rows(story.deps.database) == {}
    await open_door.refusals.flush()
    day = "2026-11-20"
    assert await rows(story.deps.database) == {
        (day, "alertmanager", "no_token"): 1,
        (day, "alertmanager", "bad_token"): 2,
        (day, "grafana", "wrong_scope"): 1,
        (day, "unknown", "unknown_vendor"): 1,
        (day, "generic", "unknown_source"): 1,
        (day, "sentry", "unreadable"): 1,
        (day, "datadog", "too_large"): 1,
    }
    listed = (await api.get("/api/sre/incidents", headers=reader)).json()
    assert listed["alert_fatigue"]["refused_messages"]["alertmanager"] == {"bad_token": 2, "no_token": 1}


async def test_a_flood_is_one_write_and_one_line(story: Story, open_door: Door) -> None:
    """Hundreds of refused messages at made-up addresses are one row, written once, and one line in the log."""
    await asyncio.gather(*(open_door.api.post(f"/hooks/x{number}", json=FIRING) for number in range(300)))
    with capture_logs() as lines:
        await asyncio.gather(*(open_door.refusals.flush() for _ in range(5)))
    assert await rows(story.deps.database) == {("2026-11-20", "unknown", "unknown_vendor"): 300}
    (line,) = [line for line in lines if line["event"] == "hook.refusals"]
    assert (line["messages"], line["of"]) == (300, {"unknown unknown_vendor": 300})


async def test_written_by_itself(story: Story) -> None:
    """Some seconds after the first one they are written, without anything else happening."""
    counted = Refusals(lambda: story.deps, flush_seconds=0.01)
    for _ in range(3):
        counted.count("grafana", "no_token")
    async with asyncio.timeout(20):
        while not await rows(story.deps.database):  # noqa: ASYNC110 - it is written when it is written
            await asyncio.sleep(0.01)
    assert await rows(story.deps.database) == {("2026-11-20", "grafana", "no_token"): 3}


async def test_a_database_that_is_away(story: Story, sqlite_url: str) -> None:
    """What could not be written is written with the next ones."""
    broken = await open_database(sqlite_url)
    async with broken.transaction() as tx:
        await tx.exec_driver_sql("ALTER TABLE hook_refusals RENAME TO elsewhere")
    door = Door(HttpDoor(deps=lambda: replace(story.deps, database=broken), slack_trouble=lambda: None))
    door.refusals.count("grafana", "no_token")
    await door.refusals.flush()
    async with broken.transaction() as tx:
        await tx.exec_driver_sql("ALTER TABLE elsewhere RENAME TO hook_refusals")
    door.refusals.count("grafana", "no_token")
    await door.refusals.flush()
    assert await rows(broken) == {("2026-11-20", "grafana", "no_token"): 2}
    await broken.close()


async def test_added_by_many_at_once(database: Database) -> None:
    """Two processes that write their counts at the same time lose none."""
    counts = {Refusal(START.date(), vendor, "no_token"): 2 for vendor in VENDORS}

    async def write() -> None:
        async with database.transaction() as tx:
            await store.add(tx, counts)

    await asyncio.gather(*(write() for _ in range(8)))
    assert set((await rows(database)).values()) == {16}
    assert len(await rows(database)) == len(VENDORS)


async def test_shown_for_a_week(story: Story) -> None:
    """Figures cover the last seven days; what is older is not in them."""
    days = [(START - timedelta(days=ago)).date().isoformat() for ago in (0, 7, 8)]
    async with story.deps.database.transaction() as tx:
        for day in days:
            row = {"day": day, "vendor": "grafana", "reason": "no_token", "count": 1}
            await tx.execute(insert(alerts_tables.hook_refusals), row)
    assert (await noisy_rules.figures(story.deps)).refused == {"grafana": {"no_token": 2}}
