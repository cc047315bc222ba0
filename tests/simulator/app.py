"""A small app on unmodified slack-bolt, as the workspace's counterpart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import Simulator

FORM: dict[str, Any] = {
    "type": "modal",
    "callback_id": "form",
    "title": {"type": "plain_text", "text": "Title"},
    "submit": {"type": "plain_text", "text": "Go"},
    "blocks": [
        {
            "type": "input",
            "block_id": "title",
            "label": {"type": "plain_text", "text": "Title"},
            "element": {"type": "plain_text_input", "action_id": "value", "max_length": 20},
        },
        {
            "type": "input",
            "block_id": "severity",
            "optional": True,
            "label": {"type": "plain_text", "text": "Severity"},
            "element": {
                "type": "static_select",
                "action_id": "value",
                "options": [
                    {"text": {"type": "plain_text", "text": "High"}, "value": "P1"},
                    {"text": {"type": "plain_text", "text": "Low"}, "value": "P3"},
                ],
            },
        },
        {
            "type": "actions",
            "block_id": "more",
            "elements": [{"type": "button", "action_id": "more", "text": {"type": "plain_text", "text": "More"}}],
        },
    ],
}

CARD: list[dict[str, Any]] = [
    {
        "type": "actions",
        "block_id": "card",
        "elements": [
            {"type": "button", "action_id": "ack", "value": "INC-1", "text": {"type": "plain_text", "text": "Ack"}},
            {"type": "button", "action_id": "ack:2", "value": "INC-2", "text": {"type": "plain_text", "text": "Ack"}},
            {
                "type": "static_select",
                "action_id": "silence",
                "options": [{"text": {"type": "plain_text", "text": "15 min"}, "value": "15m"}],
            },
        ],
    }
]


class Counterpart:
    """Remembers what arrived, and answers what the text of the command or the field `title` asks for."""

    def __init__(self, client: AsyncWebClient, secret: str) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, Any]] = []
        self.stall_seconds = 0.0
        self.app = AsyncApp(client=client, signing_secret=secret, ignoring_self_events_enabled=True)
        self._arrived = asyncio.Condition()
        self._listen()

    async def next(self, count: int = 1) -> list[dict[str, Any]]:
        """The first `count` payloads, as soon as that many have arrived."""
        async with self._arrived, asyncio.timeout(30):
            await self._arrived.wait_for(lambda: len(self.bodies) >= count)
        return self.bodies

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of events of one type."""
        return [body for body in self.bodies if body.get("event", {}).get("type") == kind]

    async def event(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """The bodies of events of one type, as soon as `count` of them have arrived."""
        async with self._arrived, asyncio.timeout(30):
            await self._arrived.wait_for(lambda: len(self.events(kind)) >= count)
        return self.events(kind)

    def _listen(self) -> None:
        self.app.middleware(self._remember)
        for name in ("/incident", "/plain"):
            self.app.command(name)(self._command)
        for action_id in ("ack", "ack:2", "silence", "more"):
            self.app.action(action_id)(self._plain_ack)
        self.app.view("form")(self._form)
        self.app.view_closed("form")(self._plain_ack)
        self.app.shortcut("incident.declare")(self._plain_ack)
        self.app.shortcut("timeline.add")(self._plain_ack)
        for kind in ("message", "app_mention", "app_home_opened", "member_joined_channel", "reaction_added",
                     "reaction_removed", "pin_added", "pin_removed", "channel_archive", "channel_rename",
                     "channel_unarchive", "team_join", "user_change"):  # fmt: skip
            self.app.event(kind)(self._nothing)

    async def _remember(self, body: dict[str, Any], request: AsyncBoltRequest, next_: Any) -> None:
        async with self._arrived:
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
            self._arrived.notify_all()
        if self.stall_seconds:
            await asyncio.sleep(self.stall_seconds)
        await next_()

    async def _command(self, ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        if body["text"] == "modal":
            await client.views_open(trigger_id=body["trigger_id"], view=FORM)
            await ack()
        elif body["text"] == "aloud":
            await ack(text="Heard", response_type="in_channel")
        elif body["text"] == "broken":
            await ack(blocks=[{"type": "header"}], text="x")
        else:
            await ack(f"You said {body['text']}")

    async def _form(self, ack: Any, body: dict[str, Any]) -> None:
        title = body["view"]["state"]["values"]["title"]["value"]["value"]
        answers: dict[str, dict[str, Any]] = {
            "errors": {"response_action": "errors", "errors": {"title": "Too vague"}},
            "wrong errors": {"response_action": "errors", "errors": {"colour": "Unknown"}},
            "update": {"response_action": "update", "view": {**FORM, "callback_id": "second"}},
            "push": {"response_action": "push", "view": {**FORM, "callback_id": "second"}},
            "clear": {"response_action": "clear"},
        }
        await ack(**answers.get(title, {}))

    async def _plain_ack(self, ack: Any) -> None:
        await ack()

    async def _nothing(self) -> None:
        return


def counterpart(sim: Simulator, session: aiohttp.ClientSession) -> Counterpart:
    client = AsyncWebClient(token=sim.bot_token, base_url=sim.api_url, session=session)
    return Counterpart(client, sim.signing_secret)


@asynccontextmanager
async def by_socket(sim: Simulator, counterpart: Counterpart, sockets: int = 1) -> AsyncIterator[None]:
    """The app over Socket Mode, through as many connections as asked."""
    handlers = [AsyncSocketModeHandler(counterpart.app, sim.app_token, ping_interval=1.0) for _ in range(sockets)]
    for handler in handlers:
        await handler.connect_async()  # type: ignore[no-untyped-call]
    yield
    for handler in handlers:
        await handler.close_async()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def by_http(counterpart: Counterpart) -> AsyncIterator[str]:
    """The app behind an HTTP address; yields its base."""
    runner = web.AppRunner(counterpart.app.server(path="/slack/events").web_app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()
