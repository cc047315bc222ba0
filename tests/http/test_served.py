"""The whole house on real sockets: what `tocsin serve` runs, asked over HTTP, on both databases."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import pytest
import structlog
from slack_sdk.signature import SignatureVerifier

from bot import manifest, telemetry
from bot.app import build, serve as serving_
from bot.domain.people.token import Scope
from bot.domain.text.secret import Secret
from bot.services.admin import tokens
from bot.settings import Settings
from bot.simulator import Simulator
from tests.support.backends import Server, free_port

URL = "/api/sre/incidents"
DOWN = {"title": "Checkout is down", "severity": "P1"}
LIST_KEYS = {"recent_alerts", "incidents", "active_by_severity", "mtta_seconds", "mttr_seconds", "alert_fatigue"}
INCIDENT_KEYS = {
    "id", "title", "service", "severity", "status", "private", "drill", "source", "impact", "declared_by", "roles",
    "channel", "declared_at", "detected_at", "acknowledged_at", "mitigated_at", "resolved_at", "closed_at",
    "next_update_at",
}  # fmt: skip


T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T | None]]) -> T:
    """What `look` finds, once it finds something. The house lives in the wall's time, which no test can move."""
    async with asyncio.timeout(20):
        while not (found := await look()):  # noqa: ASYNC110 - what happens, happens in another process's tables
            await asyncio.sleep(0.05)
    return found


@dataclass(frozen=True)
class Served:
    """A running bot, the workspace it is in, and a client of its HTTP door."""

    house: build.App
    simulator: Simulator
    client: httpx.AsyncClient

    async def token(self, *scopes: Scope, name: str = "script") -> dict[str, str]:
        secret = await tokens.create(self.house.deps, name, scopes or tuple(Scope), "U0ADA", by="test")
        return {"Authorization": f"Bearer {secret.reveal()}"}

    async def until(self, url: str, status: int) -> httpx.Response:
        """The first answer with that status."""

        async def look() -> httpx.Response | None:
            response = await self.client.get(url)
            return response if response.status_code == status else None

        return await eventually(look)

    async def opened(self, header: dict[str, str], address: str) -> dict[str, Any]:
        """The incident, once its channel is open."""

        async def look() -> dict[str, Any] | None:
            found: dict[str, Any] = (await self.client.get(address, headers=header)).json()
            return found if found["channel"] else None

        return await eventually(look)


@asynccontextmanager
async def serving(url: str, **more: Any) -> AsyncIterator[Served]:
    """`tocsin serve` in this process, in HTTP mode and Socket Mode at once. `more` are further settings."""
    simulator, port, stop = Simulator(manifest.for_socket_mode()), free_port(), asyncio.Event()
    await simulator.start()
    settings = Settings(
        database_url=Secret(url),
        slack_bot_token=Secret(simulator.bot_token),
        slack_app_token=Secret(simulator.app_token),
        slack_signing_secret=Secret(simulator.signing_secret),
        slack_api_url=simulator.api_url,
        http_port=port,
        **more,
    )
    try:
        async with build.build(settings) as house, asyncio.TaskGroup() as group:
            group.create_task(serving_.run(house, stop))
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
                served = Served(house, simulator, client)
                try:
                    yield served
                finally:
                    stop.set()
    finally:
        await simulator.stop()


@pytest.fixture
async def served(database_url: str) -> AsyncIterator[Served]:
    """A running bot, once on each database."""
    async with serving(database_url) as served:
        await served.until("/readyz", 200)
        yield served


@pytest.fixture
async def served_on_sqlite(sqlite_url: str) -> AsyncIterator[Served]:
    """A running bot where the database makes no difference."""
    async with serving(sqlite_url) as served:
        await served.until("/readyz", 200)
        yield served


async def test_a_script_declares_and_slack_shows_it(served: Served) -> None:
    """A declare by REST is 201 with an address; the channel opens with the owner in it, and both cards are there."""
    header = await served.token()
    made = await served.client.post(URL, json=DOWN, headers=header)
    assert (made.status_code, made.headers["location"]) == (201, f"{URL}/INC-1")
    assert made.json().keys() == INCIDENT_KEYS
    found = await served.opened(header, made.headers["location"])
    assert found["channel"]["name"] == "inc-1-checkout-is-down"
    assert await eventually(lambda: _shows_the_incident(served.simulator))


async def _shows_the_incident(simulator: Simulator) -> bool:
    async with httpx.AsyncClient(base_url=simulator.url) as client:
        state = (await client.get("/_sim/state", params={"as": "U0ADA"})).json()
    rooms = {one.get("name"): one for one in state["channels"]}
    room = rooms["inc-1-checkout-is-down"]
    cards = [
        message
        for place in (room, rooms["incidents"])
        for message in state["messages"].get(place["id"], ())
        if message.get("bot_id") and "INC-1" in json.dumps(message)
    ]
    return "U0ADA" in room["members"] and len(cards) == 2


async def test_the_list_is_what_was_promised(served: Served) -> None:
    """The list has exactly the promised keys; the same key declares once, and another body under it is refused."""
    header = await served.token()
    keyed = {**header, "Idempotency-Key": "deploy-4711"}
    first, again = [await served.client.post(URL, json=DOWN, headers=keyed) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["location"] == first.headers["location"]
    other = await served.client.post(URL, json={**DOWN, "title": "Search is down"}, headers=keyed)
    assert (other.status_code, other.headers["content-type"]) == (422, "application/problem+json")
    listed = (await served.client.get(URL, params={"severity": "HIGH", "status": "open"}, headers=header)).json()
    assert listed.keys() == LIST_KEYS
    assert [one.keys() for one in listed["incidents"]] == [INCIDENT_KEYS]
    assert listed["active_by_severity"] == {"P1": 1}


async def test_over_the_wire_refusals_are_problems(served_on_sqlite: Served) -> None:
    """Also through a real server every refusal is a problem with a sentence, an oversized body's included."""
    client, header = served_on_sqlite.client, await served_on_sqlite.token(Scope.READ)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 50_000

    refused = {
        404: await client.get("/nothing"),
        405: await client.put(URL, headers=header),
        401: await client.get(URL),
        403: await client.post(URL, json=DOWN, headers=header),
        422: await client.get(URL, params={"severity": "p9"}, headers=header),
        413: await client.post(URL, content=b"x" * 1_500_000, headers=header),
        -413: await client.post(URL, content=endless(), headers=header),
    }
    for status, response in refused.items():
        assert response.status_code == abs(status), response.text
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"].endswith(".")
    assert "Bearer" in refused[401].headers["www-authenticate"]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, at the most talkative level."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    telemetry.configure("json", "debug", stream)
    yield stream
    telemetry.configure()  # and with it the levels of other libraries
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(("secret", "age_seconds"), [("wrong", 0), ("", 600)])
async def test_an_unsigned_request_is_refused(
    served_on_sqlite: Served, secret: str, age_seconds: int, log: io.StringIO
) -> None:
    """A wrong signature and a stale one are 401, a problem like any other, and the log does not have the body."""
    body = "command=%2Fincident&text=declare+xyzzy&user_id=U0ADA&team_id=T0SIM"
    timestamp = str(int(time.time()) - age_seconds)
    signer = SignatureVerifier(secret or served_on_sqlite.simulator.signing_secret)
    headers = {
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": signer.generate_signature(timestamp=timestamp, body=body) or "",
        "content-type": "application/x-www-form-urlencoded",
    }
    response = await served_on_sqlite.client.post("/slack/events", content=body, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")
    assert "SLACK_SIGNING_SECRET" in response.json()["detail"]
    assert "slack.signature_refused" in log.getvalue()
    assert "xyzzy" not in log.getvalue()


async def test_a_lost_database_is_unavailable(own_postgres: Server) -> None:
    """With PostgreSQL gone /readyz says so and the API asks to try again; with it back both are well by themselves."""
    from bot.store.db.schema import migrate

    migrate(own_postgres.url)
    async with serving(own_postgres.url) as served:
        await served.until("/readyz", 200)
        header = await served.token()
        own_postgres.kill()
        unwell = await served.until("/readyz", 503)
        assert unwell.json()["checks"]["database"].startswith("The database does not answer")
        refused = await served.client.get(URL, headers=header)
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert refused.headers["retry-after"]
        assert (await served.client.get("/healthz")).status_code == 200
        own_postgres.start()
        await served.until("/readyz", 200)
        header = await served.token(name="another")  # this server forgets its last moments when it is killed
        assert (await served.client.get(URL, headers=header)).status_code == 200


async def test_what_vendors_sign_with_reaches_the_door(sqlite_url: str) -> None:
    """A webhook that PagerDuty signed with the secret of the environment needs no token; any other is refused."""
    body = b'{"event": {"event_type": "pagey.ping", "data": {}}}'
    async with serving(sqlite_url, pagerduty_webhook_secret=(Secret("s3cret"),), sns_topics=("arn",)) as served:
        await served.until("/healthz", 200)
        for secret, status in ((b"s3cret", 202), (b"stolen", 401)):
            said = f"v1={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
            answer = await served.client.post("/hooks/pagerduty", content=body, headers={"X-PagerDuty-Signature": said})
            assert answer.status_code == status
        assert served.house.deps.sns is not None
