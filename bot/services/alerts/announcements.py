"""Lines in the channel of alerts: a silence, a maintenance window, and their ends."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.outgoing.delivery import POST, Delivery, NewDelivery, Skip, Wait
from bot.ports import Tx
from bot.queue import outbox
from bot.services.messaging.slack_post import Message, Post
from bot.services.workspace import channels
from bot.views.kit.blocks import section

KIND = "alert.announcement"
RANK = 5
CHANNEL_WAIT_SECONDS = 60.0


def alerts_channel(deps: Deps, service: str | None = None) -> str:
    """Where alerts of that service are shown; without one, the installation's own."""
    known = deps.catalogue.services.get(service or "")
    return channels.key_of((known and known.alerts_channel) or deps.config.alerts_channel)


async def say(deps: Deps, tx: Tx, subject: str, channel_name: str, text: str, key: str) -> None:
    """One line in that channel, at most one ever for the key. `text` is escaped already."""
    channel = await channels.resolve(tx, channel_name)
    payload = {"channel_name": channel_name, "text": text}
    new = NewDelivery(KIND, subject, POST, payload, rate_limit=channel, rank=RANK, dedupe_key=f"{KIND}:{subject}:{key}")
    await outbox.enqueue(deps, tx, new)


async def _render(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    channel = await channels.resolve(tx, delivery.payload["channel_name"])
    if not channel:
        return Wait(CHANNEL_WAIT_SECONDS, "the channel for it cannot be used yet")
    text = str(delivery.payload["text"])
    return Message(channel, text, [section(text)])


line = Post(_render)
