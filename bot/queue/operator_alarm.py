"""Alarms about ourselves: a sentence for a person, through the second channel, by way of the outbox."""

from __future__ import annotations

from typing import Any

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Call, Delivery, Found, Plan, Skip, Wait
from bot.ports import Tx
from bot.queue import outbox
from bot.queue.outbox import NewDelivery

KIND = "operator_alarm"


async def raise_later(deps: Deps, tx: Tx, *, subject: str, sentence: str, key: str) -> None:
    """Say it after the commit, once for each `key`, retried until it was said."""
    await outbox.enqueue(
        deps,
        tx,
        NewDelivery(
            kind=KIND,
            subject=subject,
            method=KIND,
            payload={"sentence": sentence},
            rank=0,
            dedupe_key=f"{KIND}:{key}",
        ),
    )


class AlarmHandler:
    """A `DeliveryHandler` that speaks through `deps.alarm`. One said twice is better than one not said."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        return Call(arguments=delivery.payload)

    async def send(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        await deps.alarm.raise_alarm(str(arguments["sentence"]))
        return {}

    async def find_sent(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any]) -> Found | None:
        return None

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        return None

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        return None
