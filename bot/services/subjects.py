"""The subject of notes, pages and escalations: an alert group, an incident or a run.

Locks are taken in this order: an alert, then its incident, then anything written about either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.deps import Deps
from bot.domain.alerts import group as alert_rules
from bot.domain.alerts.group import AlertGroup
from bot.domain.errors import Missing
from bot.domain.incidents import incident as incident_rules
from bot.domain.incidents.incident import Incident, Placement
from bot.domain.outgoing.delivery import Wait
from bot.domain.runs import run as run_rules
from bot.domain.runs.run import Run
from bot.ports import Tx
from bot.services.workspace import channels
from bot.store.alerts import groups, storms
from bot.store.incidents import incidents
from bot.store.runs import runs
from bot.views.kit import links

SOON_SECONDS = 0.5
CHANNEL_WAIT_SECONDS = 15.0
NOT_YET = Wait(2.0, "what it belongs to is being posted")  # which hurries what waits for it, by `retry_now`
NO_CHANNEL = Wait(CHANNEL_WAIT_SECONDS, "the channel for it cannot be used yet")

Place = tuple[str, str | None]  # channel and thread


@dataclass(frozen=True)
class Subject:
    """`incident` is the subject itself, or the incident that its alert or run belongs to."""

    itself: AlertGroup | Incident | Run
    incident: Incident | None = None

    def __str__(self) -> str:
        return str(self.itself)

    @property
    def alert(self) -> AlertGroup | None:
        return self.itself if isinstance(self.itself, AlertGroup) else None

    @property
    def run(self) -> Run | None:
        return self.itself if isinstance(self.itself, Run) else None

    @property
    def service(self) -> str:
        return self.itself.service

    @property
    def rank(self) -> int:
        """The worse of its own and its incident's; 0 is the worst."""
        return min(self.itself.rank, self.incident.rank) if self.incident else self.itself.rank

    @property
    def severity(self) -> str:
        return self.itself.severity or ""

    @property
    def born_at(self) -> datetime:
        match self.itself:
            case AlertGroup(opened_at=at) | Incident(declared_at=at) | Run(created_at=at):
                return at

    @property
    def title(self) -> str:
        match self.itself:
            case AlertGroup(called=title) | Incident(short_title=title) | Run(runbook=title):
                return title

    @property
    def is_open(self) -> bool:
        return not self.run.is_over if self.run else (self.alert or self.itself).is_open  # type: ignore[union-attr]

    @property
    def is_private(self) -> bool:
        """Nothing but the name may leave Slack."""
        return bool(not self.alert and self.incident and self.incident.private)

    @property
    def is_drill(self) -> bool:
        return bool(not self.alert and self.incident and self.incident.drill)

    @property
    def take_on(self) -> str:
        if self.run and not self.incident:
            return f"/runbook status {self}"
        return f"/incident ack {self.alert or self.incident}"

    @property
    def is_acknowledged(self) -> bool:
        return any(one.acknowledged_at for one in (self.alert, self.incident) if one)

    def was_taken_on_since(self, moment: datetime) -> bool:
        acknowledged = [] if self.run else [one.acknowledged_at for one in (self.alert, self.incident) if one]
        return any(at is not None and at > moment for at in acknowledged)


def of_incident(incident: Incident) -> Subject:
    return Subject(incident, incident)


async def of_alert(tx: Tx, group: AlertGroup) -> Subject:
    """The caller holds the group; its incident is locked."""
    return Subject(group, await incidents.lock(tx, group.incident) if group.incident else None)


async def load(tx: Tx, name: str) -> Subject:
    """Raises Missing."""
    if number := alert_rules.number(name):
        group = await groups.get(tx, number)
        return Subject(group, await incidents.find(tx, group.incident) if group.incident else None)
    if number := incident_rules.number(name):
        return of_incident(await incidents.get(tx, number))
    if number := run_rules.number(name):
        run = await runs.get(tx, number)
        return Subject(run, await incidents.get(tx, run.incident) if run.incident else None)
    raise Missing(f"There is no {name}.")


async def lock(tx: Tx, name: str) -> Subject:
    """An alert and its incident. A run belongs to its executor, and is only read. Raises Missing."""
    if number := alert_rules.number(name):
        return await of_alert(tx, await groups.lock(tx, number))
    if number := incident_rules.number(name):
        return of_incident(await incidents.lock(tx, number))
    return await load(tx, name)


async def roles(tx: Tx, subject: Subject) -> dict[str, str]:
    return await incidents.roles_of(tx, subject.incident.id) if subject.incident and not subject.alert else {}


# --- in Slack ---------------------------------------------------------------------------------------------------------


def link(deps: Deps, subject: Subject) -> str | None:
    """None for a private incident."""
    own = subject.alert or subject.run
    if own and own.ts:
        return links.permalink(deps, own.channel, own.ts)
    incident = subject.incident
    return links.permalink(deps, *incident.card) if incident and not incident.private and not subject.run else None


async def thread(tx: Tx, subject: Subject) -> Place | Wait:
    match subject.itself:
        case Incident() as incident:
            return place_of(incident)
        case Run() as run:
            return (run.channel, run.root) if run.channel and run.root else NOT_YET
        case AlertGroup() as group:
            return await _under_its_card(tx, group)


def place_of(incident: Incident) -> Place | Wait:
    channel, thread = incident.place
    if not channel or (incident.placement is Placement.THREAD and not thread):
        return NOT_YET
    return channel, thread


async def _under_its_card(tx: Tx, group: AlertGroup) -> Place | Wait:
    if group.channel and group.ts:
        return group.channel, group.ts
    if group.storm:
        storm = await storms.storm(tx, group.storm)
        return (storm.channel, storm.ts) if storm.channel and storm.ts else Wait(SOON_SECONDS, NOT_YET.reason)
    return NOT_YET if group.has_card else await channel_named(tx, group.channel_name)


async def targeted(tx: Tx, target: str) -> Place | Wait:
    kind, _, who = target.partition(":")
    return await channel_named(tx, who) if kind == "slack" else (who, None)


async def channel_named(tx: Tx, name: str) -> Place | Wait:
    """Wait until Slack has shown it."""
    channel = await channels.resolve(tx, name)
    return (channel, None) if channel else NO_CHANNEL
