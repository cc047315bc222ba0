"""The delivery handler of a message: posted once, found again by its metadata when the answer was lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Call, Delivery, Found, Plan, Skip, Wait
from bot.interactions import Block
from bot.ports import Tx
from bot.services.messaging.slack_errors import CHANNEL_GONE

EVENT_TYPE = "tocsin_delivery"
CHANNEL_RETRY_SECONDS = 60.0
LOOK_BACK_SECONDS = 600.0  # Slack's clock and ours may differ
PAGES = 5


@dataclass(frozen=True)
class Message:
    """What to say, and where. `text` is the plain-text fallback."""

    channel: str
    text: str
    blocks: list[Block] = field(default_factory=list)
    thread: str | None = None


Render = Callable[[Deps, Tx, Delivery], Awaitable["Message | Skip | Wait"]]
Settled = Callable[[Deps, Tx, Delivery, dict[str, Any]], Awaitable[None]]


async def _nothing(deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
    return None


class Plain:
    """What most delivery handlers share: one call, nothing to look up, nothing follows."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        raise NotImplementedError

    async def send(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        return await deps.chat.call(method, arguments)

    async def find_sent(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any]) -> Found | None:
        return None  # doing it twice does no harm

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        return None

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        return Wait(CHANNEL_RETRY_SECONDS, problem.error) if problem.error in CHANNEL_GONE else None


class Post(Plain):
    """A message of kind `render`; `then` writes down its ts and what follows."""

    def __init__(self, render: Render, then: Settled = _nothing) -> None:
        self._render = render
        self._then = then

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        message = await self._render(deps, tx, delivery)
        return Call(_arguments(message, delivery), target=message.channel) if isinstance(message, Message) else message

    async def find_sent(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any]) -> Found | None:
        return await find_posted(deps, delivery, arguments["channel"], arguments.get("thread_ts"))

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        await self._then(deps, tx, delivery, answer)


def _arguments(message: Message, delivery: Delivery) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "channel": message.channel,
        "text": message.text[:3900],
        "metadata": {"event_type": EVENT_TYPE, "event_payload": {"id": delivery.token}},
        "unfurl_links": False,
        "unfurl_media": False,
    }
    if message.blocks:
        arguments["blocks"] = message.blocks
    if message.thread:
        arguments["thread_ts"] = message.thread
    return arguments


async def find_posted(deps: Deps, delivery: Delivery, channel: str, thread: str | None) -> Found | None:
    """The message that carries this delivery's id: in the thread's replies, or in the channel's history."""
    if channel.startswith(("U", "W")):
        opened = await deps.chat.call("conversations.open", {"users": channel})
        channel = opened["channel"]["id"]
    method, arguments = _where_to_look(delivery, channel, thread)
    for _ in range(PAGES):
        page = await deps.chat.call(method, arguments)
        for message in page.get("messages", []):
            payload = (message.get("metadata") or {}).get("event_payload") or {}
            if payload.get("id") == delivery.token:
                return Found({"ok": True, "channel": channel, "ts": message["ts"]})
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return None
        arguments = {**arguments, "cursor": cursor}
    return None


def _where_to_look(delivery: Delivery, channel: str, thread: str | None) -> tuple[str, dict[str, Any]]:
    oldest = (delivery.first_sent_at or 0.0) - LOOK_BACK_SECONDS
    common = {"channel": channel, "include_all_metadata": True, "limit": 200, "oldest": f"{max(oldest, 0.0):.6f}"}
    if thread:
        return "conversations.replies", {**common, "ts": thread}
    return "conversations.history", common
