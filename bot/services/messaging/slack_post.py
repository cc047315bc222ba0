"""Delivery handlers of messages: posted once, found again by their metadata after a lost answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Call, Delivery, Fate, Found, Movable, NewDelivery, P, Plan, Skip, Wait
from bot.interactions import Block
from bot.ports import Tx
from bot.queue import outbox
from bot.queue.handler import DeliveryHandler
from bot.services.messaging.slack_errors import CHANNEL_GONE, MESSAGE_GONE, THREAD_GONE
from bot.services.subjects import NOT_YET, Place
from bot.store.queue import deliveries as deliveries_store
from bot.views.kit.blocks import section

EVENT_TYPE = "tocsin_delivery"
CHANNEL_RETRY_SECONDS = 60.0
LOOK_BACK_SECONDS = 600.0  # Slack's clock and ours may differ
PAGES = 5

M = TypeVar("M", bound=Movable)


@dataclass(frozen=True)
class Message:
    """`text` is the plain-text fallback."""

    channel: str
    text: str
    blocks: list[Block] = field(default_factory=list)
    thread: str | None = None


Rendered = Message | Skip | Wait


def at(place: Place | Skip | Wait, text: str, blocks: list[Block] | None = None) -> Rendered:
    if not isinstance(place, tuple):
        return place
    return Message(place[0], text, [section(text)] if blocks is None else blocks, place[1])


def edited(channel: str, ts: str, text: str, blocks: list[Block]) -> Call:
    return Call({"channel": channel, "ts": ts, "text": text, "blocks": blocks})


async def not_posted(tx: Tx, key: str) -> Skip | Wait:
    """What becomes of an edit while the post with this dedupe key has no message: one that still waits to be sent is
    rendered after this moment, and tells the same.
    """
    match await deliveries_store.answer_to(tx, key):
        case ("ready", _):
            return Skip("the message is yet to be posted, and will say so")
        case ("failed", _):
            return Skip("Slack refused the message")
        case _:
            return NOT_YET


class SlackCall(DeliveryHandler[P]):
    """One call of the Web API. While its channel is gone, the delivery waits."""

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[P], problem: Undeliverable) -> Fate:
        return Wait(CHANNEL_RETRY_SECONDS, problem.error) if problem.error in CHANNEL_GONE else None


class Edit(SlackCall[P]):
    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[P], problem: Undeliverable) -> Fate:
        if problem.error in MESSAGE_GONE:
            return Skip(f"{problem.error}: there is no message to edit")
        return await super().on_refused(deps, tx, delivery, problem)


class Post(SlackCall[P]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[P]) -> Rendered:
        raise NotImplementedError

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[P]) -> Plan:
        message = await self.render(deps, tx, delivery)
        return Call(_arguments(message, delivery), message.channel) if isinstance(message, Message) else message

    async def find_sent(self, deps: Deps, delivery: Delivery[P], arguments: dict[str, Any]) -> Found | None:
        return await find_posted(deps, delivery, arguments["channel"], arguments.get("thread_ts"))


class MovablePost(Post[M]):
    """A message that is said `elsewhere` where Slack does not take it in its first place: outside the thread that
    `render` names, unless a subclass has another place.
    """

    instead: ClassVar[str] = "said outside of the thread"
    keeps_thread: ClassVar[bool] = False  # of the second place

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[M]) -> Plan:
        plan = await super().prepare(deps, tx, delivery)
        if isinstance(plan, Call) and delivery.payload.elsewhere and not self.keeps_thread:
            plan.arguments.pop("thread_ts", None)
        return plan

    async def is_lost(self, tx: Tx, delivery: Delivery[M], problem: Undeliverable) -> bool:
        return problem.error in THREAD_GONE

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[M], problem: Undeliverable) -> Fate:
        if delivery.payload.elsewhere or not await self.is_lost(tx, delivery, problem):
            return await super().on_refused(deps, tx, delivery, problem)
        moved, key = replace(delivery.payload, elsewhere=True), f"{delivery.kind}:elsewhere:{delivery.id}"
        await outbox.enqueue(deps, tx, NewDelivery(moved, delivery.subject, rank=delivery.rank, dedupe_key=key))
        return Skip(f"{problem.error}: {self.instead}")


def _arguments(message: Message, delivery: Delivery[Any]) -> dict[str, Any]:
    where_given = {"blocks": message.blocks, "thread_ts": message.thread}
    return {
        "channel": message.channel,
        "text": message.text[:3900],
        "metadata": {"event_type": EVENT_TYPE, "event_payload": {"id": delivery.token}},
        "unfurl_links": False,
        "unfurl_media": False,
        **{name: value for name, value in where_given.items() if value},
    }


async def find_posted(deps: Deps, delivery: Delivery[Any], channel: str, thread: str | None) -> Found | None:
    if channel.startswith(("U", "W")):
        channel = (await deps.chat.call("conversations.open", {"users": channel}))["channel"]["id"]
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


def _where_to_look(delivery: Delivery[Any], channel: str, thread: str | None) -> tuple[str, dict[str, Any]]:
    oldest = (delivery.first_sent_at or 0.0) - LOOK_BACK_SECONDS
    common = {"channel": channel, "include_all_metadata": True, "limit": 200, "oldest": f"{max(oldest, 0.0):.6f}"}
    if thread:
        return "conversations.replies", {**common, "ts": thread}
    return "conversations.history", common
