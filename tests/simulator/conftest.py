"""A small app manifest, a still clock, a running workspace, and somebody to click in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import Simulator

MANIFEST: dict[str, Any] = {
    "display_information": {"name": "tocsin"},
    "features": {
        "bot_user": {"display_name": "tocsin"},
        "slash_commands": [
            {"command": "/incident", "description": "Incidents", "usage_hint": "declare …", "should_escape": True},
            {"command": "/plain", "description": "No escaping"},
        ],
        "shortcuts": [
            {"name": "Declare an incident", "type": "global", "callback_id": "incident.declare"},
            {"name": "Add to timeline", "type": "message", "callback_id": "timeline.add"},
        ],
    },
}


class StillClock:
    """Both times stand still until a test moves them; `due` is the next timer."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
        self.due: datetime | None = None
        self.speed = 1.0

    def wall(self) -> float:
        return self.time.timestamp()

    def now(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    async def next_timer(self) -> datetime | None:
        return self.due

    async def jump(self, seconds: float | None) -> datetime:
        self.time = self.due or self.time if seconds is None else self.time + timedelta(seconds=seconds)
        return self.time

    async def set_speed(self, speed: float) -> None:
        self.speed = speed


@dataclass
class Hands:
    """People at the workspace's control API."""

    session: aiohttp.ClientSession
    url: str

    async def do(self, action: str, **wish: Any) -> dict[str, Any]:
        """POST one action; the answer as it came."""
        async with self.session.post(f"{self.url}/_sim/{action}", json=wish) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            return answer

    async def done(self, action: str, **wish: Any) -> dict[str, Any]:
        """POST one action that has to succeed."""
        answer = await self.do(action, **wish)
        assert answer["ok"], answer
        return answer

    async def see(self, path: str, **query: str) -> dict[str, Any]:
        async with self.session.get(f"{self.url}/_sim/{path}", params=query) as response:
            shown: dict[str, Any] = await response.json()
            return shown

    async def messages(self, channel: str, **query: str) -> list[dict[str, Any]]:
        """What people wrote in a channel, without Slack's own lines."""
        shown = (await self.see(f"channels/{channel}/messages", **query))["messages"]
        return [one for one in shown if "subtype" not in one]

    async def recorded(self, entry: str, words: str = "") -> None:
        """Return once the journal has such an entry."""
        async with asyncio.timeout(30):
            while not any(words in str(line) for line in await self.journal(entry)):  # noqa: ASYNC110  asked over HTTP
                await asyncio.sleep(0.01)

    async def journal(self, entry: str | None = None) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.url}/_sim/journal") as response:
            lines = [json.loads(line) for line in (await response.text()).splitlines()]
        return [line for line in lines if entry in (None, line["entry"])]


@pytest.fixture
def still() -> StillClock:
    """A clock that does not move until the test moves it."""
    return StillClock()


@pytest.fixture
def ack_seconds() -> float:
    """More than Slack's three, for a busy machine. A test of slowness is parametrized with less."""
    return 15.0


@pytest.fixture
async def sim(still: StillClock, ack_seconds: float) -> AsyncIterator[Simulator]:
    """A running workspace on a still clock."""
    simulator = Simulator(MANIFEST, clock=still, ack_seconds=ack_seconds)
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def client(sim: Simulator, session: aiohttp.ClientSession) -> AsyncWebClient:
    """The app's own Web API client, as it ships."""
    return AsyncWebClient(token=sim.bot_token, base_url=sim.api_url, session=session, retry_handlers=[])


@pytest.fixture
def hands(sim: Simulator, session: aiohttp.ClientSession) -> Hands:
    """People who click, type and look."""
    return Hands(session, sim.url)
