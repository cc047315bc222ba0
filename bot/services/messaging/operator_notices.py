"""Sentences for operators in a channel of theirs: said once for each key, when the channel can be used."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.outgoing.delivery import Delivery, NewDelivery, Skip, Wait
from bot.ports import Tx
from bot.queue import outbox
from bot.services.messaging.slack_post import Message, Post
from bot.services.workspace import channels
from bot.views.kit.blocks import section
from bot.views.kit.mrkdwn import escape

KIND = "operator_notice"
CHANNEL_WAIT_SECONDS = 60.0


async def say(deps: Deps, channel_name: str, text: str, key: str) -> None:
    """`channel_name` is a channel as an operator wrote it."""
    async with deps.database.transaction() as tx:
        await enqueue(deps, tx, channel_name, text, key)
    deps.wakeups.wake()


async def enqueue(deps: Deps, tx: Tx, channel_name: str, text: str, key: str) -> None:
    """The same, beside the fact."""
    payload = {"channel_name": channel_name, "text": text[:2900]}
    new = NewDelivery(KIND, KIND, "chat.postMessage", payload, dedupe_key=f"{KIND}:{key}"[:255])
    await outbox.enqueue(deps, tx, new)


async def _render(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    channel = await channels.resolve(tx, delivery.payload["channel_name"])
    if not channel:
        return Wait(CHANNEL_WAIT_SECONDS, "that channel cannot be used yet")
    text = escape(str(delivery.payload["text"]))
    return Message(channel, text, [section(text)])


notice = Post(_render)
