"""Ladders climbed: who is told when, until somebody is on it. Called in the transaction of the fact.

A climb is written down with all of its steps: a timer for each, and a promise for each of those whom it tells. What an
operator changes in the catalogue afterwards counts for the next climb.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.catalogue import policy
from bot.domain.catalogue.policy import Ladder
from bot.domain.catalogue.service import Service
from bot.domain.errors import Conflict
from bot.domain.escalation import escalation as rules
from bot.domain.escalation.escalation import Climb, Due
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.timer import Timer
from bot.domain.people.person import BOT, Actor
from bot.ports import Tx
from bot.queue import audit, commitments, timers
from bot.services.escalation import deliveries, pages, status
from bot.services.messaging import refresh
from bot.store.alerts import groups as alerts_store
from bot.store.escalation import escalations as store
from bot.store.escalation.escalations import Way
from bot.store.incidents import incidents as incidents_store
from bot.store.incidents import timeline as timeline_store
from bot.views import escalation as view

STEP = "ladder.step"
GRACE_SECONDS = 60.0
GRACE_WALL_SECONDS = 10.0  # pacing and a restart take wall time, however fast the clock of promises runs
AT_ONCE = timedelta(minutes=1)  # what is begun within it was begun when the alert came

Climber = AlertGroup | Incident


# --- turns in the life of what climbs ---------------------------------------------------------------------------------


async def begin(deps: Deps, tx: Tx, of: Climber) -> None:
    """T+0 is when the alert came, or now where that is past; nothing where it climbs this ladder already.

    An incident of an alert group leaves it to the group, and an alert to its incident, once that has a ladder of its
    own and is no less severe.
    """
    ladder = _ladder(deps, of)
    if ladder is None or _is_quiet(deps, of):
        return
    await _hold_incident(tx, of)
    if await _is_left_to_another(tx, of):
        return
    latest = await store.latest(tx, str(of))
    current = latest if latest and latest.ended_at is None else None
    if current and current.climbs(of.service, ladder.key):
        return
    if current:
        await _end(deps, tx, current, status.WORSE)
    await _climb(deps, tx, of, ladder, Climb(_beginning(deps, of, latest), number=_number(latest)))


async def again(deps: Deps, tx: Tx, of: Climber) -> None:
    """Nobody is on it any more: from the first step once more."""
    if _is_quiet(deps, of):
        return
    await _hold_incident(tx, of)
    taker = await _taker(tx, of)
    if taker is not None:
        await again(deps, tx, taker)
        return
    latest = await store.latest(tx, str(of))
    ladder = _ladder(deps, of) or (latest.ladder if latest else None)
    if ladder is None:
        return
    if latest and latest.ended_at is None:
        await _end(deps, tx, latest, "unacknowledged")
    await _climb(deps, tx, of, ladder, Climb(deps.clock.now(), number=_number(latest)))


async def end(deps: Deps, tx: Tx, of: Climber, why: str) -> None:
    """Nothing more goes out: `resolved`, `silenced`, `maintenance`. With an incident, its alerts' climbs end, too.

    Where an alert is over and its incident is not, the steps that wait for the resolution go on.
    """
    await _hold_incident(tx, of)
    for way in await _ways(tx, of):
        if why == "resolved" and await _goes_on(deps, tx, way):
            await _settle(deps, tx, way)
        else:
            await _end(deps, tx, way, why)
    if why == status.MAINTENANCE:
        await pages.maintained(deps, tx, str(of))


async def acknowledged(deps: Deps, tx: Tx, of: Climber, by: Actor) -> None:
    """Somebody is on it, or leads it: what waits for that is not promised any more, and will not be sent."""
    await _hold_incident(tx, of)
    incident = of.incident if isinstance(of, AlertGroup) else of.id
    ways = await store.open_about(tx, incident) if incident else await _ways(tx, of)
    for way in ways:
        await _settle(deps, tx, way)


async def severity_changed(deps: Deps, tx: Tx, incident: Incident) -> None:
    """Somebody chose another severity: its ladder is climbed from now on, and no other one."""
    ladder = _ladder(deps, incident)
    ways = await store.open_about(tx, incident.id)
    if ladder and any(way.climbs(incident.service, ladder.key) for way in ways):
        return
    for way in ways:
        await _end(deps, tx, way, status.WORSE if ladder else "severity")
        await _show(deps, tx, way)
    if ladder:
        latest = await store.latest(tx, incident.name)
        await _climb(deps, tx, incident, ladder, Climb(deps.clock.now(), number=_number(latest)))


async def reopened(deps: Deps, tx: Tx, incident: Incident) -> None:
    """Back to work: its alerts that fire still climb again, or else itself."""
    groups = [group for group in await alerts_store.of_incident(tx, incident.id) if _ladder(deps, group)]
    climbers: Sequence[Climber] = groups or [incident]
    for climber in climbers:
        await begin(deps, tx, climber)


# --- by hand ----------------------------------------------------------------------------------------------------------


async def climber_of(tx: Tx, incident: Incident) -> Climber:
    """What climbs on its behalf: the alert group that does, or itself."""
    ways = await store.open_about(tx, incident.id)
    if any(way.incident for way in ways):
        return incident
    groups = [await alerts_store.get(tx, way.alert_group) for way in ways if way.alert_group]
    if not groups:  # those whose climb has ended, in a silence or in maintenance
        firing = await alerts_store.of_incident(tx, incident.id)
        groups = [group for group in firing if await store.latest(tx, str(group))]
    return min(groups, key=lambda group: (not group.is_open, group.rank, group.id), default=incident)


async def higher(deps: Deps, tx: Tx, of: Climber, by: Actor) -> Way:
    """The level above the highest so far goes out now. Raises Conflict where there is none."""
    latest, now = await store.latest(tx, str(of)), deps.clock.now()
    if latest is None:
        ladder = _needed_ladder(deps, of)
        climb = Climb(now - ladder.offset(0), by_hand=True)
    else:
        ladder = latest.ladder
        climb = rules.higher(ladder, latest.climb, await status.of(tx, latest), now)
        climb = Climb(climb.begins_at, climb.first, by_hand=True, number=latest.climb.number + 1)
        if latest.ended_at is None:
            await _catch_up(deps, tx, latest)
            await _end(deps, tx, latest, status.ESCALATED)
    return await _climb(deps, tx, of, ladder, climb, by=by.id)


async def _catch_up(deps: Deps, tx: Tx, way: Way) -> None:
    """What is due at this very moment is not lost by the climb's becoming another one."""
    so_far = -1 if way.reached is None else way.reached
    for due in way.schedule:
        if due.position > so_far and due.due_at <= deps.clock.now():
            await _take(deps, tx, way, due)


def _needed_ladder(deps: Deps, of: Climber) -> Ladder:
    ladder = _ladder(deps, of)
    if ladder is None:
        raise Conflict(f"{of} has no ladder. Page somebody by name: `/incident page {of} @person`.")
    return ladder


# --- a step comes due -------------------------------------------------------------------------------------------------


async def step(deps: Deps, tx: Tx, timer: Timer) -> None:
    """Whom it tells is told, unless somebody is on it by now."""
    way = await _held(tx, int(timer.payload["climb"]))
    if way.ended_at:
        return
    due = way.due(int(timer.payload["position"]))
    await _take(deps, tx, way, due)
    if not due.by_hand and due.due_at > way.climb.begins_at:  # else the card has said from the start what comes next
        await _show(deps, tx, way)


async def _take(deps: Deps, tx: Tx, way: Way, due: Due) -> None:
    why = await _why_not(deps, tx, way, due)
    if why:
        await _skip(deps, tx, way, due, why)
    else:
        await _send(deps, tx, way, due)


async def _held(tx: Tx, climb: int) -> Way:
    """What climbs is held before its climb is looked at, as everybody does who changes something about it."""
    way = await store.get(tx, climb)
    if way.alert_group:
        await _hold_incident(tx, await alerts_store.lock(tx, way.alert_group))
    elif way.incident:
        await incidents_store.lock(tx, way.incident)
    return await store.get(tx, climb)


async def _hold_incident(tx: Tx, of: Climber) -> None:
    """An alert is held before its incident, and that before any climb: everybody waits in one order."""
    if isinstance(of, AlertGroup) and of.incident:
        await incidents_store.lock(tx, of.incident)


async def _why_not(deps: Deps, tx: Tx, way: Way, due: Due) -> str | None:
    why = await status.stopped(deps, tx, way.id, due.position)
    if why or due.by_hand or due.step.unless is not policy.Unless.RESOLVED:
        return why
    _, incident = await status.about(tx, way)
    told = await store.told_by_another(tx, way, incident.id, due.position) if incident else None
    return f"{told} has told them of {incident}." if told else None


async def _skip(deps: Deps, tx: Tx, way: Way, due: Due, why: str) -> None:
    await store.release(tx, way.subject, status.promises_of(way, due.position), at=deps.clock.now())
    await audit.record(tx, deps.clock, BOT, "ladder.skipped", way.subject, **_detail(way, due), why=why)


async def _send(deps: Deps, tx: Tx, way: Way, due: Due) -> None:
    group, incident = await status.about(tx, way)
    for number, target in deliveries.reached(deps, way, due, incident):
        await deliveries.send(deps, tx, way, due, number, target, rank=_rank(group, incident))
    await store.went_out(tx, way, due.position)
    await audit.record(tx, deps.clock, BOT, "ladder.step", way.subject, **_detail(way, due))
    if incident and incident.is_open:
        text = view.timeline(way.subject, way.ladder.key, due)
        await timeline_store.log(tx, incident.id, at=deps.clock.now(), kind="ladder", actor=BOT, text=text)


def _detail(way: Way, due: Due) -> dict[str, object]:
    return {
        "ladder": way.ladder.key,
        "climb": way.climb.number,
        "step": due.position + 1,
        "notify": list(due.step.notify),
    }


def _rank(group: AlertGroup | None, incident: Incident | None) -> int:
    return min(one.rank for one in (group, incident) if one)


# --- climbing ---------------------------------------------------------------------------------------------------------


def _ladder(deps: Deps, of: Climber) -> Ladder | None:
    """As the catalogue has it now. An alert group's was found by its route."""
    service: Service = deps.catalogue.service_or_default(of.service)
    if isinstance(of, AlertGroup):
        return service.ladders.get(of.ladder or "")
    severity = service.find_severity(of.severity)
    return service.ladders.get(severity.ladder or "") if severity else None


def _is_quiet(deps: Deps, of: Climber) -> bool:
    """Silenced, or in maintenance: its ladder begins when that is over."""
    return isinstance(of, AlertGroup) and of.is_quiet(deps.clock.now())


def _number(latest: Way | None) -> int:
    return latest.climb.number + 1 if latest else 1


def _beginning(deps: Deps, of: Climber, latest: Way | None) -> datetime:
    now = deps.clock.now()
    came = of.opened_at if isinstance(of, AlertGroup) else of.declared_at
    return came if latest is None and now - came < AT_ONCE else now


async def _is_left_to_another(tx: Tx, of: Climber) -> bool:
    if isinstance(of, AlertGroup):
        return await _taker(tx, of) is not None
    return any(way.alert_group for way in await store.open_about(tx, of.id))


async def _taker(tx: Tx, of: Climber) -> Incident | None:
    """The open incident of an alert group that climbs a ladder of its own and is as severe."""
    if not isinstance(of, AlertGroup) or of.incident is None:
        return None
    incident = await incidents_store.get(tx, of.incident)
    own = await store.open_of(tx, incident.name)
    return incident if own and incident.is_open and incident.rank <= of.rank else None


async def _ways(tx: Tx, of: Climber) -> Sequence[Way]:
    if isinstance(of, Incident):
        return await store.open_about(tx, of.id)
    own = await store.open_of(tx, str(of))
    return [own] if own else []


async def _goes_on(deps: Deps, tx: Tx, way: Way) -> bool:
    now, found = deps.clock.now(), await status.of(tx, way)
    is_quiet = found.quiet_at is not None and found.resolved_at is None
    return is_quiet and rules.next_step(way.ladder, way.climb, found, now) is not None


async def _climb(deps: Deps, tx: Tx, of: Climber, ladder: Ladder, climb: Climb, by: str = BOT) -> Way:
    whose = {"alert_group": of.id} if isinstance(of, AlertGroup) else {"incident": of.id}
    way = await store.add(tx, str(of), ladder, climb, service=of.service, begun_by=by, **whose)
    for due in way.schedule:
        await timers.schedule(
            tx,
            kind=STEP,
            subject=way.subject,
            due_at=due.due_at,
            dedupe_key=f"{STEP}:{way.id}:{due.position}",
            payload={"climb": way.id, "position": due.position},
        )
    group, incident = await status.about(tx, way)
    await _promise(deps, tx, way, incident)
    await audit.record(tx, deps.clock, by, "ladder.begun", way.subject, ladder=ladder.key, climb=climb.number)
    if any(one.acknowledged_at for one in (group, incident) if one):
        await _release_stopped(deps, tx, way)
    if climb.number > 1:
        await _show(deps, tx, way)
    return way


async def _promise(deps: Deps, tx: Tx, way: Way, incident: Incident | None) -> None:
    grace, now = commitments.grace_seconds(deps, GRACE_SECONDS, wall=GRACE_WALL_SECONDS), deps.clock.now()
    due_at = {
        status.promise_of(way.id, due.position, number): max(due.due_at, now)
        for due in way.schedule
        for number, target in deliveries.reached(deps, way, due, incident)
        if deliveries.is_promised(target, incident)
    }
    await commitments.make_all(tx, subject=way.subject, due_at=due_at, grace_seconds=grace)


async def _settle(deps: Deps, tx: Tx, way: Way) -> None:
    """What is stopped by now is not promised any more."""
    await _release_stopped(deps, tx, way)
    await _show(deps, tx, way)


async def _release_stopped(deps: Deps, tx: Tx, way: Way) -> None:
    found = await status.of(tx, way)
    await _release(deps, tx, way, [due.position for due in way.schedule if rules.stopped(due, found)])


async def _end(deps: Deps, tx: Tx, way: Way, why: str) -> None:
    """What was due by then is still sent where the climb goes on as another one."""
    now = deps.clock.now()
    if not await store.end(tx, way, at=now, why=why):
        return
    await timers.cancel(tx, subject=way.subject, kind=STEP)
    await _release(deps, tx, way, [due.position for due in way.schedule if _is_given_up(way, due, why, now)])
    await audit.record(tx, deps.clock, BOT, "ladder.ended", way.subject, ladder=way.ladder.key, why=why)


def _is_given_up(way: Way, due: Due, why: str, now: datetime) -> bool:
    """Whether a climb's end is the end of this step, too."""
    if why not in status.GOES_ON or due.due_at > now:
        return True
    return why == status.WORSE and (way.reached is None or due.position > way.reached)


async def _release(deps: Deps, tx: Tx, way: Way, positions: Collection[int]) -> None:
    kinds = [kind for position in positions for kind in status.promises_of(way, position)]
    await store.release(tx, way.subject, kinds, at=deps.clock.now())


async def _show(deps: Deps, tx: Tx, way: Way) -> None:
    """The cards say what comes next. That of a storm does not."""
    group, incident = await status.about(tx, way)
    if group and not group.storm:
        await refresh.alert(deps, tx, group)
    if incident:
        await refresh.incident(deps, tx, incident)
