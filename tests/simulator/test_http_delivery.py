"""Signed HTTP deliveries: to unmodified slack-bolt, and to an app that fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import Simulator
from tests.simulator.app import CARD, by_http, counterpart
from tests.simulator.conftest import MANIFEST, Hands, StillClock


@pytest.fixture
async def live(session: aiohttp.ClientSession) -> AsyncIterator[tuple[Simulator, Hands]]:
    """A workspace on the real clock, whose signatures Bolt accepts."""
    sim = Simulator(MANIFEST, delivery="http")
    await sim.start()
    yield sim, Hands(session, sim.url)
    await sim.stop()


async def test_bolt_behind_http(live: tuple[Simulator, Hands], session: aiohttp.ClientSession) -> None:
    """Commands, forms, clicks and events reach a Bolt app as signed requests; its answers carry the replies."""
    sim, hands = live
    app = counterpart(sim, session)
    async with by_http(app) as base:
        settings = await hands.done("settings", request_url_base=base)
        assert settings["verified"]
        answer = await hands.done("command", user="Ada", channel="incidents", text="/incident hi")
        assert answer["response"]["text"] == "You said hi"
        opened = await hands.done("command", user="Ada", channel="incidents", text="/incident modal")
        view_id = opened["views"][0]["id"]
        sent = await hands.done("submit", user="Ada", view_id=view_id, values={"title": "errors"})
        assert sent["errors"] == {"title": "Too vague"}
        client = AsyncWebClient(token=sim.bot_token, base_url=sim.api_url, session=session)
        posted = await client.chat_postMessage(channel="C0GENERAL", text="card", blocks=CARD)
        await hands.done("click", user="Ada", channel="general", ts=posted["ts"], action_id="ack")
        await hands.done("message", user="Ada", channel="general", text="@tocsin hello")
        assert await app.event("app_mention")
    gone = await hands.do("command", user="Ada", channel="incidents", text="/incident hi")
    assert gone["error"] == "dispatch_failed"


@dataclass
class Door:
    """An app of a few lines: answers with the statuses it is told, 200 afterwards."""

    statuses: list[int] = field(default_factory=list)
    answer_headers: dict[str, str] = field(default_factory=dict)
    stall_seconds: float = 0.0
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(({key.lower(): value for key, value in request.headers.items()}, await request.read()))
        await asyncio.sleep(self.stall_seconds)
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, headers=self.answer_headers)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.requests) < count:  # noqa: ASYNC110  the workspace calls in its own time
                await asyncio.sleep(0.01)


@pytest.fixture
async def door(sim: Simulator) -> AsyncIterator[Door]:
    """That app, and the workspace set to deliver there."""
    opened = Door()
    application = web.Application()
    application.router.add_post("/slack/events", opened.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    sim.deliverer.mode = "http"
    sim.door.request_url_base = f"http://{host}:{port}"
    yield opened
    await runner.cleanup()


class _At(Clock):
    def __init__(self, still: StillClock) -> None:
        self._still = still

    def now(self) -> float:
        return self._still.wall()


async def test_signatures(sim: Simulator, door: Door, hands: Hands, still: StillClock) -> None:
    """Slack's own verifier accepts the signature at the time of sending, and not six minutes later."""
    await hands.done("command", user="Ada", channel="incidents", text="/incident ü & more")
    headers, body = door.requests[0]
    assert parse_qs(body.decode())["text"] == ["ü &amp; more"]
    verifier = SignatureVerifier(sim.signing_secret, _At(still))
    assert verifier.is_valid_request(body, headers)
    assert not SignatureVerifier("another secret", _At(still)).is_valid_request(body, headers)
    still.advance(360)
    assert not verifier.is_valid_request(body, headers)


async def test_retries(sim: Simulator, door: Door, hands: Hands, still: StillClock) -> None:
    """A failed event is sent again at once, after a minute and after five more, with Slack's headers."""
    door.statuses = [500, 503, 302, 500]
    await hands.done("message", user="Ada", channel="general", text="hello")
    await door.until(2)
    still.advance(59)
    await asyncio.sleep(0.12)
    assert len(door.requests) == 2
    still.advance(2)
    await door.until(3)
    still.advance(301)
    await door.until(4)
    numbers = [headers.get("x-slack-retry-num") for headers, _ in door.requests]
    assert numbers == [None, "1", "2", "3"]
    assert door.requests[1][0]["x-slack-retry-reason"] == "http_error"
    assert len({json.loads(body)["event_id"] for _, body in door.requests}) == 1
    await hands.recorded("given_up")


async def test_no_retry(door: Door, hands: Hands) -> None:
    """An app that says X-Slack-No-Retry is not asked again."""
    door.statuses, door.answer_headers = [500], {"X-Slack-No-Retry": "1"}
    await hands.done("message", user="Ada", channel="general", text="hello")
    await door.until(1)
    await hands.recorded("given_up")
    assert len(door.requests) == 1


@pytest.mark.parametrize("ack_seconds", [0.3])
async def test_time_out(door: Door, hands: Hands) -> None:
    """An app that thinks too long loses the command, and the person is told."""
    door.stall_seconds = 0.5
    answer = await hands.do("command", user="Ada", channel="incidents", text="/incident x")
    assert answer["error"] == "operation_timeout"
    assert "three seconds" in (await hands.journal("violation"))[0]["violation"]


async def test_the_manifests_addresses(session: aiohttp.ClientSession, door: Door, sim: Simulator) -> None:
    """Without a base, commands and clicks go where the manifest says."""
    url = f"{sim.door.request_url_base}/slack/events"
    command: dict[str, Any] = {"command": "/incident", "description": "d", "url": url}
    manifest = {"features": {"slash_commands": [command]}, "settings": {"event_subscriptions": {"request_url": url}}}
    other = Simulator(manifest, delivery="http")
    await other.start()
    hands = Hands(session, other.url)
    await hands.done("command", user="Ada", channel="incidents", text="/incident x")
    await hands.done("message", user="Ada", channel="general", text="x")
    await door.until(2)
    await other.stop()
