"""Whatever is sent to whichever address is answered, never with 500; and no well-formed alert is lost in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import select

from bot.app.registry import INBOX
from bot.domain.people.token import Scope
from bot.http.door import HttpDoor
from bot.ports import Database
from bot.queue import inbox
from bot.services.admin import tokens
from bot.slack.events import EventDispatcher
from bot.store.tables import alerts as alerts_tables, queue as queue_tables
from commands import LISTENERS
from tests.http.conftest import client_of
from tests.http.fuzz import Mixed, mixed, odd, routes
from tests.support.clock import HandClock
from tests.support.story import Story, told

WORKED = inbox.by_family({"event": EventDispatcher(LISTENERS).handle, **INBOX})
LIGHT = settings(
    max_examples=100,
    derandomize=True,  # the same ones each time: the long run, with new ones, is make soak's
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass(frozen=True)
class House:
    """A whole installation, its HTTP door, and a token that may do everything."""

    story: Story
    routes: Sequence[tuple[str, str]]
    api: httpx.AsyncClient
    headers: dict[str, str]


@pytest.fixture
async def house(database: Database, clock: HandClock) -> AsyncIterator[House]:
    """On both databases: they do not take the same odd things."""
    async with told(database, clock) as story:
        secret = await tokens.create(story.deps, "all", list(Scope), "U0ADA", by="test")
        headers = {"Authorization": f"Bearer {secret.reveal()}"}
        door = HttpDoor(deps=lambda: story.deps, slack_trouble=story.door.trouble)
        async with client_of(door) as api:
            await api.post("/api/sre/incidents", json={"title": "Checkout is down"}, headers=headers)
            yield House(story, routes(door), api, headers)


async def answered(house: House, data: st.DataObject) -> None:
    """One odd request. The clock moves on, so that no two of them are the same message."""
    house.story.clock.advance(seconds=0.001)
    request = data.draw(odd(house.routes))
    answer = await request.send(house.api, house.headers)
    assert answer.status_code < 500, f"{request!r:.2000} {answer.text}"
    if answer.status_code >= 400 and not request.path.startswith("/docs"):
        assert answer.headers["content-type"] == "application/problem+json" or request.method == "HEAD"


async def kept(house: House, message: Mixed) -> None:
    """One message among whose odd parts there are well-formed alerts: all of them are there when it is worked."""
    story = house.story
    story.clock.advance(seconds=1)
    answer = await house.api.post("/hooks/alertmanager", content=_text(message), headers=house.headers)
    assert answer.status_code == 202, answer.text
    await inbox.work(story.deps, WORKED)
    async with story.deps.database.reading() as tx:
        wanted = select(alerts_tables.alert_marks.c.fingerprint).where(
            alerts_tables.alert_marks.c.fingerprint.in_(sorted(message.fingerprints))
        )
        assert set((await tx.execute(wanted)).scalars()) == message.fingerprints
        hooks = (queue_tables.inbox.c.kind.like("hook:%"), queue_tables.inbox.c.state != "done")
        assert list(await tx.execute(select(queue_tables.inbox.c.error).where(*hooks))) == []


def _text(message: Mixed) -> bytes:
    return json.dumps(message.body).encode()


@LIGHT
@given(data=st.data())
async def test_every_route_answers(data: st.DataObject, house: House) -> None:
    """No path, query, header or body at any route is answered 500 or worse, and every refusal is a sentence."""
    await answered(house, data)


@settings(LIGHT, max_examples=30)
@given(message=mixed())
async def test_no_alert_is_lost(message: Mixed, house: House) -> None:
    """Well-formed alerts are kept, whatever is beside them in their message."""
    await kept(house, message)
