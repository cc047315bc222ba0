"""Whether a step of an escalation policy is still wanted: asked just before anything leaves."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.catalogue.policy import EscalationPolicy
from bot.domain.escalation import escalation as rules
from bot.domain.escalation.escalation import ResponseStatus
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.step_target import StepTarget
from bot.ports import Tx
from bot.queue import commitments
from bot.services import subjects
from bot.services.subjects import Subject
from bot.store.escalation import escalations
from bot.store.escalation.escalations import Escalation

# Why an escalation ended because another one took its place. What it had sent by then still goes out.
ESCALATED = "escalated"
WORSE = "worse"
MAINTENANCE = "maintenance"  # … and why one ended that has a page at PagerDuty to be left alone
AT_ONCE = timedelta(minutes=1)  # what is begun within it was begun when the alert came
BEGIN = "escalation.begin"
GOES_ON = frozenset({ESCALATED, WORSE})
ENDED = {
    "resolved": "is resolved",
    "silenced": "is silenced",
    MAINTENANCE: "is in maintenance",
    "severity": "has another severity",
    "unacknowledged": "starts its escalation policy once more",
}


def commitments_of(escalation: Escalation, position: int) -> list[str]:
    numbers = range(len(escalation.policy.step(position).notify))
    return [StepTarget(escalation.id, position, number).commitment for number in numbers]


def policy_of(deps: Deps, of: Subject) -> EscalationPolicy | None:
    """As the catalogue has it now. An alert group's was found by its route."""
    service = deps.catalogue.service_or_default(of.service)
    if of.alert:
        return service.escalation_policies.get(of.alert.escalation_policy or "")
    severity = service.find_severity(of.severity)
    return service.escalation_policies.get(severity.escalation_policy or "") if severity else None


async def response(tx: Tx, escalation: Escalation) -> ResponseStatus:
    """From the state of this moment. An alert and its incident are one matter:

    * an acknowledgement of either is one of both; the commander of the incident is assigned to the alert;
    * resolving the incident stops everything;
    * an alert that ends while its incident is open is quiet: nobody is woken for it, and steps that wait for the
    resolution go on, since “a P0 lasts over two hours” is about the incident.

    An incident that was resolved before the escalation began says nothing about it: the alert has become worse since.
    """
    subject = await subjects.load(tx, escalation.subject)
    incident = subject.incident
    commanded_at = await escalations.commander_since(tx, incident.id) if incident else None
    return weigh(subject.alert, incident, commanded_at, escalation.start.begins_at)


def weigh(
    group: AlertGroup | None, incident: Incident | None, commanded_at: datetime | None, begins_at: datetime
) -> ResponseStatus:
    if incident is None or (group and incident.resolved_at and incident.resolved_at < begins_at):
        acknowledged_at = group.acknowledged_at if group else None
        return ResponseStatus(acknowledged_at, acknowledged_at, group.resolved_at if group else None)
    if group is None:
        return ResponseStatus(incident.acknowledged_at, commanded_at, incident.resolved_at)
    acknowledged = (group.acknowledged_at, incident.acknowledged_at)
    acknowledged_at = min((at for at in acknowledged if at), default=None)
    return ResponseStatus(acknowledged_at, commanded_at, incident.resolved_at, suppressed_at=group.resolved_at)


async def stopped(deps: Deps, tx: Tx, escalation_id: int, position: int) -> str | None:
    """None where it is wanted."""
    escalation = await escalations.get(tx, escalation_id)
    newest = await escalations.latest(tx, escalation.subject) if escalation.ended_why in GOES_ON else escalation
    if newest and newest.ended_at and newest.ended_why not in GOES_ON:
        return f"{escalation.subject} {ENDED.get(newest.ended_why or '', 'escalates no more')}."
    word = rules.stopped(escalation.due(position), await response(tx, escalation))
    return f"{escalation.subject} is {word} by now." if word else None


async def meet(deps: Deps, tx: Tx, subject: str, step: StepTarget) -> None:
    await commitments.meet(tx, subject=subject, kind=step.commitment, at=deps.clock.now())
