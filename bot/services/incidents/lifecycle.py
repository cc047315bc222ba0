"""Incidents acknowledged and changed. Every public verb that takes a number is one transaction."""

from __future__ import annotations

from datetime import datetime

from bot.deps import Deps
from bot.domain.catalogue.severity import Severity
from bot.domain.incidents import incident as rules
from bot.domain.incidents.incident import Incident, IncidentChanges, Placement, Status
from bot.domain.people.person import Actor
from bot.ports import Tx
from bot.queue import audit, timers
from bot.services.escalation import progress as escalations
from bot.services.incidents import cadence
from bot.services.incidents.deliveries import Invite, OpenChannel, enqueue, tell_all
from bot.services.incidents.queries import responding
from bot.services.incidents.timeline import log, record
from bot.services.messaging import refresh
from bot.store.incidents import incidents as store

ACKNOWLEDGED = "acknowledged"


async def acknowledge(deps: Deps, number: int, by: Actor) -> tuple[Incident, bool]:
    """Whether this person was the first."""
    async with responding(deps, number, by) as (tx, incident):
        rules.must_be_open(incident)
        return await acknowledge_in(deps, tx, incident, by)


async def acknowledge_in(deps: Deps, tx: Tx, incident: Incident, by: Actor) -> tuple[Incident, bool]:
    """The caller holds the incident."""
    if incident.acknowledged_at:
        await plant_acknowledged(tx, incident.name, by, deps.clock.now())
        return incident, False
    incident = await noticed(deps, tx, incident, by, deps.clock.now())
    await refresh.incident(deps, tx, incident)
    return incident, True


async def noticed(deps: Deps, tx: Tx, incident: Incident, by: Actor, at: datetime) -> Incident:
    """Taking a role, writing an update and resolving acknowledge an incident, too."""
    if incident.acknowledged_at:
        return incident
    await record(deps, tx, incident, by.id, "acknowledged", "acknowledged", told=True)
    incident = await store.change(tx, incident.id, acknowledged_at=at, acknowledged_by=by.id)
    await plant_acknowledged(tx, incident.name, by, at)
    return incident


async def plant_acknowledged(tx: Tx, subject: str, by: Actor, at: datetime) -> None:
    """What follows locks alerts before their incident, so it runs in a transaction of its own."""
    await timers.plant(tx, ACKNOWLEDGED, subject, at, {"by": by.id})


async def unnoticed(deps: Deps, tx: Tx, incident: Incident, by: Actor, alert: str) -> Incident:
    await log(deps, tx, incident, by.id, "acknowledged", f"took back the acknowledgement of {alert}", told=True)
    await audit.record(tx, deps.clock, by.id, "incident.unacknowledged", incident.name)
    incident = await store.change(tx, incident.id, acknowledged_at=None, acknowledged_by=None)
    await refresh.incident(deps, tx, incident)
    return incident


async def set_severity(deps: Deps, number: int, word: str, by: Actor) -> tuple[Incident, bool]:
    """Whether it changed. `word` is a level's key or alias. Raises Unclear with the list."""
    async with responding(deps, number, by) as (tx, incident):
        severity = deps.catalogue.service_or_default(incident.service).severity(word)
        rules.must_be_open(incident)
        if incident.severity == severity.key:
            return incident, False
        text = f"changed severity from {incident.severity} to {severity.key}"
        entry = await record(deps, tx, incident, by.id, "severity", text, told=True, to=severity.key)
        incident = await store.change(tx, number, severity=severity.key, rank=severity.rank)
        incident = await cadence.commit(deps, tx, incident, cadence.next_due(deps, incident), entry)
        incident = await _live_up_to(deps, tx, incident, severity)
        await escalations.severity_changed(deps, tx, incident)
        await refresh.incident(deps, tx, incident)
        return incident, True


async def _live_up_to(deps: Deps, tx: Tx, incident: Incident, severity: Severity) -> Incident:
    """What the new level asks for at declare. Nothing twice."""
    await tell_all(deps, tx, incident, severity)
    if incident.placement is Placement.THREAD and severity.channel and not incident.slack.channel:
        incident = await store.change(tx, incident.id, placement=Placement.CHANNEL)
        await enqueue(deps, tx, incident, OpenChannel())
    elif incident.slack.channel and severity.invite and not incident.private:
        await enqueue(deps, tx, incident, Invite(list(severity.invite)))
    return incident


async def set_status(deps: Deps, number: int, status: Status, by: Actor) -> tuple[Incident, bool]:
    async with responding(deps, number, by) as (tx, incident):
        rules.must_be_open(incident)
        if incident.status is status:
            return incident, False
        incident = await change_status(deps, tx, incident, status, by)
        await refresh.incident(deps, tx, incident)
        return incident, True


async def change_status(
    deps: Deps, tx: Tx, incident: Incident, status: Status, by: Actor, at: datetime | None = None
) -> Incident:
    """The first status of MITIGATED is the moment of mitigation."""
    text = f"changed status from {incident.status} to {status}"
    await record(deps, tx, incident, by.id, "status", text, told=True, to=status.value)
    changes: IncidentChanges = {"status": status}
    if status in rules.MITIGATED and not incident.mitigated_at:
        changes["mitigated_at"] = at or deps.clock.now()
    return await store.change(tx, incident.id, **changes)
