"""Answers that no acknowledgement can carry: to mentions, to forms, and where Slack was too slow. Said exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Call, Delivery, Fate, Found, NewDelivery, Payload, Plan, Skip
from bot.interactions import Block, Reply, Where
from bot.ports import Tx
from bot.queue import outbox
from bot.queue.handler import DeliveryHandler
from bot.services.messaging.slack_post import Message, Post, Rendered

RANK = 0  # somebody is waiting for it
TEXT_LIMIT = 3_900


@dataclass(frozen=True)
class Answer(Payload):
    channel: str
    thread: str | None
    text: str
    blocks: list[Block]


@dataclass(frozen=True)
class PublicAnswer(Answer, kind="reply"):
    """For everybody in the channel."""


@dataclass(frozen=True)
class EphemeralAnswer(Answer, kind="reply.ephemeral", method="chat.postEphemeral"):
    """For the person who asked alone."""


A = TypeVar("A", PublicAnswer, EphemeralAnswer)


async def send(deps: Deps, reply: Reply, *, to: str, where: Where, key: str) -> None:
    """Enqueues the answer, once for each `key`.

    `to` is the person who asked. Public answers are posted in the place, others are seen by that person only; without a
    place both are a direct message.
    """
    kind = EphemeralAnswer if where.channel and not reply.public else PublicAnswer
    answer = kind(where.channel or to, where.thread, reply.text[:TEXT_LIMIT], reply.blocks)
    async with deps.database.transaction() as tx:
        await outbox.enqueue(deps, tx, _new_delivery(answer, to, key))
    deps.wakeups.wake()


def _new_delivery(answer: Answer, to: str, key: str) -> NewDelivery:
    rate_limit = answer.channel if isinstance(answer, PublicAnswer) else None
    return NewDelivery(answer, to, rate_limit=rate_limit, rank=RANK, dedupe_key=f"{PublicAnswer.kind}:{key}")


class _AnswerHandler(DeliveryHandler[A]):
    """Says the answer in a direct message where Slack refuses it in its place, for any reason."""

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[A], problem: Undeliverable) -> Fate:
        answer = delivery.payload
        if not problem.permanent or answer.channel == delivery.subject:
            return None
        blocks = [] if "blocks" in problem.error else answer.blocks  # those would be refused there too
        direct = PublicAnswer(delivery.subject, None, answer.text, blocks)
        await outbox.enqueue(deps, tx, _new_delivery(direct, delivery.subject, f"direct:{delivery.id}"))
        return Skip(f"{problem.error}: said in a direct message instead")


class PublicAnswerHandler(_AnswerHandler[PublicAnswer], Post[PublicAnswer]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[PublicAnswer]) -> Rendered:
        answer = delivery.payload
        return Message(answer.channel, answer.text, answer.blocks, answer.thread)


class EphemeralAnswerHandler(_AnswerHandler[EphemeralAnswer]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[EphemeralAnswer]) -> Plan:
        answer = delivery.payload
        shown = {"text": answer.text, "blocks": answer.blocks, "thread_ts": answer.thread}
        given = {name: value for name, value in shown.items() if value}
        return Call({"channel": answer.channel, "user": delivery.subject, **given})

    async def find_sent(
        self, deps: Deps, delivery: Delivery[EphemeralAnswer], arguments: dict[str, Any]
    ) -> Found | None:
        """Slack lists no ephemeral messages, and an answer seen twice is worse than one not seen."""
        return Found({"ok": True})
