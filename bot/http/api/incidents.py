"""`/api/sre/incidents`: declare one, list them with their alerts, acknowledge and resolve either."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from bot.deps import Deps
from bot.domain.alerts import group as alert_group
from bot.domain.alerts.group import AlertGroup
from bot.domain.errors import Conflict
from bot.domain.incidents.draft import TITLE_LIMIT, Draft, readable
from bot.domain.incidents.incident import Incident
from bot.domain.people.person import Actor
from bot.http.access import Caller, Reader, Writer
from bot.http.api import idempotency
from bot.http.api.alerts import AlertShape, NoisyRulesShape, noisy_rules_shape
from bot.http.api.idempotency import Key
from bot.http.door import TheDeps
from bot.http.problems import documented
from bot.services.admin import overview
from bot.services.admin.overview import Overview, Wanted
from bot.services.alerts import operations as alert_operations
from bot.services.incidents import declare, lifecycle as incidents, queries as incident_queries, resolution

router = APIRouter(prefix="/api/sre", tags=["incidents"])


class Declaration(BaseModel):
    """What is wrong. Severity and service are keys or aliases; absent, the catalogue's defaults."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = Field(min_length=1, max_length=TITLE_LIMIT, examples=["Checkout is down"])
    severity: str | None = Field(default=None, max_length=64, examples=["P1"])
    service: str | None = Field(default=None, max_length=64)
    impact: str | None = Field(default=None, max_length=TITLE_LIMIT)
    private: bool = False
    drill: bool = False


class Channel(BaseModel):
    id: str
    name: str | None


class IncidentShape(BaseModel):
    """An incident. Times are UTC; those of what has not happened are null. People are Slack user ids."""

    id: str = Field(examples=["INC-42"])
    title: str
    service: str
    severity: str
    status: str
    private: bool
    drill: bool
    source: str
    impact: str
    declared_by: str
    roles: dict[str, str]
    channel: Channel | None
    declared_at: datetime
    detected_at: datetime
    acknowledged_at: datetime | None
    mitigated_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    next_update_at: datetime | None


class Listing(BaseModel):
    """Incidents, the newest hundred alerts, and figures."""

    recent_alerts: list[AlertShape]
    incidents: list[IncidentShape]
    active_by_severity: dict[str, int]
    mtta_seconds: float | None
    mttr_seconds: float | None
    alert_fatigue: NoisyRulesShape


Words = Annotated[list[str], Query(max_length=20)]


@router.get("/incidents")
async def list_incidents(
    deps: TheDeps,
    reader: Reader,
    severity: Words = [],  # noqa: B006 - FastAPI copies defaults
    service: Words = [],  # noqa: B006
    source: Words = [],  # noqa: B006
    status: Words = [],  # noqa: B006
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Listing:
    """The newest first. A filter takes keys and aliases, may be repeated, and holds for incidents and alerts.

    Private incidents are never listed, nor are alerts that belong to one.
    """
    wanted = Wanted(tuple(severity), tuple(service), tuple(status), tuple(source), limit)
    return _listing(await overview.overview(deps, wanted))


@router.post(
    "/incidents",
    status_code=201,
    responses={200: {"description": "It was declared already", "model": IncidentShape}},
)
async def declare_incident(
    declaration: Declaration, deps: TheDeps, caller: Writer, response: Response, key: Key = None
) -> IncidentShape:
    """Declare an incident as the token's owner. 200 where the same key, or the same words a moment ago, did it."""
    fields = declaration.model_dump()
    draft = Draft.from_fields(fields, deps.catalogue)  # what is refused here does not spend the key
    actor = await idempotency.actor(deps, caller, key, fields)
    incident, is_new = await declare.declare(deps, draft, actor)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/api/sre/incidents/{incident}"
    return shape(incident, await incident_queries.roles_of(deps, incident))


@router.get("/incidents/{id}")
async def show_incident(id: str, deps: TheDeps, reader: Reader) -> IncidentShape:  # noqa: A002 - the path says {id}
    """One incident. A private one only where the token's owner declared it, holds a role in it or administers."""
    return shape(*await overview.one(deps, id, Actor(reader.person, source="api") if reader else None))


# --- what a program may do to one -------------------------------------------------------------------------------------


class Resolution(BaseModel):
    """What ended an incident. An alert needs neither."""

    model_config = ConfigDict(extra="forbid", strict=True)

    fix: str = Field(default="", max_length=resolution.LIMIT, examples=["Rolled back 1.42"])
    impact: str = Field(default="", max_length=resolution.LIMIT, examples=["Nobody could pay for ten minutes"])


class SubjectStatus(BaseModel):
    """How it is now. An alert's status is firing, acknowledged or resolved; an incident's is its own."""

    id: str = Field(examples=["ALR-42", "INC-42"])
    status: str = Field(examples=["acknowledged"])
    acknowledged_at: datetime | None
    acknowledged_by: str | None = Field(examples=["U024BE7LH"])
    resolved_at: datetime | None


REFUSALS = documented(
    _401="No token, or one that is not in force.",
    _403="The token has no write scope, or its owner may not respond.",
    _404="There is no such incident or alert.",
    _409="It is over already.",
)


@router.post("/incidents/{id}/acknowledge", responses=REFUSALS)
async def acknowledge(id: str, deps: TheDeps, caller: Writer) -> SubjectStatus:  # noqa: A002
    """The token's owner is on it: an alert (`ALR-42`) or an incident (`INC-42`). The first one stays, however often."""
    number, by = alert_group.number(id), _actor(caller)
    if number is not None:
        group, _ = await alert_operations.acknowledge(deps, number, by)
        return _status(group)
    named, _ = await overview.one(deps, id, by)
    incident, _ = await incidents.acknowledge(deps, named.id, by)
    return _status(incident)


@router.post("/incidents/{id}/resolve", responses=REFUSALS)
async def resolve(id: str, deps: TheDeps, caller: Writer, said: Resolution | None = None) -> SubjectStatus:  # noqa: A002
    """It is over, says the token's owner: an alert (`ALR-42`) or an incident (`INC-42`). Again changes nothing."""
    number, by = alert_group.number(id), _actor(caller)
    if number is not None:
        group, _ = await alert_operations.resolve(deps, number, by)
        return _status(group)
    return _status(await _resolved(deps, id, said or Resolution(), by))


def _actor(caller: Caller) -> Actor:
    return Actor(caller.person, source="api")


async def _resolved(deps: Deps, name: str, said: Resolution, by: Actor) -> Incident:
    incident, _ = await overview.one(deps, name, by)
    try:
        return await resolution.resolve(deps, incident.id, by, fix=readable(said.fix), impact=readable(said.impact))
    except Conflict:  # somebody was first: as it is now
        incident, _ = await overview.one(deps, name, by)
        return incident


def _status(subject: AlertGroup | Incident) -> SubjectStatus:
    is_taken_alert = isinstance(subject, AlertGroup) and subject.is_open and subject.acknowledged_at
    return SubjectStatus(
        id=str(subject),
        status="acknowledged" if is_taken_alert else subject.status.value,
        acknowledged_at=subject.acknowledged_at,
        acknowledged_by=subject.acknowledged_by,
        resolved_at=subject.resolved_at,
    )


# --- as programs read them --------------------------------------------------------------------------------------------


def _listing(found: Overview) -> Listing:
    return Listing(
        recent_alerts=[AlertShape.of(one) for one in found.alerts],
        incidents=[shape(one, found.roles.get(one.id, {})) for one in found.incidents],
        active_by_severity=found.open_by_severity,
        mtta_seconds=found.mtta_seconds,
        mttr_seconds=found.mttr_seconds,
        alert_fatigue=noisy_rules_shape(found.fatigue),
    )


def shape(incident: Incident, roles: Mapping[str, str]) -> IncidentShape:
    slack = incident.slack
    channel = Channel(id=slack.channel, name=slack.channel_name) if slack.channel else None
    return IncidentShape.model_validate({**vars(incident), "id": incident.name, "roles": roles, "channel": channel})
