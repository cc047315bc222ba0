"""Lines in the alerts channel: a silence, a maintenance window, and their ends."""

from __future__ import annotations

from dataclasses import dataclass

from bot.deps import Deps
from bot.domain.outgoing.delivery import Delivery, NewDelivery, Payload
from bot.ports import Tx
from bot.queue import outbox
from bot.services import subjects
from bot.services.messaging.slack_post import Post, Rendered, at
from bot.services.workspace import channels

RANK = 5


@dataclass(frozen=True)
class ChannelLine(Payload, kind="alert.announcement"):
    """`text` is escaped already."""

    channel_name: str
    text: str


def alerts_channel(deps: Deps, service: str | None = None) -> str:
    known = deps.catalogue.services.get(service or "")
    return channels.key_of((known and known.alerts_channel) or deps.config.alerts_channel)


async def say(deps: Deps, tx: Tx, subject: str, channel_name: str, text: str, key: str) -> None:
    """At most one line ever for the key. `text` is escaped already."""
    channel, key = await channels.resolve(tx, channel_name), f"{ChannelLine.kind}:{subject}:{key}"
    line = ChannelLine(channel_name, text)
    await outbox.enqueue(deps, tx, NewDelivery(line, subject, rate_limit=channel, rank=RANK, dedupe_key=key))


class ChannelLineHandler(Post[ChannelLine]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[ChannelLine]) -> Rendered:
        return at(await subjects.channel_named(tx, delivery.payload.channel_name), delivery.payload.text)
