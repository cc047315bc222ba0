"""Whom a step of an escalation policy tells, as deliveries: written when the step comes due, worded when each is
sent.
"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.catalogue.service import Contact
from bot.domain.escalation.escalation import ScheduledStep
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.delivery import POST, NewDelivery
from bot.domain.people import access
from bot.ports import Tx
from bot.queue import commitments, outbox
from bot.services import subjects
from bot.services.escalation import pages, status
from bot.services.escalation import text as escalation_text
from bot.services.messaging import email
from bot.services.workspace import channels
from bot.store.escalation.escalations import Escalation

POSTED = "escalation.post"
WHO = "escalation.recipients"


def reached(deps: Deps, escalation: Escalation, due: ScheduledStep, incident: Incident | None) -> list[tuple[int, str]]:
    """Those of a step's targets that it tells, each with its number in the step.

    Of a private incident only people hear. Where a contact has but placeholders to write to, nothing is promised.
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
    """A drill pages nobody; that it would have is said."""
    return not (target.startswith("page:") and incident and incident.drill)


def _is_outside(target: str, contact: Contact | None) -> bool:
    return target.startswith("slack:") or (contact is not None and not target.startswith("dm:"))


def _can_hear(target: str, contact: Contact | None) -> bool:
    return contact is None or not target.startswith("email:") or bool(contact.who or contact.addresses)


async def send(
    deps: Deps, tx: Tx, escalation: Escalation, due: ScheduledStep, number: int, target: str, *, rank: int
) -> None:
    """One target of a step."""
    kind, _, who = target.partition(":")
    if kind == "slack":
        channel = await channels.resolve(tx, who)
        group = (await subjects.load(tx, escalation.subject)).alert
        if group and await is_in_storm(tx, group, channel):
            kind_of = status.commitment_of(escalation.id, due.position, number)
            await commitments.cancel(tx, subject=escalation.subject, kind=kind_of, at=deps.clock.now())
            return
        await outbox.enqueue(deps, tx, post(escalation, due.position, number, target, rank=rank, rate_limit=channel))
    elif kind == "dm":
        await _direct_messages(deps, tx, escalation, due, number, who, rank=rank)
    elif kind == "email":
        title, text = await escalation_text.mail(deps, tx, escalation, due.position, target)
        await email.write(
            deps,
            tx,
            escalation.subject,
            target,
            title=title,
            text=text,
            service=escalation.service,
            key=status.commitment_of(escalation.id, due.position, number),
            rank=rank,
            escalation_id=escalation.id,
            position=due.position,
        )
    else:
        title, text = await escalation_text.page(deps, tx, escalation, due.position, target)
        await pages.wake(
            deps,
            tx,
            subject=escalation.subject,
            target=target,
            service=escalation.service,
            title=title,
            text=text,
            key=status.commitment_of(escalation.id, due.position, number),
            rank=rank,
            by=escalation.begun_by,
            escalation_id=escalation.id,
            position=due.position,
        )


async def is_in_storm(tx: Tx, group: AlertGroup, channel: str | None) -> bool:
    """Where the card of a storm shows it, a line for each of its alerts would bury the channel."""
    return bool(group.storm and not group.ts and channel and await channels.resolve(tx, group.channel_name) == channel)


def post(
    escalation: Escalation,
    position: int,
    number: int,
    target: str,
    *,
    rank: int,
    rate_limit: str | None = None,
    person: str = "",
) -> NewDelivery:
    """A message to a channel, or to one of those whom the target means."""
    payload = {"escalation": escalation.id, "position": position, "number": number, "target": target, "person": person}
    key = f"{status.commitment_of(escalation.id, position, number)}:{person}"
    return NewDelivery(POSTED, escalation.subject, POST, payload, rate_limit=rate_limit, rank=rank, dedupe_key=key)


async def _direct_messages(
    deps: Deps, tx: Tx, escalation: Escalation, due: ScheduledStep, number: int, who: str, *, rank: int
) -> None:
    target = due.step.notify[number]
    if access.USER.fullmatch(who):
        new = post(escalation, due.position, number, target, rank=rank, person=who)
    else:
        payload = {
            "escalation": escalation.id,
            "position": due.position,
            "number": number,
            "target": target,
            "who": who,
        }
        key = status.commitment_of(escalation.id, due.position, number)
        new = NewDelivery(WHO, escalation.subject, "users.info", payload, rank=rank, dedupe_key=key)
    await outbox.enqueue(deps, tx, new)
