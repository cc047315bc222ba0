"""The long race of pages and acknowledgements, started by `make soak`: in one process, and between several."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.app.database import Opened
from bot.domain.people.token import Scope
from bot.services.admin import tokens
from bot.store.db.database import open_database
from tests.stories.escalation.test_page_races import SHOP, SLOWEST_SECONDS, Moment, moment, raced
from tests.support.catalogues import catalogue
from tests.support.clock import HandClock
from tests.support.crash import House, NewDatabase, housed
from tests.support.pager_order import OrderedPagerDuty
from tests.support.pagerduty import ROUTING_KEY, trusted

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

RACES = 15
ALERTS = 24
ROUNDS = 6
ROUND_SECONDS = 20.0


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    return trusted(tmp_path, monkeypatch)


@pytest.mark.parametrize("rest", [True, False], ids=["rest", "events"])
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
async def test_many_races(
    dialect: str,
    rest: bool,
    new_sqlite: NewDatabase,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    context: ssl.SSLContext,
) -> None:
    """One race after another, each in another order: no page begins after its acknowledgement was answered."""
    new = new_sqlite if dialect == "sqlite" else request.getfixturevalue("new_postgres")
    late: list[str] = []
    became: Counter[str] = Counter()
    for seed in range(RACES):
        database = await open_database(new())
        folder = tmp_path / str(seed)
        folder.mkdir()
        with OrderedPagerDuty(context, slowest_seconds=SLOWEST_SECONDS, seed=seed).standing() as away:
            states = await raced(database, HandClock(), folder, away, rest=rest, seed=seed)
            late += [f"{seed}: {key}" for key in away.late()]
            became.update(states["commitments"], sent=len(away.began))
        await database.close()
    print(dict(became), late)  # noqa: T201
    assert late == []
    assert set(became) == {"met", "cancelled", "sent"}


async def _answered(house: House, away: OrderedPagerDuty, number: int, is_time: Moment) -> None:
    await is_time()
    wish: dict[str, Any] = {"user": "Ben", "channel": "general", "text": f"/incident ack ALR-{number}"}
    answer = await house.does("command", **wish)
    if f"ALR-{number}" in str(answer["response"]):  # otherwise it is answered later, by another way
        away.mark(f"ALR-{number}")


@pytest.mark.parametrize("workers", [("worker", "worker-2")])
async def test_processes_race(
    workers: tuple[str, ...], new_postgres: NewDatabase, tmp_path: Path, context: ssl.SSLContext
) -> None:
    """A bot answers, two workers page: round after round no page begins after its acknowledgement was answered."""
    dice = random.Random(3)  # noqa: S311  a seed makes it repeatable
    with OrderedPagerDuty(context, slowest_seconds=0.2, seed=3).standing() as away:
        settings = {
            "TOCSIN_CATALOG": str(catalogue(tmp_path, org="default_service: shop", shop=SHOP)),
            "PAGERDUTY_ROUTING_KEY": ROUTING_KEY,
            "PAGERDUTY_EVENTS_URL": away.url,
            "SSL_CERT_FILE": str(tmp_path / "authority.pem"),
        }
        async with housed(new_postgres(), "http", workers=workers, settings=settings) as house:
            for number in range(ROUNDS):
                await _fire(house, number)
                await house.quiet()
                first = number * ALERTS + 1
                until = time.monotonic() + ROUND_SECONDS
                moments = [moment(away, dice, lambda: time.monotonic() > until) for _ in range(ALERTS)]  # noqa: B023
                acks = [_answered(house, away, one, is_time) for one, is_time in enumerate(moments, start=first)]
                await asyncio.gather(house.jump(minutes=15), *acks)
                await house.quiet()
    print(f"{len(away.began)} of {len(away.marks)} alerts paged, {len(away.late())} too late")  # noqa: T201
    assert away.late() == []
    assert away.began
    assert len(away.marks) > ROUNDS


async def _fire(house: House, number: int) -> None:
    secret = await tokens.create(Opened(house.database, house.clock), f"m{number}", [Scope.INGEST], "U0ADA", by="test")
    await house.clock.refresh()
    labels = [{"alertname": f"Rule{number}-{one}", "severity": "S1", "service": "shop"} for one in range(ALERTS)]
    since = datetime.now(UTC).isoformat()
    alerts = [{"status": "firing", "labels": one, "startsAt": since} for one in labels]
    base = f"http://127.0.0.1:{house.environment['TOCSIN_HTTP_PORT']}"
    async with httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {secret.reveal()}"}) as api:
        answer = await api.post("/hooks/alertmanager", json={"version": "4", "alerts": alerts})
    assert answer.status_code == 202, answer.text
