"""What people did at PagerDuty to pages of ours.

Working a message again changes nothing: each event is done once, and one that was overtaken not at all.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime

from bot.deps import Deps
from bot.domain.alerts import alert as alert_values
from bot.domain.alerts.alert import Alert, Context, Happening, Intake
from bot.domain.alerts.group import AlertGroup
from bot.domain.errors import Repeated, Undeliverable
from bot.domain.incidents.incident import Incident
from bot.domain.people.person import AT_PAGERDUTY, BOT, Actor, Person, at_pagerduty
from bot.intake import pagerduty
from bot.ports import Tx
from bot.queue import audit, unit_of_work
from bot.queue.inbox import InboxItem
from bot.queue.unit_of_work import begin
from bot.services import subjects
from bot.services.alerts import lifecycle, operations as alert_operations
from bot.services.escalation import pages, progress as escalations
from bot.services.incidents import lifecycle as incidents, resolution, timeline
from bot.services.ingest import alerts, webhooks
from bot.services.messaging import thread_notes
from bot.services.subjects import Subject
from bot.store.db.locks import serialise
from bot.store.escalation import pages as store
from bot.store.escalation.pages import Sent, State
from bot.store.people import people as people_store
from bot.telemetry import Event, get_logger

ASKING_SECONDS = 3.0  # alerts wait behind this one: who did it is then called by their name there
NOTE_LIMIT = 2_000
HOOK = f"{alert_values.HOOK}:{pagerduty.SOURCE}"
_NAMED = f"{pagerduty.SOURCE}:"

UNPROVED = (
    "A message says that the page to {whom} was {done} at PagerDuty. It is not signed by PagerDuty, so it changes "
    "nothing here: PAGERDUTY_WEBHOOK_SECRET must hold the secret of the webhook."
)

_NOT_TAKEN_ON = (State.SENDING, State.OPEN, State.FAILED)
_UNRESOLVED = (*_NOT_TAKEN_ON, State.ACKNOWLEDGED)

_Response = Callable[[Deps, Tx, Subject, Sent, Context, Actor], Awaitable[None]]


async def handle(deps: Deps, item: InboxItem) -> None:
    """A signed message changes our pages. Everything else in a message is alerts, no matter who raised them."""
    arrival = webhooks.stored(item)
    intake = await webhooks.read_beside(deps, arrival)
    ours = await _ours(deps, intake, learn=arrival.signed)
    happen = _happened if arrival.signed else _unproved
    for done in sorted((one for one in intake.contexts if _name(one.about) in ours), key=_when):
        if done.kind not in _RESPONSES or done.title.startswith(pages.OURS):
            continue
        try:
            await happen(deps, ours[_name(done.about)], done)
        except Repeated:
            get_logger().info(Event.HOOK_CONTEXT, kind=HOOK, about=done.kind.value, title="said before")
    left = tuple(alert for alert in intake.alerts if not _is_page(alert, ours))
    await alerts.take(deps, item, replace(intake, alerts=left))


async def _ours(deps: Deps, intake: Intake, *, learn: bool) -> dict[str, Sent]:
    names = {name for alert in intake.alerts for name in _names(alert)}
    names |= {_name(done.about) for done in intake.contexts if done.about}
    async with deps.database.reading() as tx:
        found = await store.named(tx, names)
    for alert in intake.alerts if learn else ():
        await _learn(deps, found, alert)
    return found


async def _learn(deps: Deps, found: dict[str, Sent], alert: Alert) -> None:
    """Events of notes name nothing else."""
    page = next((found[name] for name in _names(alert) if name in found), None)
    if page is None:
        return
    number = next((name for name in _names(alert) if name != page.key), None)
    for name in _names(alert):
        found.setdefault(name, page)
    if number and page.remote is None:
        async with deps.database.transaction() as tx:
            await store.change(tx, page.key, remote=number[:64])


def _is_page(alert: Alert, ours: Collection[str]) -> bool:
    """Of this or another installation: two that took each other's pages for alerts would never end."""
    return any(name in ours or pages.is_ours(name) for name in _names(alert))


def _names(alert: Alert) -> list[str]:
    return [_name(fingerprint) for fingerprint in (alert.fingerprint, *alert.also)]


def _name(fingerprint: str) -> str:
    return fingerprint.removeprefix(_NAMED)


def _when(done: Context) -> float:
    return done.at.timestamp() if done.at else 0.0


# --- one thing done ---------------------------------------------------------------------------------------------------


async def _happened(deps: Deps, page: Sent, done: Context) -> None:
    by = Actor(await _doer(deps, done), source="pagerduty")
    async with begin(deps) as tx:
        await unit_of_work.once(deps, tx, _key(page, done))
        if done.kind is Happening.RESOLVED:
            await serialise(tx, lifecycle.ONE_AT_A_TIME)
        await _RESPONSES[done.kind](deps, tx, await subjects.lock(tx, page.subject), page, done, by)


async def _unproved(deps: Deps, page: Sent, done: Context) -> None:
    """Once for each page and event: an ingest token may report alerts, and ends no page."""
    key = f"unproved:{page.key}:{done.kind}"
    async with begin(deps) as tx:
        await unit_of_work.once(deps, tx, key)
        await audit.record(tx, deps.clock, BOT, "page.unproved", page.subject, page=page.key, said=done.kind.value)
        if page.state in _NEWS_TO.get(done.kind, ()):
            whom = await pages.spoken(tx, page.target)
            await thread_notes.say(deps, tx, page.subject, UNPROVED.format(done=done.kind, whom=whom), key)


def _key(page: Sent, done: Context) -> str:
    whole = "\n".join([page.key, done.kind, str(done.at), done.by, done.title])
    return f"pagerduty:{hashlib.sha256(whole.encode('utf-8', 'replace')).hexdigest()}"


async def _doer(deps: Deps, done: Context) -> Person:
    if not done.by:
        return Person(PAGERDUTY, PAGERDUTY)
    address = await _address(deps, done.by_id)
    async with deps.database.reading() as tx:
        known = (await people_store.by_email(tx, [address])).get(address.lower()) if address else None
        found = await people_store.find(tx, known) if known else None
    return at_pagerduty(found.person if found else None, done.by)


async def _address(deps: Deps, user: str) -> str | None:
    if deps.pager is None or not deps.pager.has_rest or not user:
        return None
    try:
        async with asyncio.timeout(ASKING_SECONDS):
            return (await deps.pager.who(user)).email
    except (Undeliverable, TimeoutError):
        return None


PAGERDUTY = "PagerDuty"  # who does what nobody did: its own timers


async def _change_state(deps: Deps, tx: Tx, page: Sent, done: Context, by: Actor, to: State, *of: State) -> bool:
    """Whether the change was news. PagerDuty is not told of it."""
    page = await store.lock(tx, page.key)
    if page.state not in of or _is_overtaken(deps, page, done):
        return False
    said: dict[str, datetime] = {"said_at": done.at} if done.at else {}
    await pages.mark(deps, tx, page, to, by.id, **said)
    await audit.record(tx, deps.clock, by.id, f"page.{done.kind}", page.subject, page=page.key, to=page.target)
    return True


def _is_overtaken(deps: Deps, page: Sent, done: Context) -> bool:
    if done.at is None:
        return False
    if page.said_at and done.at < page.said_at:
        return True
    was_here = page.state is State.ACKNOWLEDGED and not (page.changed_by or "").endswith(AT_PAGERDUTY)
    return was_here and deps.clock.from_wall(done.at.timestamp()) < page.changed_at


async def _acknowledged(deps: Deps, tx: Tx, held: Subject, page: Sent, done: Context, by: Actor) -> None:
    if not await _change_state(deps, tx, page, done, by, State.ACKNOWLEDGED, *_NOT_TAKEN_ON):
        return
    match held.itself:
        case AlertGroup(is_open=True) as group:
            await lifecycle.acknowledge(deps, tx, group, by)
        case Incident(is_open=True) as incident:
            await incidents.acknowledge_in(deps, tx, incident, by)


async def _unacknowledged(deps: Deps, tx: Tx, held: Subject, page: Sent, done: Context, by: Actor) -> None:
    if not await _change_state(deps, tx, page, done, by, State.OPEN, State.ACKNOWLEDGED):
        return
    match held.itself:
        case AlertGroup(is_open=True) as group:
            await alert_operations.unacknowledge_in(deps, tx, group, by)
        case Incident(is_open=True, acknowledged_by=str()) as incident:
            incident = await incidents.unnoticed(deps, tx, incident, by, incident.name)
            await escalations.again(deps, tx, subjects.of_incident(incident))


async def _resolved(deps: Deps, tx: Tx, held: Subject, page: Sent, done: Context, by: Actor) -> None:
    if not await _change_state(deps, tx, page, done, by, State.RESOLVED, *_UNRESOLVED):
        return
    if by.id == PAGERDUTY:
        whom = await pages.spoken(tx, page.target)
        text = f"PagerDuty ended the page to {whom} by itself. {page.subject} goes on here."
        await thread_notes.say(deps, tx, page.subject, text, f"page ended {page.key}")
    elif held.alert:
        await alert_operations.resolve_in(deps, tx, held.alert, by)
    elif held.incident and held.is_open and not held.run:
        await resolution.resolve_in(deps, tx, held.incident, by)


async def _passed_on(deps: Deps, tx: Tx, held: Subject, page: Sent, done: Context, by: Actor) -> None:
    whom = await pages.spoken(tx, page.target)
    await audit.record(tx, deps.clock, by.id, f"page.{done.kind}", page.subject, page=page.key, to=page.target)
    await _write(deps, tx, page, held, by, "page", f"passed on the page to {whom}", _key(page, done))


async def _noted(deps: Deps, tx: Tx, held: Subject, page: Sent, done: Context, by: Actor) -> None:
    text = done.title[:NOTE_LIMIT]
    if text.strip():
        await _write(deps, tx, page, held, by, "note", text, _key(page, done))


async def _write(deps: Deps, tx: Tx, page: Sent, held: Subject, by: Actor, kind: str, text: str, key: str) -> None:
    incident = held.incident
    if incident and not held.run:
        await timeline.log(deps, tx, incident, by.id, kind, text, told=incident.is_open)
    else:
        verb = "noted: " if kind == "note" else ""
        await thread_notes.say(deps, tx, page.subject, f"{by.person.name} {verb}{text}".replace("<@", "< @"), key)


_RESPONSES: Mapping[Happening, _Response] = {
    Happening.ACKNOWLEDGED: _acknowledged,
    Happening.UNACKNOWLEDGED: _unacknowledged,
    Happening.RESOLVED: _resolved,
    Happening.ASSIGNED: _passed_on,
    Happening.ESCALATED: _passed_on,
    Happening.NOTE: _noted,
}
_NEWS_TO: Mapping[Happening, Collection[State]] = {
    Happening.ACKNOWLEDGED: _NOT_TAKEN_ON,
    Happening.UNACKNOWLEDGED: (State.ACKNOWLEDGED,),
    Happening.RESOLVED: _UNRESOLVED,
}
