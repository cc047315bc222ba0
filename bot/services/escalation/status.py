"""Whether a step of a ladder is still wanted: asked once more just before anything leaves."""

from __future__ import annotations

from datetime import datetime

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.escalation import escalation as rules
from bot.domain.escalation.escalation import Standing
from bot.domain.incidents.incident import Incident
from bot.ports import Tx
from bot.store.alerts import groups as alert_groups
from bot.store.escalation import escalations
from bot.store.escalation.escalations import Way
from bot.store.incidents import incidents

# Why a climb ended because another one took its place. What it had sent by then still goes out.
ESCALATED = "escalated"
WORSE = "worse"
MAINTENANCE = "maintenance"  # … and why one ended that has a page at PagerDuty to be left alone
GOES_ON = frozenset({ESCALATED, WORSE})
ENDED = {
    "resolved": "is resolved",
    "silenced": "is silenced",
    MAINTENANCE: "is in maintenance",
    "severity": "has another severity",
    "unacknowledged": "climbs its ladder once more",
}


def promise_of(climb: int, position: int, target: int) -> str:
    """The kind of the promise that this step reaches its n-th target, from 0."""
    return f"ladder:{climb}:{position}:{target}"


def promises_of(way: Way, position: int) -> list[str]:
    return [promise_of(way.id, position, number) for number in range(len(way.ladder.step(position).notify))]


async def of(tx: Tx, way: Way) -> Standing:
    """What has become of whatever climbs, from the state of this moment. An alert and its incident are one matter:

    * who acknowledged either is on both; who leads the incident is assigned to the alert;
    * resolving the incident stops everything;
    * an alert that ends while its incident is open is quiet: nobody is woken for it any more, and steps that wait for
      the resolution go on, since “a P0 lasts over two hours” is about the incident.

    An incident that was resolved before the climb began says nothing about it: the alert has become worse since.
    """
    group, incident = await about(tx, way)
    commanded_at = await escalations.commander_since(tx, incident.id) if incident else None
    return weigh(group, incident, commanded_at, way.climb.begins_at)


async def about(tx: Tx, way: Way) -> tuple[AlertGroup | None, Incident | None]:
    """The alert group and the incident that the climb is about."""
    group = await alert_groups.find(tx, way.alert_group) if way.alert_group else None
    number = group.incident if group else way.incident
    return group, await incidents.find(tx, number) if number else None


def weigh(
    group: AlertGroup | None, incident: Incident | None, commanded_at: datetime | None, begins_at: datetime
) -> Standing:
    if incident is None or (group and incident.resolved_at and incident.resolved_at < begins_at):
        acknowledged_at = group.acknowledged_at if group else None
        return Standing(acknowledged_at, acknowledged_at, group.resolved_at if group else None)
    if group is None:
        return Standing(incident.acknowledged_at, commanded_at, incident.resolved_at)
    acknowledged_at = _earlier(group.acknowledged_at, incident.acknowledged_at)
    return Standing(acknowledged_at, commanded_at, incident.resolved_at, quiet_at=group.resolved_at)


def _earlier(*moments: datetime | None) -> datetime | None:
    return min((one for one in moments if one), default=None)


async def stopped(deps: Deps, tx: Tx, climb: int, position: int) -> str | None:
    """Why it need not go out any more, in one sentence; None: it is wanted."""
    way = await escalations.get(tx, climb)
    newest = await escalations.latest(tx, way.subject) if way.ended_why in GOES_ON else way
    if newest and newest.ended_at and newest.ended_why not in GOES_ON:
        return f"{way.subject} {ENDED.get(newest.ended_why or '', 'climbs no more')}."
    word = rules.stopped(way.due(position), await of(tx, way))
    return f"{way.subject} is {word} by now." if word else None
