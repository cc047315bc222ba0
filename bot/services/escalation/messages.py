"""Delivery handlers of escalation policies: messages to channels and people, worded when sent, and never after somebody
is on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import POST, Call, Delivery, Found, NewDelivery, Plan, Skip, Wait
from bot.domain.outgoing.mail import Mail, Sent
from bot.ports import Mailer, Tx
from bot.queue import commitments, outbox
from bot.queue.handler import DeliveryHandler
from bot.services import subjects
from bot.services.escalation import deliveries as escalation_deliveries
from bot.services.escalation import status
from bot.services.escalation import text as escalation_text
from bot.services.messaging.slack_errors import THREAD_GONE
from bot.services.messaging.slack_post import Message, Plain, Post
from bot.services.workspace import channels, recipients
from bot.store.escalation import escalations as store
from bot.store.escalation.escalations import Escalation
from bot.store.incidents import incidents as incidents_store
from bot.views.kit.blocks import section

SOON_SECONDS = 1.0
CHANNEL_WAIT_SECONDS = 60.0
NOT_YET = "its card is on its way"
IN_STORM = Skip("the card of a storm shows it there")


async def _escalation_of(tx: Tx, delivery: Delivery) -> Escalation:
    return await store.get(tx, int(delivery.payload["escalation"]))


class Unwanted(Undeliverable):
    """Somebody was quicker: it does not leave."""


async def _still_wanted(deps: Deps, delivery: Delivery) -> None:
    """Asked once more when whoever is meant has been found, and nothing but the sending is left. Raises Unwanted."""
    async with deps.database.reading() as tx:
        why = await status.stopped(deps, tx, delivery.payload["escalation"], delivery.payload["position"])
    if why:
        raise Unwanted(why, permanent=True)


@dataclass(frozen=True)
class _Asking:
    """A mailer that asks before it sends."""

    inner: Mailer
    deps: Deps
    delivery: Delivery

    async def send(self, mail: Mail) -> Sent:
        await _still_wanted(self.deps, self.delivery)
        return await self.inner.send(mail)


async def keep(deps: Deps, tx: Tx, escalation: Escalation, position: int, number: int) -> None:
    """This target of the step was really reached."""
    kind = status.commitment_of(escalation.id, position, number)
    await commitments.meet(tx, subject=escalation.subject, kind=kind, at=deps.clock.now())


# --- in Slack ---------------------------------------------------------------------------------------------------------


async def _posted(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    payload = delivery.payload
    why = await status.stopped(deps, tx, payload["escalation"], payload["position"])
    if why:
        return Skip(why)
    escalation = await _escalation_of(tx, delivery)
    place = await _place(tx, escalation, payload)
    if not isinstance(place, tuple):
        return place
    text = await escalation_text.message(deps, tx, escalation, payload["position"], payload["target"])
    return Message(place[0], text, [section(text)], None if payload.get("loose") else place[1])


async def _place(tx: Tx, escalation: Escalation, payload: dict[str, Any]) -> tuple[str, str | None] | Skip | Wait:
    """A person; or the channel, in the thread of the card where that stands there."""
    if payload["person"]:
        return payload["person"], None
    channel = await channels.resolve(tx, payload["target"].partition(":")[2])
    if not channel:
        return Wait(CHANNEL_WAIT_SECONDS, "that channel cannot be used yet")
    subject = await subjects.load(tx, escalation.subject)
    group, incident = subject.alert, subject.incident
    if group and await escalation_deliveries.is_in_storm(tx, group, channel):
        return IN_STORM
    if group and group.has_card and await channels.resolve(tx, group.channel_name) == channel:
        return (channel, group.ts) if group.ts else Wait(SOON_SECONDS, NOT_YET)
    if incident and incident.slack.announce_channel == channel:
        return channel, incident.slack.announce_ts
    return channel, None


async def _was_posted(deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
    escalation, position, number = (
        await _escalation_of(tx, delivery),
        delivery.payload["position"],
        delivery.payload["number"],
    )
    if "ts" in answer:
        await keep(deps, tx, escalation, position, number)
    else:
        kind = status.commitment_of(escalation.id, position, number)
        await commitments.cancel(tx, subject=escalation.subject, kind=kind, at=deps.clock.now())


class EscalationPost(Post):
    """Where the card is gone, and its thread with it, the message stands in the channel. What became part of a storm
    meanwhile is shown in the card of that, and nothing is said.
    """

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        plan = await super().prepare(deps, tx, delivery)
        return Call({}) if plan is IN_STORM else plan

    async def send(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        if not arguments:
            return {}
        await _still_wanted(deps, delivery)
        return await super().send(deps, delivery, arguments, method)

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        if isinstance(problem, Unwanted):
            return Skip(problem.error)
        if problem.error not in THREAD_GONE or delivery.payload.get("loose"):
            return await super().on_refused(deps, tx, delivery, problem)
        payload = {**delivery.payload, "loose": True}
        new = NewDelivery(delivery.kind, delivery.subject, POST, payload, rank=delivery.rank)
        await outbox.enqueue(deps, tx, replace(new, dedupe_key=f"{delivery.kind}:loose:{delivery.id}"))
        return Skip(f"{problem.error}: said outside of the thread")


class EscalationRecipients(Plain):
    """Whom `dm:` means at this moment: each of them gets a direct message."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        why = await status.stopped(deps, tx, delivery.payload["escalation"], delivery.payload["position"])
        if why:
            return Skip(why)
        escalation = await _escalation_of(tx, delivery)
        incident = (await subjects.load(tx, escalation.subject)).incident
        contact = deps.catalogue.service_or_default(escalation.service).contacts.get(delivery.payload["who"])
        who = list(contact.who) if contact else [delivery.payload["who"]]
        roles = await incidents_store.roles_of(tx, incident.id) if incident else {}
        return Call({"who": who, "roles": roles, "service": escalation.service})

    async def send(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        found = await recipients.expand(deps, arguments["who"], arguments["roles"], service=arguments["service"])
        return {"people": found}

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        escalation, payload = await _escalation_of(tx, delivery), delivery.payload
        for person in answer["people"]:
            new = escalation_deliveries.post(
                escalation, payload["position"], payload["number"], payload["target"], rank=delivery.rank, person=person
            )
            await outbox.enqueue(deps, tx, new)


# --- by mail and pager ------------------------------------------------------------------------------------------------


class ForEscalation:
    """The handler of another kind that an escalation policy may send on its way, by `escalation` and `position` in its
    payload.

    It does not leave once somebody is on it; it is worded when it does; and when it has left, the commitment is met.
    """

    def __init__(self, inner: DeliveryHandler) -> None:
        self._inner = inner

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        escalation_id, position = delivery.payload.get("escalation"), delivery.payload.get("position")
        if escalation_id is None or position is None:
            return await self._inner.prepare(deps, tx, delivery)
        why = await status.stopped(deps, tx, escalation_id, position)
        if why:
            return Skip(why)
        escalation = await _escalation_of(tx, delivery)
        target = _target(escalation, delivery)
        words = escalation_text.page if target.startswith("page:") else escalation_text.mail
        title, text = await words(deps, tx, escalation, position, target)
        worded = {**delivery.payload, "title": title, "text": text}
        return await self._inner.prepare(deps, tx, replace(delivery, payload=worded))

    async def send(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        if deps.mailer and delivery.payload.get("escalation") is not None:
            deps = replace(deps, mailer=_Asking(deps.mailer, deps, delivery))
        return await self._inner.send(deps, delivery, arguments, method)

    async def find_sent(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any]) -> Found | None:
        return await self._inner.find_sent(deps, delivery, arguments)

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        await self._inner.on_sent(deps, tx, delivery, answer)
        escalation_id, position = delivery.payload.get("escalation"), delivery.payload.get("position")
        if escalation_id is not None and position is not None:
            escalation = await _escalation_of(tx, delivery)
            for number in _numbers(escalation, delivery):
                await keep(deps, tx, escalation, position, number)

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        if isinstance(problem, Unwanted):
            return Skip(problem.error)
        return await self._inner.on_refused(deps, tx, delivery, problem)


def _target(escalation: Escalation, delivery: Delivery) -> str:
    """As it stands in the step."""
    number = next(iter(_numbers(escalation, delivery)), None)
    return "" if number is None else escalation.policy.step(delivery.payload["position"]).notify[number]


def _numbers(escalation: Escalation, delivery: Delivery) -> list[int]:
    """Which of the step's targets it reaches; none where it is for those whom an earlier one did not."""
    targets = list(escalation.policy.step(int(delivery.payload["position"])).notify)
    to = delivery.payload.get("to")
    named = {f"{delivery.kind}:{one}" for one in (to if isinstance(to, list) else [to])}
    return [number for number, target in enumerate(targets) if target in named]


post = EscalationPost(_posted, _was_posted)
who = EscalationRecipients()
