"""Subscriptions of Amazon SNS, confirmed by the worker where an operator named the topic."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bot.deps import Deps
from bot.domain.alerts import alert
from bot.domain.alerts.alert import SubscriptionChange, SubscriptionRequest
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Call, Delivery, NewDelivery, Payload, Plan
from bot.domain.people.person import BOT
from bot.intake import cloudwatch, proof
from bot.ports import Tx
from bot.queue import audit, outbox
from bot.queue.handler import DeliveryHandler
from bot.queue.inbox import InboxItem
from bot.queue.unit_of_work import begin
from bot.services.ingest import alerts, webhooks
from bot.services.messaging import operator_notices

SUBJECT = "sns"
HOOK = f"{alert.HOOK}:{cloudwatch.SOURCE}"


async def handle(deps: Deps, item: InboxItem) -> None:
    arrival = webhooks.stored(item)
    intake = await webhooks.read_beside(deps, arrival)
    for number, request in enumerate(intake.subscription_requests if arrival.signed else ()):
        await wished(deps, request, f"{item.key}:{number}")
    await alerts.take(deps, item, intake)


@dataclass(frozen=True)
class ConfirmSubscription(Payload, kind="sns.confirm", method="sns.confirm"):
    url: str
    topic: str


async def wished(deps: Deps, request: SubscriptionRequest, key: str) -> None:
    if deps.sns is None or request.subject not in deps.sns.topics:
        return
    async with begin(deps) as tx:
        if request.change is SubscriptionChange.CONFIRM_SUBSCRIPTION and confirms(request):
            confirm = ConfirmSubscription(request.url, request.subject)
            name = f"{confirm.kind}:{hashlib.sha256(request.url.encode()).hexdigest()}"
            await outbox.enqueue(deps, tx, NewDelivery(confirm, SUBJECT, dedupe_key=name))
        elif request.change is SubscriptionChange.SUBSCRIPTION_ENDED:
            text = f"Amazon SNS says that nothing more comes in from {request.subject}: its subscription has ended."
            await operator_notices.enqueue(deps, tx, deps.config.alerts_channel, text, f"sns ended:{key}")


def confirms(request: SubscriptionRequest) -> bool:
    if not proof.is_sns(request.url):
        return False
    asked = parse_qs(urlsplit(request.url).query)
    return asked.get("Action") == ["ConfirmSubscription"] and asked.get("TopicArn") == [request.subject]


class ConfirmSubscriptionHandler(DeliveryHandler[ConfirmSubscription]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[ConfirmSubscription]) -> Plan:
        return Call({})

    async def send(
        self, deps: Deps, delivery: Delivery[ConfirmSubscription], arguments: dict[str, Any]
    ) -> dict[str, Any]:
        if deps.sns is None:
            raise Undeliverable("TOCSIN_SNS_TOPICS is not set", permanent=True)
        await deps.sns.confirm(delivery.payload.url)
        return {}

    async def on_sent(
        self, deps: Deps, tx: Tx, delivery: Delivery[ConfirmSubscription], answer: dict[str, Any]
    ) -> None:
        topic = delivery.payload.topic
        await audit.record(tx, deps.clock, BOT, "sns.confirmed", SUBJECT, topic=topic)
        text = f"Alarms come in from {topic}: its subscription is confirmed."
        await operator_notices.enqueue(deps, tx, deps.config.alerts_channel, text, f"sns:{delivery.id}")
