"""Answers that no acknowledgement can carry: to mentions, to forms, and where Slack was too slow. Said exactly once."""

from __future__ import annotations

from typing import Any

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Call, Delivery, Found, NewDelivery, Plan, Skip, Wait
from bot.interactions import Reply, Where
from bot.ports import Tx
from bot.queue import outbox
from bot.services.messaging.slack_post import EVENT_TYPE, Plain, find_posted

KIND = "reply"
RANK = 0  # somebody is waiting for it
TEXT_LIMIT = 3_900

POST = "chat.postMessage"
EPHEMERAL = "chat.postEphemeral"


async def send(deps: Deps, reply: Reply, *, to: str, where: Where, key: str) -> None:
    """Write the answer down; the worker says it. The same `key` is said once, however often this is called.

    `to` is the person who asked. Public answers are posted in the place, others are seen by that person only; without
    a place both are a direct message.
    """
    async with deps.database.transaction() as tx:
        await outbox.enqueue(deps, tx, _new_delivery(reply, to, where, key))
    deps.wakeups.wake()


def _new_delivery(reply: Reply, to: str, where: Where, key: str) -> NewDelivery:
    is_ephemeral = bool(where.channel) and not reply.public
    channel = where.channel or to
    return NewDelivery(
        kind=KIND,
        subject=to,
        method=EPHEMERAL if is_ephemeral else POST,
        payload={
            "channel": channel,
            "user": to if is_ephemeral else None,
            "thread_ts": where.thread,
            "text": reply.text[:TEXT_LIMIT],
            "blocks": reply.blocks,
        },
        rate_limit=None if is_ephemeral else channel,
        rank=RANK,
        dedupe_key=f"{KIND}:{key}",
    )


class Saying(Plain):
    """The delivery handler of a reply."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        arguments = {name: value for name, value in delivery.payload.items() if value}
        if delivery.method == POST:
            marked = {"event_type": EVENT_TYPE, "event_payload": {"id": delivery.token}}
            arguments |= {"metadata": marked, "unfurl_links": False, "unfurl_media": False}
        return Call(arguments)

    async def find_sent(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any]) -> Found | None:
        if delivery.method == EPHEMERAL:
            return Found(
                {"ok": True}
            )  # nobody can look for an ephemeral message, and hearing it twice is worse than not at all
        return await find_posted(deps, delivery, arguments["channel"], arguments.get("thread_ts"))

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        """Where it cannot be said in its place, whatever the reason, it is said in a direct message."""
        if not problem.permanent or delivery.payload["channel"] == delivery.subject:
            return None
        blocks = [] if "blocks" in problem.error else delivery.payload["blocks"]  # those would be refused there too
        direct = Reply(delivery.payload["text"], blocks=blocks)
        await outbox.enqueue(deps, tx, _new_delivery(direct, delivery.subject, Where(), f"direct:{delivery.id}"))
        return Skip(f"{problem.error}: said in a direct message instead")
