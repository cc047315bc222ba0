"""Sentences for operators in a channel of theirs: once for each key, as soon as the channel can be used."""

from __future__ import annotations

from dataclasses import dataclass

from bot.deps import Deps
from bot.domain.outgoing.delivery import Delivery, NewDelivery, Payload
from bot.ports import Tx
from bot.queue import outbox
from bot.services import subjects
from bot.services.messaging.slack_post import Post, Rendered, at
from bot.views.kit.mrkdwn import escape


@dataclass(frozen=True)
class OperatorNotice(Payload, kind="operator_notice"):
    """`channel_name` as an operator wrote it."""

    channel_name: str
    text: str


async def say(deps: Deps, channel_name: str, text: str, key: str) -> None:
    async with deps.database.transaction() as tx:
        await enqueue(deps, tx, channel_name, text, key)
    deps.wakeups.wake()


async def enqueue(deps: Deps, tx: Tx, channel_name: str, text: str, key: str) -> None:
    notice = OperatorNotice(channel_name, text[:2900])
    await outbox.enqueue(deps, tx, NewDelivery(notice, notice.kind, dedupe_key=key_of(key)))


def key_of(key: str) -> str:
    return f"{OperatorNotice.kind}:{key}"[:255]


class OperatorNoticeHandler(Post[OperatorNotice]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[OperatorNotice]) -> Rendered:
        return at(await subjects.channel_named(tx, delivery.payload.channel_name), escape(delivery.payload.text))
