"""Alarms about ourselves: a sentence for a person, through the second channel, by way of the outbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.deps import Deps
from bot.domain.outgoing.delivery import Call, Delivery, NewDelivery, Payload, Plan
from bot.ports import Tx
from bot.queue import outbox
from bot.queue.handler import DeliveryHandler


@dataclass(frozen=True)
class OperatorAlarm(Payload, kind="operator_alarm", method="operator_alarm"):
    sentence: str


async def raise_later(deps: Deps, tx: Tx, *, subject: str, sentence: str, key: str) -> None:
    """Say it after the commit, once for each `key`, retried until it was said."""
    new = NewDelivery(OperatorAlarm(sentence), subject, rank=0, dedupe_key=f"{OperatorAlarm.kind}:{key}")
    await outbox.enqueue(deps, tx, new)


class OperatorAlarmHandler(DeliveryHandler[OperatorAlarm]):
    """One said twice is better than one not said."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[OperatorAlarm]) -> Plan:
        return Call({})

    async def send(self, deps: Deps, delivery: Delivery[OperatorAlarm], arguments: dict[str, Any]) -> dict[str, Any]:
        await deps.alarm.raise_alarm(delivery.payload.sentence)
        return {}
