"""Amazon SNS asks whether we want a topic: yes, where an operator named it. Said by the worker, never by a request."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bot.deps import Deps
from bot.domain.alerts.alert import Control, Wish
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Call, Delivery, Parcel, Plan
from bot.domain.people.person import BOT
from bot.intake import proof
from bot.ports import Tx
from bot.queue import audit, outbox
from bot.queue.unit_of_work import begin
from bot.services.messaging import operator_notices
from bot.services.messaging.slack_post import Plain

KIND = "sns.confirm"
SUBJECT = "sns"


async def wished(deps: Deps, control: Control, key: str) -> None:
    """Once for each message, however often it is worked. A topic that nobody named is left alone."""
    if deps.sns is None or control.subject not in deps.sns.topics:
        return
    async with begin(deps) as tx:
        if control.wish is Wish.CONFIRM_SUBSCRIPTION and confirms(control):
            name = hashlib.sha256(control.url.encode()).hexdigest()
            payload = {"url": control.url, "topic": control.subject}
            await outbox.enqueue(deps, tx, Parcel(KIND, SUBJECT, KIND, payload, dedupe_key=f"{KIND}:{name}"))
        elif control.wish is Wish.SUBSCRIPTION_ENDED:
            text = f"Amazon SNS says that nothing comes in any more from {control.subject}: its subscription has ended."
            await operator_notices.enqueue(deps, tx, deps.config.alerts_channel, text, f"sns ended:{key}")


def confirms(control: Control) -> bool:
    """Whether following it says yes to this topic, and does nothing else."""
    if not proof.is_sns(control.url):
        return False
    asked = parse_qs(urlsplit(control.url).query)
    return asked.get("Action") == ["ConfirmSubscription"] and asked.get("TopicArn") == [control.subject]


class ConfirmErrand(Plain):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        return Call(delivery.payload)

    async def act(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        if deps.sns is None:
            raise Undeliverable("TOCSIN_SNS_TOPICS is not set", permanent=True)
        await deps.sns.confirm(str(arguments["url"]))
        return {}

    async def settle(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        topic = str(delivery.payload["topic"])
        await audit.record(tx, deps.clock, BOT, "sns.confirmed", SUBJECT, topic=topic)
        text = f"Alarms come in from {topic}: its subscription is confirmed."
        await operator_notices.enqueue(deps, tx, deps.config.alerts_channel, text, f"sns:{delivery.id}")
