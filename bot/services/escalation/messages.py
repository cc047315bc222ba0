"""Messages of a step of an escalation policy: enqueued when it comes due, dropped once somebody is on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.catalogue.service import Contact
from bot.domain.escalation.escalation import ScheduledStep
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.delivery import Call, Delivery, Movable, NewDelivery, Plan, Skip, Wait
from bot.domain.outgoing.step_target import OfStep, StepTarget
from bot.domain.people import access
from bot.ports import Tx
from bot.queue import commitments, outbox
from bot.queue.handler import DeliveryHandler
from bot.services import subjects
from bot.services.escalation import pages, status, text as escalation_text
from bot.services.escalation.pages import PageRequest
from bot.services.messaging import email, fan_out
from bot.services.messaging.email import Email, EmailHandler, Words
from bot.services.messaging.fan_out import FanOut, Meant
from bot.services.messaging.slack_post import MovablePost, Rendered, at
from bot.services.subjects import NO_CHANNEL, NOT_YET, Place
from bot.services.workspace import channels
from bot.store.escalation import escalations as store
from bot.store.escalation.escalations import Escalation
from bot.store.incidents import incidents as incidents_store
from bot.views import escalation as view

IN_STORM = Skip("the card of a storm shows it there")


@dataclass(frozen=True)
class StepMessage(OfStep, Movable, kind="escalation.post"):
    """To a channel, or to one `person` of those whom the target means."""

    step: StepTarget
    target: str
    person: str = ""


@dataclass(frozen=True)
class StepMessageToAll(OfStep, kind="escalation.recipients", method=fan_out.METHOD):
    """Each person whom `dm:` means when it is sent."""

    step: StepTarget
    target: str
    who: str


@dataclass(frozen=True, kw_only=True)
class StepEmail(Email, kind="escalation.email", method=email.METHOD):
    step: StepTarget


S = TypeVar("S", StepMessage, StepMessageToAll, StepEmail)


# --- a step comes due -------------------------------------------------------------------------------------------------


def reached(deps: Deps, escalation: Escalation, due: ScheduledStep, incident: Incident | None) -> list[tuple[int, str]]:
    """The step's targets that are told, each with its number in the step.

    A private incident reaches people alone. A contact that has only placeholders is promised nothing.
    """
    contacts = deps.catalogue.service_or_default(escalation.service).contacts
    known = [(target, contacts.get(target.partition(":")[2])) for target in due.step.notify]
    is_private = bool(incident and incident.private)
    return [
        (number, target)
        for number, (target, contact) in enumerate(known)
        if not (is_private and _is_outside(target, contact)) and _can_hear(target, contact)
    ]


def is_promised(target: str, incident: Incident | None) -> bool:
    """A drill pages nobody, and only says that it would."""
    return not (target.startswith("page:") and incident and incident.drill)


def _is_outside(target: str, contact: Contact | None) -> bool:
    return target.startswith("slack:") or (contact is not None and not target.startswith("dm:"))


def _can_hear(target: str, contact: Contact | None) -> bool:
    return contact is None or not target.startswith("email:") or bool(contact.who or contact.addresses)


async def send(deps: Deps, tx: Tx, escalation: Escalation, step: StepTarget, *, rank: int) -> None:
    target = escalation.policy.step(step.position).notify[step.number]
    kind, _, who = target.partition(":")
    if kind == "slack":
        await _send_to_channel(deps, tx, escalation, step, target, rank=rank)
    elif kind == "dm" and access.USER.fullmatch(who):
        await outbox.enqueue(deps, tx, _message(escalation.subject, step, target, who, rank))
    elif kind == "dm":
        to_all, key = StepMessageToAll(step, target, who), step.commitment
        await outbox.enqueue(deps, tx, NewDelivery(to_all, escalation.subject, rank=rank, dedupe_key=key))
    elif kind == "email":
        mail = StepEmail(to=[who], service=escalation.service, step=step)
        key = email.dedupe_key(escalation.subject, step.commitment, target)
        await outbox.enqueue(deps, tx, NewDelivery(mail, escalation.subject, rank=rank, dedupe_key=key))
    else:
        title, text = view.page(await escalation_text.words(deps, tx, escalation, step))
        by, key = escalation.begun_by, step.commitment
        request = PageRequest(escalation.subject, target, escalation.service, title, text, key, rank, by, step)
        await pages.wake(deps, tx, request)


async def _send_to_channel(
    deps: Deps, tx: Tx, escalation: Escalation, step: StepTarget, target: str, *, rank: int
) -> None:
    channel = await channels.resolve(tx, target.partition(":")[2])
    group = (await subjects.load(tx, escalation.subject)).alert
    if group and await _is_in_storm(tx, group, channel):
        await _cancel(deps, tx, escalation.subject, step)
        return
    new = _message(escalation.subject, step, target, "", rank)
    await outbox.enqueue(deps, tx, replace(new, rate_limit=channel))


async def _is_in_storm(tx: Tx, group: AlertGroup, channel: str | None) -> bool:
    """A line for each of its alerts would bury the channel."""
    return bool(group.storm and not group.ts and channel and await channels.resolve(tx, group.channel_name) == channel)


def _message(subject: str, step: StepTarget, target: str, person: str, rank: int) -> NewDelivery:
    message, key = StepMessage(step, target, person), f"{step.commitment}:{person}"
    return NewDelivery(message, subject, rank=rank, dedupe_key=key)


async def _cancel(deps: Deps, tx: Tx, subject: str, step: StepTarget) -> None:
    await commitments.cancel(tx, subject=subject, kind=step.commitment, at=deps.clock.now())


# --- it is sent -------------------------------------------------------------------------------------------------------


class _StepHandler(DeliveryHandler[S]):
    async def still_wanted(self, deps: Deps, tx: Tx, delivery: Delivery[S]) -> str | None:
        return await status.stopped(deps, tx, delivery.payload.step.escalation, delivery.payload.step.position)


class StepMessageHandler(_StepHandler[StepMessage], MovablePost[StepMessage]):
    """Says nothing for a group that a storm has taken: the storm's card shows it."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[StepMessage]) -> Plan:
        plan = await super().prepare(deps, tx, delivery)
        return Call({}) if plan is IN_STORM else plan

    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[StepMessage]) -> Rendered:
        escalation = await store.get(tx, delivery.payload.step.escalation)
        place = await _place(tx, escalation, delivery.payload)
        if not isinstance(place, tuple):
            return place
        return at(place, view.message(await escalation_text.words(deps, tx, escalation, delivery.payload.step)))

    async def send(self, deps: Deps, delivery: Delivery[StepMessage], arguments: dict[str, Any]) -> dict[str, Any]:
        return await super().send(deps, delivery, arguments) if arguments else {}

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[StepMessage], answer: dict[str, Any]) -> None:
        settle = status.meet if "ts" in answer else _cancel
        await settle(deps, tx, delivery.subject, delivery.payload.step)


async def _place(tx: Tx, escalation: Escalation, message: StepMessage) -> Place | Skip | Wait:
    if message.person:
        return message.person, None
    channel = await channels.resolve(tx, message.target.partition(":")[2])
    if not channel:
        return NO_CHANNEL
    subject = await subjects.load(tx, escalation.subject)
    group, incident = subject.alert, subject.incident
    if group and await _is_in_storm(tx, group, channel):
        return IN_STORM
    if group and group.has_card and await channels.resolve(tx, group.channel_name) == channel:
        return (channel, group.ts) if group.ts else NOT_YET
    return channel, incident.slack.announce_ts if incident and incident.slack.announce_channel == channel else None


class StepMessageToAllHandler(_StepHandler[StepMessageToAll], FanOut[StepMessageToAll]):
    async def meant(self, deps: Deps, tx: Tx, delivery: Delivery[StepMessageToAll]) -> Meant:
        escalation, who = await store.get(tx, delivery.payload.step.escalation), delivery.payload.who
        incident = (await subjects.load(tx, escalation.subject)).incident
        contact = deps.catalogue.service_or_default(escalation.service).contacts.get(who)
        roles = await incidents_store.roles_of(tx, incident.id) if incident else {}
        return Meant(contact.who if contact else [who], roles, escalation.service)

    def each(self, delivery: Delivery[StepMessageToAll], person: str) -> NewDelivery:
        return _message(delivery.subject, delivery.payload.step, delivery.payload.target, person, delivery.rank)


class StepEmailHandler(_StepHandler[StepEmail], EmailHandler[StepEmail]):
    async def words(
        self, deps: Deps, tx: Tx, delivery: Delivery[StepEmail], incident: Incident | None
    ) -> Words | Skip | Wait:
        step = delivery.payload.step
        return view.mail(await escalation_text.words(deps, tx, await store.get(tx, step.escalation), step))

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[StepEmail], answer: dict[str, Any]) -> None:
        await super().on_sent(deps, tx, delivery, answer)
        await status.meet(deps, tx, delivery.subject, delivery.payload.step)
