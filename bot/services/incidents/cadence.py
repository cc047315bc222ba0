"""The commitment to the next update: made at declare, renewed by every update, withdrawn at resolve."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.deps import Deps
from bot.domain.catalogue.severity import Severity
from bot.domain.incidents import incident as rules
from bot.domain.incidents.incident import Incident
from bot.ports import Tx
from bot.queue import commitments, timers
from bot.store.incidents import incidents as store

DUE = "update.due"
REMIND = "update.remind"
GRACE_SECONDS = 300.0
GRACE_WALL_SECONDS = 30.0  # pacing, Retry-After and a restart take wall time, however fast the clock of promises runs


def level(deps: Deps, incident: Incident) -> Severity:
    """As the catalogue has it now; the service's default where the level has left the catalogue."""
    service = deps.catalogue.service_or_default(incident.service)
    return service.find_severity(incident.severity) or service.severity(service.default_severity)


def next_due(deps: Deps, incident: Incident, wait: timedelta | None = None) -> datetime | None:
    """None where the cadence promises none."""
    now = deps.clock.now()
    return now + wait if wait else rules.next_update(incident, level(deps, incident), now)


async def commit(deps: Deps, tx: Tx, incident: Incident, due: datetime | None, slot: int) -> Incident:
    """`slot` tells this commitment from earlier ones."""
    await withdraw(deps, tx, incident)
    if incident.next_update_at != due:
        incident = await store.change(tx, incident.id, next_update_at=due)
    if due:
        await arm(deps, tx, incident, due, slot)
    return incident


async def arm(deps: Deps, tx: Tx, incident: Incident, due: datetime, slot: int) -> None:
    severity = level(deps, incident)
    payload = {"due": due.isoformat()}
    remind_at = rules.reminder_time(due, severity, incident.cadence(severity), deps.clock.now())
    if remind_at:
        await schedule(tx, REMIND, incident, remind_at, slot, payload)
    await schedule(tx, DUE, incident, due, slot, payload)
    await commitments.add(tx, subject=incident.name, due_at={"update": due}, grace_seconds=grace_seconds(deps))


def grace_seconds(deps: Deps) -> float:
    return commitments.grace_seconds(deps, GRACE_SECONDS, wall=GRACE_WALL_SECONDS)


async def withdraw(deps: Deps, tx: Tx, incident: Incident) -> None:
    """One that is late stays open, and counts as missed."""
    for kind in (REMIND, DUE):
        await timers.cancel(tx, subject=incident.name, kind=kind)
    await commitments.cancel(tx, subject=incident.name, kind="update", at=deps.clock.now())


async def schedule(
    tx: Tx, kind: str, incident: Incident, at: datetime, slot: int | str, payload: dict[str, str] | None = None
) -> None:
    key = f"{kind}:{incident.name}:{slot}"
    await timers.schedule(tx, kind=kind, subject=incident.name, due_at=at, dedupe_key=key, payload=payload)
