"""Whom a step of a ladder tells, as parcels: written when the step comes due, worded when each is sent."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.catalogue.service import Contact
from bot.domain.escalation.escalation import Due
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.delivery import POST, Parcel
from bot.domain.people import access
from bot.ports import Tx
from bot.queue import commitments, outbox
from bot.services.escalation import pages, status
from bot.services.escalation import text as escalation_text
from bot.services.messaging import email
from bot.services.workspace import channels
from bot.store.escalation.escalations import Way

POSTED = "ladder.post"
WHO = "ladder.who"


def reached(deps: Deps, way: Way, due: Due, incident: Incident | None) -> list[tuple[int, str]]:
    """Those of a step's targets that it tells, each with its number in the step.

    Of a private incident only people hear. Where a contact has but placeholders to write to, nothing is promised.
    """
    contacts = deps.catalogue.service_or_default(way.service).contacts
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


async def send(deps: Deps, tx: Tx, way: Way, due: Due, number: int, target: str, *, rank: int) -> None:
    """One target of a step."""
    kind, _, who = target.partition(":")
    if kind == "slack":
        gate = await channels.resolve(tx, who)
        group, _ = await status.about(tx, way)
        if group and await is_in_storm(tx, group, gate):
            kind_of = status.promise_of(way.id, due.position, number)
            await commitments.release(tx, subject=way.subject, kind=kind_of, at=deps.clock.now())
            return
        await outbox.enqueue(deps, tx, post(way, due.position, number, target, rank=rank, gate=gate))
    elif kind == "dm":
        await _letters(deps, tx, way, due, number, who, rank=rank)
    elif kind == "email":
        title, text = await escalation_text.mail(deps, tx, way, due.position, target)
        await email.write(
            deps,
            tx,
            way.subject,
            target,
            title=title,
            text=text,
            service=way.service,
            key=_key(way, due.position, number),
            rank=rank,
            climb=way.id,
            position=due.position,
        )
    else:
        title, text = await escalation_text.page(deps, tx, way, due.position, target)
        await pages.wake(
            deps,
            tx,
            subject=way.subject,
            target=target,
            service=way.service,
            title=title,
            text=text,
            key=_key(way, due.position, number),
            rank=rank,
            by=way.begun_by,
            climb=way.id,
            position=due.position,
        )


async def is_in_storm(tx: Tx, group: AlertGroup, channel: str | None) -> bool:
    """Where the card of a storm shows it, a line for each of its alerts would bury the channel."""
    return bool(group.storm and not group.ts and channel and await channels.resolve(tx, group.setting) == channel)


def _key(way: Way, position: int, number: int) -> str:
    return f"ladder:{way.id}:{position}:{number}"


def post(
    way: Way, position: int, number: int, target: str, *, rank: int, gate: str | None = None, person: str = ""
) -> Parcel:
    """A message to a channel, or to one of those whom the target means."""
    payload = {"climb": way.id, "position": position, "number": number, "target": target, "person": person}
    key = f"{_key(way, position, number)}:{person}"
    return Parcel(POSTED, way.subject, POST, payload, gate=gate, rank=rank, dedupe_key=key)


async def _letters(deps: Deps, tx: Tx, way: Way, due: Due, number: int, who: str, *, rank: int) -> None:
    target = due.step.notify[number]
    if access.USER.fullmatch(who):
        parcel = post(way, due.position, number, target, rank=rank, person=who)
    else:
        payload = {"climb": way.id, "position": due.position, "number": number, "target": target, "who": who}
        key = _key(way, due.position, number)
        parcel = Parcel(WHO, way.subject, "users.info", payload, rank=rank, dedupe_key=key)
    await outbox.enqueue(deps, tx, parcel)
