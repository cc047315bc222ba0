"""What follows from an alert group's changes: what begins with the group, rests while somebody is on it, ends with it.

What people do is followed in their transaction, but for an acknowledgement; that, and what alerts do, is followed by a
timer that is due at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from bot.deps import Deps
from bot.domain.alerts.group import NOT_SILENCED, AlertGroup
from bot.domain.alerts.maintenance import Window
from bot.domain.alerts.silence import Silence
from bot.domain.catalogue.service import Service
from bot.domain.catalogue.severity import OnAlert, Severity
from bot.domain.incidents import incident as incident_rules
from bot.domain.incidents.draft import Draft
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.timer import Timer
from bot.domain.people.person import BOT, Actor, Kind, Person
from bot.domain.runs import triggers as run_triggers
from bot.ports import Tx
from bot.queue import audit, timers
from bot.queue.timers import Arming
from bot.queue.unit_of_work import begin
from bot.services import subjects
from bot.services.alerts import silence_matching, storms
from bot.services.escalation import pages, progress as escalations
from bot.services.incidents import declare as declare_, lifecycle as incidents, timeline
from bot.services.messaging import refresh, thread_notes
from bot.services.runs import triggers
from bot.services.subjects import Subject
from bot.services.workspace import permissions
from bot.store.alerts import groups as store
from bot.store.db.locks import serialise
from bot.store.incidents import incidents as incidents_store
from bot.views import incident as incident_view

SILENCE_OVER = "alert.silence_over"
FOLLOW = "alert.follow"
ONE_AT_A_TIME = "alerts"  # what is serialised wherever single alerts begin and end
TITLE_LIMIT = 250
SHORT_SILENCE = timedelta(days=1)  # what a card's button chooses: longer, its edit alone would tell too few
OURSELVES = Actor(Person(BOT, BOT, Kind.BOT), source="alert")


def level(deps: Deps, group: AlertGroup) -> tuple[Service, Severity]:
    service = deps.catalogue.service_or_default(group.service)
    return service, service.find_severity(group.severity) or service.severity(service.default_severity)


@asynccontextmanager
async def one_at_a_time(deps: Deps, by: Actor) -> AsyncIterator[Tx]:
    """No alert begins or ends beside it. Raises Refused, Repeated."""
    await permissions.must(deps, by.person, "respond")
    async with begin(deps, by) as tx:
        await serialise(tx, ONE_AT_A_TIME)
        yield tx


async def locked(tx: Tx, numbers: Sequence[int]) -> list[AlertGroup]:
    groups = await store.locked(tx, numbers)
    return [groups[number] for number in numbers]


# --- by itself --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class News:
    group: int
    begins: bool = False  # what its severity wants
    is_awake: bool = False  # its silence does not mean all of its alerts
    joined: int = 0  # alerts that began, of which its incident hears
    firing: int = 0
    is_resolved: bool = False

    def __bool__(self) -> bool:
        return self.begins or self.is_awake or self.joined > 0 or self.is_resolved


async def follow(deps: Deps, tx: Tx, timer: Timer) -> None:
    """Nothing twice. A group that has ended meanwhile still declares its incident."""
    await serialise(tx, ONE_AT_A_TIME)
    news = News(**timer.payload)
    group = await store.lock(tx, news.group)
    if news.is_awake and group.is_open and group.silence:
        group = await silence_lifted(deps, tx, group, BOT)
    if news.begins and not group.is_silenced(deps.clock.now()):
        group = await _do_at_once(deps, tx, group)
        await refresh.alert(deps, tx, group)
    if news.joined:
        more = "1 more alert fires" if news.joined == 1 else f"{news.joined} more alerts fire"
        await _note(deps, tx, group, f"{more} in {group}, {group.called}: {news.firing} now", told=True)
    if news.is_resolved:
        await _ended(deps, tx, group, BOT)


def leads_on(deps: Deps, group: AlertGroup) -> bool:
    _, severity = level(deps, group)
    if group.maintenance or severity.on_alert is OnAlert.LOG:
        return False
    is_declared = severity.on_alert is OnAlert.DECLARE and not group.incident
    return is_declared or group.escalation_policy is not None or run_triggers.any_by_itself(deps.catalogue)


def has_incident(deps: Deps, group: AlertGroup) -> bool:
    return group.incident is not None or level(deps, group)[1].on_alert is OnAlert.DECLARE


async def resolved(deps: Deps, tx: Tx, group: AlertGroup, by: str) -> None:
    await _ended(deps, tx, group, by)
    await refresh.alert(deps, tx, group)
    await audit.record(tx, deps.clock, by, "alert.resolved", str(group))


async def _ended(deps: Deps, tx: Tx, group: AlertGroup, by: str) -> None:
    await timers.cancel(tx, subject=str(group), kind=SILENCE_OVER)
    await escalations.end(deps, tx, await subjects.of_alert(tx, group), "resolved")
    await pages.resolved(deps, tx, str(group), by)
    took = incident_view.spoken((group.resolved_at or group.since) - group.since)
    end = "is over: heard again" if group.heartbeat and by == BOT else "is resolved"
    await _note(deps, tx, group, f"{group}, {group.called}, {end} after {took}", told=True, by=by)
    await _shown_in_incident(deps, tx, group)


async def silence_over(deps: Deps, tx: Tx, timer: Timer) -> None:
    group = await store.lock(tx, int(timer.payload["group"]))
    if not group.is_open or group.is_silenced(deps.clock.now()) or await _held_by_another(deps, tx, group):
        return
    await refresh.alert(deps, tx, await _do_at_once(deps, tx, group))


# --- by silences with matchers and by maintenance ---------------------------------------------------------------------


async def silence_applied(deps: Deps, tx: Tx, group: AlertGroup, silence: Silence) -> AlertGroup:
    by = silence.made_by
    group = await store.change(tx, group.id, silenced_until=silence.ends_at, silenced_by=by, silence=silence.id)
    await silenced(deps, tx, group, by)
    return group


async def silence_lifted(deps: Deps, tx: Tx, group: AlertGroup, by: str) -> AlertGroup:
    return await _held_by_another(deps, tx, group) or await resumed(deps, tx, group, by)


async def resumed(deps: Deps, tx: Tx, group: AlertGroup, by: str) -> AlertGroup:
    await audit.record(tx, deps.clock, by, "alert.unsilenced", str(group))
    await timers.cancel(tx, subject=str(group), kind=SILENCE_OVER)
    group = await _do_at_once(deps, tx, await store.change(tx, group.id, **NOT_SILENCED))
    await refresh.alert(deps, tx, group)
    return group


async def _held_by_another(deps: Deps, tx: Tx, group: AlertGroup) -> AlertGroup | None:
    other = (await silence_matching.covering(deps, tx, [group])).get(group.id)
    return await silence_applied(deps, tx, group, other) if other else None


async def maintained(deps: Deps, tx: Tx, group: AlertGroup, window: Window) -> None:
    group = await store.change(tx, group.id, maintenance=window.id)
    await escalations.end(deps, tx, await subjects.of_alert(tx, group), "maintenance")
    await refresh.alert(deps, tx, group)


async def maintenance_over(deps: Deps, tx: Tx, group: AlertGroup) -> None:
    group = await store.change(tx, group.id, maintenance=None)
    if not group.is_silenced(deps.clock.now()):
        group = await _do_at_once(deps, tx, group)
    await refresh.alert(deps, tx, group)


# --- by people --------------------------------------------------------------------------------------------------------


async def acknowledge(deps: Deps, tx: Tx, group: AlertGroup, by: Actor) -> tuple[AlertGroup, bool]:
    """The caller holds the group. Acknowledges its open incident, too. False: somebody had acknowledged it."""
    if group.acknowledged_at:
        return group, False
    incident = (await subjects.of_alert(tx, group)).incident  # held before anything of either is written
    group = await mark_acknowledged(deps, tx, group, by)
    await incidents.plant_acknowledged(tx, str(group), by, deps.clock.now())
    if incident and incident.is_open and not incident.acknowledged_at:
        await incidents.acknowledge_in(deps, tx, incident, by)
    return group, True


async def mark_acknowledged(deps: Deps, tx: Tx, group: AlertGroup, by: Actor) -> AlertGroup:
    group = await store.change(tx, group.id, acknowledged_at=deps.clock.now(), acknowledged_by=by.id)
    await audit.record(tx, deps.clock, by.id, "alert.acknowledged", str(group))
    await refresh.alert(deps, tx, group)
    return group


async def unacknowledged(deps: Deps, tx: Tx, group: AlertGroup, by: Actor) -> None:
    incident = (await subjects.of_alert(tx, group)).incident
    await audit.record(tx, deps.clock, by.id, "alert.unacknowledged", str(group))
    if incident and incident.is_open and incident.acknowledged_at:
        incident = await incidents.unnoticed(deps, tx, incident, by, str(group))
    await escalations.again(deps, tx, Subject(group, incident))
    await refresh.alert(deps, tx, group)


async def silenced(deps: Deps, tx: Tx, group: AlertGroup, by: str) -> None:
    until = group.silenced_until
    await audit.record(tx, deps.clock, by, "alert.silenced", str(group), until=until.isoformat() if until else None)
    await timers.cancel(tx, subject=str(group), kind=SILENCE_OVER)
    await timers.arm_all(tx, [end_of_silence(group)])
    await escalations.end(deps, tx, await subjects.of_alert(tx, group), "silenced")
    await pages.acknowledged(deps, tx, str(group), by, "silenced")
    is_long = until is not None and until - deps.clock.now() > SHORT_SILENCE
    if until and is_long and group.silence is None:  # one with matchers is announced in the channel
        text = f"<@{by}> silenced {group} until {until:%d %b, %H:%M} UTC: nobody is called for it meanwhile."
        await thread_notes.say(deps, tx, str(group), text, f"silenced {until.isoformat()}", mentions=[by])
    await refresh.alert(deps, tx, group)


# --- what follows -----------------------------------------------------------------------------------------------------


async def _do_at_once(deps: Deps, tx: Tx, group: AlertGroup) -> AlertGroup:
    _, severity = level(deps, group)
    if severity.on_alert is OnAlert.LOG:
        return group
    if not group.has_card:
        (group,) = await storms.show(deps, tx, [await store.change(tx, group.id, has_card=True)])
    if group.maintenance:
        return group
    if severity.on_alert is OnAlert.DECLARE and not group.incident:
        group, _, _ = await declare(deps, tx, group, OURSELVES)
    if group.is_open:
        await escalations.begin(deps, tx, await subjects.of_alert(tx, group))
        await triggers.fire(deps, tx, group)
    return group


async def declare(deps: Deps, tx: Tx, group: AlertGroup, by: Actor) -> tuple[AlertGroup, Incident, bool]:
    """An incident that the group's key has open is joined: False, it is not new."""
    number = group.incident or await store.open_incident_of(tx, group.key)
    if number:
        incident, is_new = await incidents_store.get(tx, number), False
    else:
        incident, is_new = await declare_.declare_in(deps, tx, _draft(deps, group), _title(group), by)
    if is_new and group.escalation_policy is None:
        await escalations.begin(deps, tx, subjects.of_incident(incident))
    if group.incident is None:
        group = await store.change(tx, group.id, incident=incident.id)
        if is_new:
            incident = await incidents_store.change(tx, incident.id, detected_at=group.opened_at)
        await _note(deps, tx, group, f"{group}, {group.called}, belongs to it", told=not is_new)
        if not is_new:
            await _shown_in_incident(deps, tx, group)
    return group, incident, is_new


def _draft(deps: Deps, group: AlertGroup) -> Draft:
    return Draft(_title(group), *level(deps, group), source_channel=group.channel, source_ts=group.ts)


def _title(group: AlertGroup) -> str:
    return incident_rules.shorten(group.called, TITLE_LIMIT)


async def _note(deps: Deps, tx: Tx, group: AlertGroup, text: str, *, told: bool, by: str = BOT) -> None:
    if group.incident is None:
        return
    incident = await incidents_store.lock(tx, group.incident)
    await timeline.log(deps, tx, incident, by, "alert", text, told=told and incident.is_open)


async def _shown_in_incident(deps: Deps, tx: Tx, group: AlertGroup) -> None:
    if group.incident:
        await refresh.incident_cards(deps, tx, await incidents_store.get(tx, group.incident))


def end_of_silence(group: AlertGroup) -> Arming:
    until = group.silenced_until or group.opened_at
    key = f"{SILENCE_OVER}:{group.id}:{until.isoformat()}"
    return Arming(SILENCE_OVER, str(group), until, key, {"group": group.id})
