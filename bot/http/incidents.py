"""`/api/sre/incidents`: declare one, list them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from bot.domain.draft import TITLE_LIMIT, Draft
from bot.domain.incident import Incident
from bot.domain.person import Actor
from bot.http import keyed
from bot.http.access import Reader, Writer
from bot.http.door import TheDeps
from bot.http.keyed import Key
from bot.services import incidents, overview
from bot.services.overview import Overview, Wanted

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
    """Incidents and figures. `recent_alerts` and `alert_fatigue` are empty as long as no alerts come in."""

    recent_alerts: list[dict[str, Any]]
    incidents: list[IncidentShape]
    active_by_severity: dict[str, int]
    mtta_seconds: float | None
    mttr_seconds: float | None
    alert_fatigue: dict[str, Any]


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
    """The newest first. A filter takes keys and aliases and may be repeated. Private incidents are never listed."""
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
    actor = await keyed.actor(deps, caller, key, fields)
    incident, is_new = await incidents.declare(deps, draft, actor)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/api/sre/incidents/{incident}"
    return shape(incident, await incidents.roles_of(deps, incident))


@router.get("/incidents/{id}")
async def show_incident(id: str, deps: TheDeps, reader: Reader) -> IncidentShape:  # noqa: A002 - the path says {id}
    """One incident. A private one only where the token's owner declared it, holds a role in it or administers."""
    return shape(*await overview.one(deps, id, Actor(reader.person, source="api") if reader else None))


def _listing(found: Overview) -> Listing:
    return Listing(
        recent_alerts=[],
        incidents=[shape(one, found.roles.get(one.id, {})) for one in found.incidents],
        active_by_severity=found.open_by_severity,
        mtta_seconds=found.mtta_seconds,
        mttr_seconds=found.mttr_seconds,
        alert_fatigue={},
    )


def shape(incident: Incident, roles: Mapping[str, str]) -> IncidentShape:
    """An incident as programs read it."""
    return IncidentShape(
        id=incident.name,
        roles=dict(roles),
        channel=Channel(id=incident.channel, name=incident.channel_name) if incident.channel else None,
        **{name: getattr(incident, name) for name in _SAME},
    )


_SAME = tuple(name for name in IncidentShape.model_fields if name not in {"id", "roles", "channel"})
