"""A simulated workspace, a small table, and a door between them over real HTTP and Socket Mode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI

from bot.deps import Config, CurrentCatalogue, Deps, WorkspaceIdentity
from bot.domain.catalogue.catalogue import Access, Catalogue
from bot.domain.catalogue.service import Service
from bot.domain.catalogue.severity import Severity
from bot.domain.text.secret import Secret
from bot.integrations.alarm import LogAlarm
from bot.integrations.slack import SlackChat, open_session
from bot.interactions import Listeners
from bot.ports import Database
from bot.queue import inbox, outbox
from bot.queue.handler import by_kind
from bot.services.messaging import replies
from bot.simulator import Simulator
from bot.slack.app import SlackDoor
from bot.slack.events import EventDispatcher
from bot.store.db.database import open_database
from tests.slack.table import Shop
from tests.support.clock import HandClock

EVENTS = [
    "app_home_opened", "app_mention", "channel_archive", "channel_rename", "channel_unarchive",
    "member_joined_channel", "pin_added", "reaction_added", "team_join", "user_change",
]  # fmt: skip
MANIFEST: dict[str, Any] = {
    "display_information": {"name": "tocsin"},
    "features": {
        "bot_user": {"display_name": "tocsin"},
        "slash_commands": [
            {"command": "/incident", "description": "Incidents", "should_escape": True},
            {"command": "/runbook", "description": "Runbooks", "should_escape": True},
        ],
        "shortcuts": [
            {"name": "Note it", "type": "message", "callback_id": "note.add", "description": "Note it"},
            {"name": "Open", "type": "global", "callback_id": "form.open", "description": "Open the form"},
        ],
    },
    "oauth_config": {
        "scopes": {
            "bot": [
                "app_mentions:read", "channels:history", "channels:join", "channels:manage", "channels:read",
                "chat:write", "chat:write.public", "commands", "files:write", "groups:history", "groups:read",
                "im:history", "im:write", "pins:read", "reactions:read", "usergroups:read", "users:read",
            ]
        }
    },
    "settings": {
        "event_subscriptions": {"bot_events": EVENTS},
        "interactivity": {"is_enabled": True},
        "socket_mode_enabled": True,
    },
}  # fmt: skip

SERVICE = Service("default", "Default", (Severity("P1", "High", 0),), "P1")
CATALOGUE = Catalogue({"default": SERVICE}, "default", teams={"sre": ("U0ADA", "S0SRE")}, access=Access())


class NoWakeups:
    """Tests work the queues by hand."""

    def wake(self) -> None:
        pass


class PlainTemplates:
    """No templates here."""

    def render(self, kind: str, *, service: str, severity: str, values: dict[str, Any]) -> str:
        return kind


class Workspace:
    """The simulated workspace, and what its people do in it."""

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self._session = session

    async def does(self, what: str, **wish: Any) -> dict[str, Any]:
        """What a person does, whatever came of it."""
        async with self._session.post(f"{self.simulator.url}/_sim/{what}", json=wish) as response:
            answer: dict[str, Any] = await response.json()
            return answer

    async def says(self, user: str, text: str, channel: str = "general") -> dict[str, Any]:
        """A command typed; what the acknowledgement showed."""
        answer = await self.does("command", user=user, channel=channel, text=text)
        assert answer["ok"], answer
        return answer["response"] or {}

    async def messages(self, channel: str = "general", as_user: str = "U0ADA") -> list[dict[str, Any]]:
        url = f"{self.simulator.url}/_sim/channels/{channel}/messages"
        async with self._session.get(url, params={"as": as_user}) as response:
            found: list[dict[str, Any]] = (await response.json())["messages"]
            return found

    async def state(self, as_user: str) -> dict[str, Any]:
        async with self._session.get(f"{self.simulator.url}/_sim/state", params={"as": as_user}) as response:
            found: dict[str, Any] = await response.json()
            return found

    async def fault(self, kind: str, **wish: Any) -> None:
        assert (await self.does("faults", kind=kind, **{"times": 1, **wish}))["ok"]

    async def simulator_is_well(self) -> None:
        """No more faults."""
        async with self._session.delete(f"{self.simulator.url}/_sim/faults"):
            pass

    async def dms(self, user: str) -> list[str]:
        """What the bot said to this person in a direct message."""
        state = await self.state(user)
        ims = [each["id"] for each in state["channels"] if each.get("is_im")]
        return [message["text"] for im in ims for message in state["messages"].get(im, [])]

    async def texts(self, channel: str = "general", as_user: str = "U0ADA") -> list[str]:
        return [message["text"] for message in await self.messages(channel, as_user)]

    async def until_said(self, text: str, channel: str = "general", as_user: str = "U0ADA") -> None:
        """Wait for a message that the door posts beside its acknowledgement."""
        async with asyncio.timeout(30):
            while not any(text in said for said in await self.texts(channel, as_user)):  # noqa: ASYNC110  over HTTP
                await asyncio.sleep(0.01)

    def violations(self) -> list[dict[str, Any]]:
        return [line for line in self.simulator.journal.since() if "violation" in line["entry"]]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """The one session of the process."""
    async with open_session(10) as opened:
        yield opened


@pytest.fixture
async def workspace(session: aiohttp.ClientSession) -> AsyncIterator[Workspace]:
    """A simulated workspace over Socket Mode; every test ends without a broken contract."""
    simulator = Simulator(MANIFEST, ack_seconds=15.0)  # how quick a busy machine is, is no matter here
    await simulator.start()
    yield Workspace(simulator, session)
    await simulator.stop()


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def table(shop: Shop) -> Listeners:
    return shop.table()


@pytest.fixture
async def one_database(sqlite_url: str) -> AsyncIterator[Database]:
    """SQLite only: the door is the same over both."""
    opened = await open_database(sqlite_url)
    yield opened
    await opened.close()


def make_deps(
    database: Database, clock: HandClock, workspace: Workspace, session: aiohttp.ClientSession, **config: Any
) -> Deps:
    simulator = workspace.simulator
    known = WorkspaceIdentity()
    known.learn(config.pop("bot_user", ""), config.pop("team", ""))
    chat = SlackChat(Secret(simulator.bot_token), base_url=simulator.api_url, session=session, timeout_seconds=15)
    return Deps(
        config=replace(Config(post_interval_seconds=0.0), **config),
        workspace=known,
        clock=clock,
        database=database,
        chat=chat,
        alarm=LogAlarm(),
        wakeups=NoWakeups(),
        current_catalogue=CurrentCatalogue(CATALOGUE),
        templates=PlainTemplates(),
    )


@pytest.fixture
def deps(one_database: Database, clock: HandClock, workspace: Workspace, session: aiohttp.ClientSession) -> Deps:
    return make_deps(one_database, clock, workspace, session)


class Worker:
    """What the worker does, when the test says so."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door
        self._events = EventDispatcher(door.listeners)

    async def works(self) -> None:
        """Everything that waits: stored events, then what is to be said."""
        await inbox.work(self._door.deps, self._events.handle)
        await outbox.send_waiting(
            self._door.deps, by_kind(replies.PublicAnswerHandler(), replies.EphemeralAnswerHandler())
        )

    async def works_until_said(self, workspace: Workspace, text: str, channel: str, as_user: str = "U0ADA") -> None:
        async with asyncio.timeout(30):
            while not any(text in said for said in await workspace.texts(channel, as_user)):
                await self.works()
                await asyncio.sleep(0.01)


@pytest.fixture
def budget_seconds() -> float:
    """More than the door's own, for a busy machine. A test of slowness is parametrized with less."""
    return 10.0


@pytest.fixture
async def door(
    table: Listeners, deps: Deps, workspace: Workspace, session: aiohttp.ClientSession, budget_seconds: float
) -> AsyncIterator[SlackDoor]:
    """A started door over Socket Mode."""
    opened = SlackDoor(
        table,
        deps,
        session=session,
        base_url=workspace.simulator.api_url,
        app_token=Secret(workspace.simulator.app_token),
        budget_seconds=budget_seconds,
        ping_seconds=1.0,
        start_seconds=30.0,
    )
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture
def worker(door: SlackDoor) -> Worker:
    return Worker(door)


@asynccontextmanager
async def served(door: SlackDoor) -> AsyncIterator[str]:
    """The door behind FastAPI and uvicorn on a port of its own; yields its base URL."""
    web = FastAPI()
    web.add_api_route("/slack/events", door.http_handler, methods=["POST"], response_model=None)
    server = uvicorn.Server(uvicorn.Config(web, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn sets an attribute
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@pytest.fixture
async def http_door(
    table: Listeners, deps: Deps, workspace: Workspace, session: aiohttp.ClientSession, budget_seconds: float
) -> AsyncIterator[tuple[SlackDoor, str]]:
    """A started door over signed HTTP, and its base URL."""
    opened = SlackDoor(
        table,
        deps,
        session=session,
        base_url=workspace.simulator.api_url,
        signing_secret=Secret(workspace.simulator.signing_secret),
        budget_seconds=budget_seconds,
    )
    await opened.start()
    async with served(opened) as url:
        await workspace.does("settings", delivery="http", request_url_base=url)
        yield opened, url
    await opened.stop()
