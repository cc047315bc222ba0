"""What a step of an escalation policy says, from the state of this moment."""

from __future__ import annotations

from collections.abc import Sequence

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.escalation import escalation as rules
from bot.domain.escalation.escalation import EscalationStart, ScheduledStep
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.step_target import StepTarget
from bot.domain.people.access import USER, is_on_call
from bot.ports import Tx
from bot.queue import timers
from bot.services import subjects
from bot.services.escalation import status
from bot.services.workspace import oncall_now
from bot.store.escalation import escalations as store
from bot.store.escalation.escalations import Escalation
from bot.store.incidents import incidents as incidents_store
from bot.store.people import people as people_store
from bot.views import escalation as view


async def words(deps: Deps, tx: Tx, escalation: Escalation, step: StepTarget) -> view.StepMessage:
    subject, due = await subjects.load(tx, escalation.subject), escalation.due(step.position)
    group, incident = subject.alert, subject.incident
    service = deps.catalogue.service_or_default(escalation.service)
    severity = service.find_severity(subject.severity)
    roles = await incidents_store.roles_of(tx, incident.id) if incident else {}
    on_call = await _on_call(deps, tx, escalation, due)
    return view.StepMessage(
        subject=escalation.subject,
        title=group.called if group else incident.title if incident else "",
        level=f"{severity.key} {severity.name}".strip() if severity else subject.severity,
        service=service.name,
        policy=escalation.policy,
        start=escalation.start,
        due=due,
        response=await status.response(tx, escalation),
        now=deps.clock.now(),
        target=due.step.notify[step.number],
        is_alert=group is not None,
        acknowledged_by=_acknowledged_by(group, incident),
        led_by=roles.get("commander", ""),
        begun_by=escalation.begun_by,
        ask=incident.declared_by if incident and incident.private else "",
        is_drill=bool(incident and incident.drill),
        link=subjects.link(deps, subject),
        people=await _names(
            tx, escalation, [*roles.values(), *(one for some in on_call.values() for one in some)], group, incident
        ),
        on_call=on_call,
    )


async def _on_call(deps: Deps, tx: Tx, escalation: Escalation, due: ScheduledStep) -> dict[str, tuple[str, ...]]:
    """Where the catalogue knows them: PagerDuty is not asked here."""
    named = {target.partition(":")[2] for target in due.step.notify}
    found = {}
    for entry in filter(is_on_call, named):
        who = (await oncall_now.opened(deps, tx, [entry], escalation.service, {})).who
        if who and all(map(USER.fullmatch, who)):
            found[entry] = who
    return found


async def following(deps: Deps, tx: Tx, escalation: Escalation | None) -> ScheduledStep | None:
    """None where nothing more goes out by itself."""
    if escalation is None or escalation.ended_at:
        return None
    return rules.next_step(escalation.policy, escalation.start, await status.response(tx, escalation), deps.clock.now())


async def coming(deps: Deps, tx: Tx, of: AlertGroup | Incident) -> str:
    found = await store.open_about(tx, of.id) if isinstance(of, Incident) else [await store.latest(tx, str(of))]
    if not found and isinstance(of, Incident):
        return view.coming(await _about_to_begin(deps, tx, of))
    due = [one for one in [await following(deps, tx, escalation) for escalation in found] if one]
    return view.coming(min(due, key=lambda one: one.due_at, default=None))


async def _about_to_begin(deps: Deps, tx: Tx, incident: Incident) -> ScheduledStep | None:
    now, begins_at = deps.clock.now(), incident.declared_at
    policy = status.policy_of(deps, subjects.of_incident(incident))
    planted = timers.planted(status.BEGIN, incident.name, begins_at)
    if policy is None or now - begins_at > status.AT_ONCE or not await timers.is_pending(tx, planted):
        return None
    return rules.next_step(policy, EscalationStart(begins_at), status.weigh(None, incident, None, begins_at), now)


async def steps(deps: Deps, tx: Tx, subject: str) -> list[str]:
    escalation = await store.latest(tx, subject)
    if escalation is None:
        return []
    planned = rules.plan(
        escalation.policy,
        escalation.start,
        await status.response(tx, escalation),
        escalation.ended_at or deps.clock.now(),
    )
    kinds = {due.position: status.commitments_of(escalation, due.position) for due in escalation.schedule}
    states = await store.commitment_states(tx, escalation.subject, [kind for some in kinds.values() for kind in some])
    became = {position: [states[kind] for kind in some if kind in states] for position, some in kinds.items()}
    return view.steps(escalation.policy, planned, became, status.ENDED.get(escalation.ended_why or "", ""))


def _acknowledged_by(group: AlertGroup | None, incident: Incident | None) -> str:
    return next((one.acknowledged_by for one in (group, incident) if one and one.acknowledged_by), "")


async def _names(
    tx: Tx, escalation: Escalation, people: Sequence[str], group: AlertGroup | None, incident: Incident | None
) -> dict[str, str]:
    named = [target.partition(":")[2] for due in escalation.schedule for target in due.step.notify]
    wanted = [
        *named,
        escalation.begun_by,
        _acknowledged_by(group, incident),
        *people,
        incident.declared_by if incident else "",
    ]
    found = await people_store.find_all(tx, sorted({one for one in wanted if USER.fullmatch(one)}))
    return {person.id: person.name for person in found}
