"""Escalation policies followed: who is told when, until somebody is on it. Called in the transaction of the fact.

An escalation is saved with all of its steps: a timer for each, and a commitment for each target. An edit of the
catalogue counts for the next escalation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from bot.deps import Deps
from bot.domain.catalogue import policy
from bot.domain.catalogue.policy import EscalationPolicy
from bot.domain.errors import Conflict
from bot.domain.escalation import escalation as rules
from bot.domain.escalation.escalation import EscalationStart, ScheduledStep
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.step_target import StepTarget
from bot.domain.outgoing.timer import Timer
from bot.domain.people.person import BOT, Actor
from bot.ports import Tx
from bot.queue import audit, commitments, timers
from bot.services import subjects
from bot.services.escalation import messages, pages, status
from bot.services.messaging import refresh
from bot.services.subjects import Subject, of_incident
from bot.store.alerts import groups as alerts_store
from bot.store.escalation import escalations as store
from bot.store.escalation.escalations import Escalation
from bot.store.incidents import timeline as timeline_store
from bot.views import escalation as view

STEP = "escalation.step"
GRACE_SECONDS = 60.0
GRACE_WALL_SECONDS = 10.0  # pacing and a restart take wall time, however fast the clock of promises runs


# --- what happens to the subject of an escalation ---------------------------------------------------------------------


async def begin_planted(deps: Deps, tx: Tx, timer: Timer) -> None:
    subject = await subjects.lock(tx, timer.subject)
    if subject.is_open:
        await begin(deps, tx, subject, at=timer.due_at)


async def begin(deps: Deps, tx: Tx, of: Subject, *, at: datetime | None = None) -> None:
    """Starts the subject's escalation policy unless the subject follows it already. T+0 is when the alert came, or now
    where that is past.

    An incident leaves its escalation to its alert group, and an alert to its incident once that has a policy of its own
    and is no less severe. Steps due `at` a planted moment go out in this transaction.
    """
    policy = status.policy_of(deps, of)
    if policy is None or _is_suppressed(deps, of) or await _is_left_to_another(tx, of):
        return
    latest = await store.latest(tx, str(of))
    current = latest if latest and latest.ended_at is None else None
    if current and current.follows(of.service, policy.key):
        return
    if current:
        await _end(deps, tx, current, status.WORSE)
    start = EscalationStart(_beginning(of, latest, at or deps.clock.now()), number=_number(latest))
    escalation = await _start(deps, tx, of, policy, start, sends_at_once=at is not None)
    if at:
        await _catch_up(deps, tx, escalation)


async def again(deps: Deps, tx: Tx, of: Subject) -> None:
    if _is_suppressed(deps, of):
        return
    taker = await _taker(tx, of)
    if taker is not None:
        await again(deps, tx, of_incident(taker))
        return
    latest = await store.latest(tx, str(of))
    policy = status.policy_of(deps, of) or (latest.policy if latest else None)
    if policy is None:
        return
    if latest and latest.ended_at is None:
        await _end(deps, tx, latest, "unacknowledged")
    await _start(deps, tx, of, policy, EscalationStart(deps.clock.now(), number=_number(latest)))


async def end(deps: Deps, tx: Tx, of: Subject, why: str) -> None:
    """Ends the subject's escalations: `why` is `resolved`, `silenced` or `maintenance`. An incident's end is that of
    its alerts' escalations.

    Where an alert ends before its incident, the steps that wait for the resolution go on.
    """
    for escalation in await _open_escalations(tx, of):
        if why == "resolved" and await _goes_on(deps, tx, escalation):
            await _settle(deps, tx, escalation)
        else:
            await _end(deps, tx, escalation, why)
    if why == status.MAINTENANCE:
        await pages.maintained(deps, tx, str(of))


async def acknowledged(deps: Deps, tx: Tx, of: Subject) -> None:
    for escalation in await (store.open_about(tx, of.incident.id) if of.incident else _open_escalations(tx, of)):
        await _settle(deps, tx, escalation)


async def severity_changed(deps: Deps, tx: Tx, incident: Incident) -> None:
    policy = status.policy_of(deps, of_incident(incident))
    escalations = await store.open_about(tx, incident.id)
    if policy and any(escalation.follows(incident.service, policy.key) for escalation in escalations):
        return
    for escalation in escalations:
        await _end(deps, tx, escalation, status.WORSE if policy else "severity")
        await _show(deps, tx, escalation)
    if policy:
        latest = await store.latest(tx, incident.name)
        await _start(deps, tx, of_incident(incident), policy, EscalationStart(deps.clock.now(), number=_number(latest)))


async def reopened(deps: Deps, tx: Tx, incident: Incident) -> None:
    alerts = [Subject(group, incident) for group in await alerts_store.of_incident(tx, incident.id)]
    for subject in [one for one in alerts if status.policy_of(deps, one)] or [of_incident(incident)]:
        await begin(deps, tx, subject)


# --- by hand ----------------------------------------------------------------------------------------------------------


async def subject_of(tx: Tx, incident: Incident) -> str:
    escalations = await store.open_about(tx, incident.id)
    if any(escalation.incident for escalation in escalations):
        return incident.name
    groups = [
        await alerts_store.get(tx, escalation.alert_group) for escalation in escalations if escalation.alert_group
    ]
    if not groups:  # those whose escalation has ended, in a silence or in maintenance
        firing = await alerts_store.of_incident(tx, incident.id)
        groups = [group for group in firing if await store.latest(tx, str(group))]
    return str(min(groups, key=lambda group: (not group.is_open, group.rank, group.id), default=incident))


async def higher(deps: Deps, tx: Tx, of: Subject, by: Actor) -> Escalation:
    """From the level above the highest so far. Raises Conflict where there is none."""
    latest, now = await store.latest(tx, str(of)), deps.clock.now()
    if latest is None:
        policy = status.policy_of(deps, of)
        if policy is None:
            raise Conflict(f"{of} has no escalation policy. Page somebody by name: `/incident page {of} @person`.")
        start = EscalationStart(now - policy.offset(0), by_hand=True)
    else:
        policy = latest.policy
        start = rules.higher(policy, latest.start, await status.response(tx, latest), now)
        start = EscalationStart(start.begins_at, start.first, by_hand=True, number=latest.start.number + 1)
        if latest.ended_at is None:
            await _catch_up(deps, tx, latest)
            await _end(deps, tx, latest, status.ESCALATED)
    return await _start(deps, tx, of, policy, start, by=by.id)


async def _catch_up(deps: Deps, tx: Tx, escalation: Escalation) -> None:
    """What is due now goes out before another escalation replaces this one."""
    so_far = -1 if escalation.reached is None else escalation.reached
    for due in escalation.schedule:
        if due.position > so_far and due.due_at <= deps.clock.now():
            await _take(deps, tx, escalation, due)


# --- a step comes due -------------------------------------------------------------------------------------------------


async def step(deps: Deps, tx: Tx, timer: Timer) -> None:
    escalation = await _held(tx, int(timer.payload["escalation"]))
    if escalation.ended_at:
        return
    due = escalation.due(int(timer.payload["position"]))
    await _take(deps, tx, escalation, due)
    # Otherwise the card has said from the start what comes next.
    if not due.by_hand and due.due_at > escalation.start.begins_at:
        await _show(deps, tx, escalation)


async def _take(deps: Deps, tx: Tx, escalation: Escalation, due: ScheduledStep) -> None:
    why = await _why_not(deps, tx, escalation, due)
    if why:
        await _release(deps, tx, escalation, [due.position])
        detail = _detail(escalation, due) | {"why": why}
        await audit.record(tx, deps.clock, BOT, "escalation.skipped", escalation.subject, **detail)
    else:
        await _send(deps, tx, escalation, due)


async def _held(tx: Tx, number: int) -> Escalation:
    """Locks its subject first, like everybody who changes it."""
    await subjects.lock(tx, (await store.get(tx, number)).subject)
    return await store.get(tx, number)


async def _why_not(deps: Deps, tx: Tx, escalation: Escalation, due: ScheduledStep) -> str | None:
    why = await status.stopped(deps, tx, escalation.id, due.position)
    if why or due.by_hand or due.step.unless is not policy.Unless.RESOLVED:
        return why
    incident = (await subjects.load(tx, escalation.subject)).incident
    told = await store.notified_by_another(tx, escalation, incident.id, due.position) if incident else None
    return f"{told} has told them of {incident}." if told else None


async def _send(deps: Deps, tx: Tx, escalation: Escalation, due: ScheduledStep) -> None:
    subject = await subjects.load(tx, escalation.subject)
    incident = subject.incident
    for number, _ in messages.reached(deps, escalation, due, incident):
        await messages.send(deps, tx, escalation, StepTarget(escalation.id, due.position, number), rank=subject.rank)
    await store.mark_sent(tx, escalation, due.position)
    await audit.record(tx, deps.clock, BOT, "escalation.step", escalation.subject, **_detail(escalation, due))
    if incident and incident.is_open:
        text = view.timeline(escalation.subject, escalation.policy.key, due)
        await timeline_store.log(tx, incident.id, at=deps.clock.now(), kind="escalation", actor=BOT, text=text)


def _detail(escalation: Escalation, due: ScheduledStep) -> dict[str, object]:
    return {
        "policy": escalation.policy.key,
        "number": escalation.start.number,
        "step": due.position + 1,
        "notify": list(due.step.notify),
    }


# --- escalating -------------------------------------------------------------------------------------------------------


def _is_suppressed(deps: Deps, of: Subject) -> bool:
    return of.alert is not None and of.alert.is_suppressed(deps.clock.now())


def _number(latest: Escalation | None) -> int:
    return latest.start.number + 1 if latest else 1


def _beginning(of: Subject, latest: Escalation | None, now: datetime) -> datetime:
    return of.born_at if latest is None and now - of.born_at < status.AT_ONCE else now


async def _is_left_to_another(tx: Tx, of: Subject) -> bool:
    if of.alert or not of.incident:
        return await _taker(tx, of) is not None
    return any(escalation.alert_group for escalation in await store.open_about(tx, of.incident.id))


async def _taker(tx: Tx, of: Subject) -> Incident | None:
    incident = of.incident
    if not of.alert or not incident or not incident.is_open or incident.rank > of.alert.rank:
        return None
    return incident if await store.open_of(tx, incident.name) else None


async def _open_escalations(tx: Tx, of: Subject) -> Sequence[Escalation]:
    if of.incident and not of.alert:
        return await store.open_about(tx, of.incident.id)
    own = await store.open_of(tx, str(of))
    return [own] if own else []


async def _goes_on(deps: Deps, tx: Tx, escalation: Escalation) -> bool:
    now, found = deps.clock.now(), await status.response(tx, escalation)
    is_suppressed = found.suppressed_at is not None and found.resolved_at is None
    return is_suppressed and rules.next_step(escalation.policy, escalation.start, found, now) is not None


async def _start(
    deps: Deps,
    tx: Tx,
    of: Subject,
    policy: EscalationPolicy,
    start: EscalationStart,
    by: str = BOT,
    *,
    sends_at_once: bool = False,
) -> Escalation:
    whose = {"alert_group" if of.alert else "incident": of.itself.id}
    escalation = await store.add(tx, str(of), policy, start, service=of.service, begun_by=by, **whose)
    for due in escalation.schedule:
        if sends_at_once and due.due_at <= deps.clock.now():
            continue
        await timers.schedule(
            tx,
            kind=STEP,
            subject=escalation.subject,
            due_at=due.due_at,
            dedupe_key=f"{STEP}:{escalation.id}:{due.position}",
            payload={"escalation": escalation.id, "position": due.position},
        )
    await _commit(deps, tx, escalation, of.incident)
    await audit.record(
        tx, deps.clock, by, "escalation.begun", escalation.subject, policy=policy.key, number=start.number
    )
    if of.is_acknowledged:
        await _release_stopped(deps, tx, escalation)
    if start.number > 1:
        await _show(deps, tx, escalation)
    return escalation


async def _commit(deps: Deps, tx: Tx, escalation: Escalation, incident: Incident | None) -> None:
    grace, now = commitments.grace_seconds(deps, GRACE_SECONDS, wall=GRACE_WALL_SECONDS), deps.clock.now()
    due_at = {
        StepTarget(escalation.id, due.position, number).commitment: max(due.due_at, now)
        for due in escalation.schedule
        for number, target in messages.reached(deps, escalation, due, incident)
        if messages.is_promised(target, incident)
    }
    await commitments.add(tx, subject=escalation.subject, due_at=due_at, grace_seconds=grace)


async def _settle(deps: Deps, tx: Tx, escalation: Escalation) -> None:
    await _release_stopped(deps, tx, escalation)
    await _show(deps, tx, escalation)


async def _release_stopped(deps: Deps, tx: Tx, escalation: Escalation) -> None:
    found = await status.response(tx, escalation)
    await _release(deps, tx, escalation, [due.position for due in escalation.schedule if rules.stopped(due, found)])


async def _end(deps: Deps, tx: Tx, escalation: Escalation, why: str) -> None:
    now = deps.clock.now()
    if not await store.end(tx, escalation, at=now, why=why):
        return
    await timers.cancel(tx, subject=escalation.subject, kind=STEP)
    await _release(
        deps, tx, escalation, [due.position for due in escalation.schedule if _is_given_up(escalation, due, why, now)]
    )
    await audit.record(
        tx, deps.clock, BOT, "escalation.ended", escalation.subject, policy=escalation.policy.key, why=why
    )


def _is_given_up(escalation: Escalation, due: ScheduledStep, why: str, now: datetime) -> bool:
    if why not in status.GOES_ON or due.due_at > now:
        return True
    return why == status.WORSE and (escalation.reached is None or due.position > escalation.reached)


async def _release(deps: Deps, tx: Tx, escalation: Escalation, positions: Collection[int]) -> None:
    kinds = [kind for position in positions for kind in status.commitments_of(escalation, position)]
    await store.cancel_commitments(tx, escalation.subject, kinds, at=deps.clock.now())


async def _show(deps: Deps, tx: Tx, escalation: Escalation) -> None:
    subject = await subjects.load(tx, escalation.subject)
    if subject.alert and not subject.alert.storm:
        await refresh.alert(deps, tx, subject.alert)
    if subject.incident:
        await refresh.incident(deps, tx, subject.incident)
