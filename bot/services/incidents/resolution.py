"""An incident's end: resolved, watched, confirmed or reopened, closed."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.deps import Deps
from bot.domain.errors import Conflict, Unclear
from bot.domain.incidents import incident as rules
from bot.domain.incidents.incident import Incident, IncidentChanges, Status
from bot.domain.outgoing.timer import Timer
from bot.domain.people.person import BOT, Actor
from bot.ports import Tx
from bot.queue import audit, timers
from bot.services.escalation import pages, progress as escalations
from bot.services.incidents import cadence, deliveries, email, lifecycle, postmortem, queries, timeline
from bot.services.messaging import refresh
from bot.services.subjects import of_incident
from bot.store.alerts import groups as alerts_store
from bot.store.incidents import incidents as store

WATCH_OVER = "watch.over"
UNANSWERED = "watch.unanswered"
ANSWER_WITHIN = timedelta(minutes=30)
DEFAULT_WATCH = timedelta(minutes=15)
LIMIT = 3000


async def resolve(
    deps: Deps, number: int, by: Actor, *, fix: str = "", impact: str = "", watch: timedelta | None = None
) -> Incident:
    """`watch` None is the severity's; zero asks at once. Raises Unclear, Conflict."""
    if len(fix) > LIMIT or len(impact) > LIMIT:
        raise Unclear(f"That is too long: {LIMIT} characters fit. Shorten it and send it again.")
    async with queries.responding(deps, number, by) as (tx, incident):
        if not incident.is_open:
            raise Conflict(f"{incident} is already {incident.status}.")
        return await resolve_in(deps, tx, incident, by, fix=fix, impact=impact, watch=watch)


async def resolve_in(
    deps: Deps,
    tx: Tx,
    incident: Incident,
    by: Actor,
    *,
    fix: str = "",
    impact: str = "",
    watch: timedelta | None = None,
) -> Incident:
    """The caller holds the incident, which is open."""
    now = deps.clock.now()  # once, so that mitigated and resolved are one moment
    incident = await lifecycle.noticed(deps, tx, incident, by, now)
    incident = await lifecycle.change_status(deps, tx, incident, Status.RESOLVED, by, now)
    incident = await _record(deps, tx, incident, fix.strip(), impact.strip(), now)
    incident = await _watch(deps, tx, incident, watch)
    await escalations.end(deps, tx, of_incident(incident), "resolved")
    await _leave_people_alone(deps, tx, incident, by)
    await deliveries.say(deps, tx, incident, deliveries.Resolved(), _slot(incident))
    await email.keep_posted(deps, tx, incident, "resolved", nth=_nth(incident))
    await postmortem.start(deps, tx, incident)
    await refresh.incident(deps, tx, incident)
    await audit.record(tx, deps.clock, by.id, "incident.resolved", incident.name)
    return incident


async def _record(deps: Deps, tx: Tx, incident: Incident, fix: str, impact: str, now: datetime) -> Incident:
    incident = await cadence.commit(deps, tx, incident, None, 0)
    changes: IncidentChanges = {"resolved_at": now, "fix": fix or incident.fix}
    if impact:
        changes["impact"] = impact
    return await store.change(tx, incident.id, **changes)


async def _leave_people_alone(deps: Deps, tx: Tx, incident: Incident, by: Actor) -> None:
    """The pages of its alerts are acknowledged, and resolved with the alert."""
    await pages.resolved(deps, tx, incident.name, by.id)
    for group in await alerts_store.of_incident(tx, incident.id):
        await pages.acknowledged(deps, tx, str(group), by.id)


async def _watch(deps: Deps, tx: Tx, incident: Incident, watch: timedelta | None) -> Incident:
    if watch is None:
        watch = cadence.level(deps, incident).watch or DEFAULT_WATCH
    until = (incident.resolved_at or deps.clock.now()) + watch
    await _alarm(tx, WATCH_OVER, incident, until)
    return await store.change(tx, incident.id, watch_until=until)


async def _alarm(tx: Tx, kind: str, incident: Incident, at: datetime) -> None:
    await cadence.schedule(tx, kind, incident, at, _slot(incident), {"resolved": _slot(incident)})


def _slot(incident: Incident) -> str:
    return incident.resolved_at.isoformat() if incident.resolved_at else "open"


def _nth(incident: Incident) -> int:
    return int(incident.resolved_at.timestamp()) if incident.resolved_at else 0


async def watch_over(deps: Deps, tx: Tx, timer: Timer) -> None:
    incident = await _same_resolution(tx, timer)
    if incident:
        await deliveries.say(deps, tx, incident, deliveries.WatchQuestion(_slot(incident)), _slot(incident))


async def asked(deps: Deps, tx: Tx, number: int, resolution: str) -> None:
    """The half hour for an answer counts from when Slack has taken the question."""
    incident = await store.lock(tx, number)
    if incident.status is Status.RESOLVED and _slot(incident) == resolution:
        now = deps.clock.now()
        since = max(now, incident.watch_until or now)  # another process may not know yet that the clock has jumped
        await _alarm(tx, UNANSWERED, incident, since + ANSWER_WITHIN)


async def unanswered(deps: Deps, tx: Tx, timer: Timer) -> None:
    """Not while one of its alerts fires."""
    incident = await _same_resolution(tx, timer)
    if incident and await alerts_store.of_incident(tx, incident.id):
        await timers.reschedule(tx, dedupe_key=timer.dedupe_key, due_at=deps.clock.now() + ANSWER_WITHIN)
    elif incident:
        await _close(deps, tx, incident, BOT, "closed: nobody objected after the watch period")


async def _same_resolution(tx: Tx, timer: Timer) -> Incident | None:
    incident = await store.lock(tx, rules.number(timer.subject) or 0)
    return incident if incident.status is Status.RESOLVED and _slot(incident) == timer.payload["resolved"] else None


async def close(deps: Deps, number: int, by: Actor) -> tuple[Incident, bool]:
    """Whether this closed it. Raises Conflict while the incident is open."""
    async with queries.responding(deps, number, by) as (tx, incident):
        rules.must_be_resolved(incident)
        if incident.status is Status.CLOSED:
            return incident, False
        return await _close(deps, tx, incident, by.id, "confirmed the fix and closed"), True


async def _close(deps: Deps, tx: Tx, incident: Incident, actor: str, text: str) -> Incident:
    await _stop_watching(tx, incident)
    await timeline.record(deps, tx, incident, actor, "closed", text)
    incident = await store.change(tx, incident.id, status=Status.CLOSED, closed_at=deps.clock.now())
    await deliveries.say(deps, tx, incident, deliveries.Closed(actor), _slot(incident))
    await refresh.incident(deps, tx, incident)
    return incident


async def _stop_watching(tx: Tx, incident: Incident) -> None:
    for kind in (WATCH_OVER, UNANSWERED):
        await timers.cancel(tx, subject=incident.name, kind=kind)


async def reopen(deps: Deps, number: int, by: Actor) -> Incident:
    """Raises Conflict while the incident is open."""
    async with queries.responding(deps, number, by) as (tx, incident):
        if incident.is_open:
            raise Conflict(f"{incident} is open already: {incident.status}.")
        await _stop_watching(tx, incident)
        await postmortem.withdraw(tx, incident)
        slot, nth = _slot(incident), _nth(incident)
        entry = await timeline.record(deps, tx, incident, by.id, "reopened", "reopened", told=True)
        incident = await store.change(
            tx,
            number,
            status=Status.INVESTIGATING,
            mitigated_at=None,
            resolved_at=None,
            closed_at=None,
            watch_until=None,
        )
        incident = await cadence.commit(deps, tx, incident, cadence.next_due(deps, incident), entry)
        await escalations.reopened(deps, tx, incident)
        await deliveries.say(deps, tx, incident, deliveries.Reopened(by.id), slot)
        await email.keep_posted(deps, tx, incident, "reopened", nth=nth)
        await refresh.incident(deps, tx, incident)
        return incident
