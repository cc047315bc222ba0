"""People called by hand: the next level of an escalation policy, or somebody by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.deps import Deps
from bot.domain.catalogue.service import Contact, Service
from bot.domain.errors import Conflict, Refused, Unclear
from bot.domain.escalation.escalation import ScheduledStep
from bot.domain.incidents import incident as incident_rules
from bot.domain.people import access
from bot.domain.people.person import Actor
from bot.domain.text.wording import listing, nearest
from bot.ports import Tx
from bot.queue import audit
from bot.queue.unit_of_work import begin
from bot.services import subjects
from bot.services.escalation import pages, progress as escalations, text as escalation_text
from bot.services.escalation.pages import PageRequest
from bot.services.incidents import queries as incident_queries, timeline
from bot.services.subjects import Subject
from bot.services.workspace import oncall_now, people, permissions
from bot.store.escalation.escalations import Escalation
from bot.views.kit.mrkdwn import literal, mention

TEXT_LIMIT = 1_000


async def _may(deps: Deps, of: Subject, by: Actor) -> None:
    if of.incident:
        await incident_queries.may_respond(deps, of.incident, by)
    else:
        await permissions.must(deps, by.person, "respond", service=of.service)


# --- the next level ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Escalated:
    escalation: Escalation
    first: ScheduledStep
    following: ScheduledStep | None


async def escalate(deps: Deps, of: Subject, by: Actor) -> Escalated:
    """Raises Refused; Conflict where the subject is resolved, or has no level above."""
    await _may(deps, of, by)
    async with begin(deps, by) as tx:
        held = await _held(deps, tx, of)
        escalation = await escalations.higher(deps, tx, held, by)
        first = escalation.due(escalation.start.first)
        await audit.record(tx, deps.clock, by.id, "escalation.by_hand", escalation.subject, step=first.position + 1)
        await _note(deps, tx, held, by, f"escalated {escalation.subject}")
        return Escalated(escalation, first, await escalation_text.following(deps, tx, escalation))


async def _held(deps: Deps, tx: Tx, of: Subject) -> Subject:
    """Raises Conflict where it is resolved or suppressed."""
    if of.incident:
        incident_rules.must_be_open(of.incident)
        return _must_not_rest(deps, await subjects.lock(tx, await escalations.subject_of(tx, of.incident)))
    held = await subjects.lock(tx, str(of))
    if not held.is_open:
        incident = held.incident
        goes_on = f" {incident} goes on: `/incident escalate {incident}`." if incident and incident.is_open else ""
        raise Conflict(f"{of} is resolved, so nobody else is told of it.{goes_on}")
    return _must_not_rest(deps, held)


def _must_not_rest(deps: Deps, of: Subject) -> Subject:
    group = of.alert
    if group and group.is_open and group.is_suppressed(deps.clock.now()):
        state = "in maintenance" if group.maintenance else "silenced"
        raise Conflict(
            f"{group} is {state}, so its escalation policy rests. Page somebody by name: `/incident page {group}`."
        )
    return of


async def _note(deps: Deps, tx: Tx, of: Subject, by: Actor, text: str) -> None:
    if of.incident:
        await timeline.log(deps, tx, of.incident, by.id, "page", text, told=of.incident.is_open)


# --- somebody by name -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Called:
    """`page:` targets of a service, and their names: in Slack, and in plain words."""

    service: Service
    who: tuple[str, ...]
    spoken: str
    plain: str


@dataclass(frozen=True)
class Paged:
    subject: str
    spoken: str
    is_drill: bool


async def page(deps: Deps, of: Subject, text: str, by: Actor) -> Paged:
    """The target is the first word, or the people on call for the service; the other words say why.

    Raises Unclear with the nearest word, Refused, Conflict.
    """
    await _may(deps, of, by)
    called, words = await _whom(deps, of, text)
    incident = of.incident
    if incident and incident.private and any(one in called.service.contacts for one in called.who):
        raise Refused(f"{incident} is private: page people, not a contact outside. `/incident page {incident} @person`")
    async with begin(deps, by) as tx:
        of = await _open(tx, of)
        asked, words = by.key or deps.clock.now().isoformat(), words[:TEXT_LIMIT]
        for who in called.who:
            request = PageRequest(
                subject=str(of),
                target=f"page:{who}",
                service=called.service.key,
                title=f"{of} {of.title}: {by.person.name} asks for you",
                text=words,
                key=f"by hand:{asked}",
                rank=of.itself.rank,
                by=by.id,
            )
            await pages.wake(deps, tx, request)
        detail = {"who": list(called.who), "service": called.service.key, "words": words}
        await audit.record(tx, deps.clock, by.id, "page.by_hand", str(of), **detail)
        await _note(deps, tx, of, by, f"paged {called.plain}{f': {words}' if words else ''}")
        return Paged(str(of), called.spoken, of.is_drill)


async def _open(tx: Tx, of: Subject) -> Subject:
    held = await subjects.lock(tx, str(of))
    if of.incident and held.incident:
        incident_rules.must_be_open(held.incident)
    elif not held.is_open:
        raise Conflict(f"{of} is resolved, so nobody is woken for it.")
    return held


async def _whom(deps: Deps, of: Subject, text: str) -> tuple[Called, str]:
    own = deps.catalogue.service_or_default(of.service)
    first, _, rest = text.strip().partition(" ")
    found = access.MENTION.fullmatch(first)
    if found:
        return await _person(deps, own, found[1]), rest.strip()
    service = deps.catalogue.services.get(first.casefold())
    if service:
        return await _of_service(deps, service), rest.strip()
    contact = _contact(deps, own, first)
    if contact:
        return contact, rest.strip()
    if access.is_on_call(first.casefold()) and own.level(first.casefold()):
        return await _on_call(deps, own, first.casefold()), rest.strip()
    _must_not_be_a_slip(deps, own, first)
    return await _of_service(deps, own), text.strip()


async def _person(deps: Deps, own: Service, user: str) -> Called:
    try:
        person = await people.find(deps, user, must_be_fresh=True)
    except Refused:
        raise Unclear(f"Slack does not know {mention(user)}. Choose somebody of this workspace.") from None
    if not person.is_full_member:
        raise Unclear(f"{person} is no full, active member of this workspace. Choose somebody who is.")
    return Called(own, (user,), mention(user), person.name)


async def _of_service(deps: Deps, service: Service) -> Called:
    if service.oncall:
        return await _on_call(deps, service, access.ON_CALL)
    contact = next((key for key, one in service.contacts.items() if one.pagerduty_service), None)
    if contact:
        return Called(service, (contact,), literal(contact), contact)
    if service.owners:
        return Called(
            service, service.owners, listing(map(access.spoken, service.owners)), f"the owners of {service.name}"
        )
    raise Unclear(f"Nobody is on call for {service.name}, and it names no contact to page. Name a person: @person.")


async def _on_call(deps: Deps, service: Service, entry: str) -> Called:
    who = (await oncall_now.look(deps, [entry], service.key)).who
    plain = f"{access.spoken(entry)} for {service.name}"
    spoken = f"{listing(map(access.spoken, who))} (on call for {literal(service.name)})" if who else literal(plain)
    return Called(service, (entry,), spoken, plain)


def _contact(deps: Deps, own: Service, word: str) -> Called | None:
    for service in (own, *deps.catalogue.services.values()):
        key = next((key for key in service.contacts if key.casefold() == word.casefold()), None)
        if key and _can_be_paged(service.contacts[key]):
            return Called(service, (key,), literal(key), key)
    return None


def _can_be_paged(contact: Contact) -> bool:
    return bool(contact.pagerduty_service or contact.who or contact.addresses)


def _must_not_be_a_slip(deps: Deps, own: Service, word: str) -> None:
    """Raises Unclear."""
    known: Sequence[str] = [*deps.catalogue.services, *own.contacts, access.ON_CALL]
    close = nearest(word, known) if word else None
    if close:
        raise Unclear(f"There is no service or contact “{word[:60]}”. Did you mean “{close}”?")
    if word.startswith(("@", "<!", "<#")):
        raise Unclear("I do not know who that is. Write them as a mention: `/incident page @person`.")
