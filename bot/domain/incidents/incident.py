"""Incidents: what they are, what may become of them, when the next update is due. Rules only; the time is handed in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypedDict

from bot.domain.catalogue.severity import Severity
from bot.domain.errors import Conflict, Unclear


class Status(StrEnum):
    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MITIGATING = "mitigating"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    CLOSED = "closed"


WORKING = (Status.INVESTIGATING, Status.IDENTIFIED, Status.MITIGATING, Status.MONITORING)
MITIGATED = (Status.MONITORING, Status.RESOLVED, Status.CLOSED)


class Role(StrEnum):
    COMMANDER = "commander"
    COMMS = "comms"
    OPS = "ops"
    SCRIBE = "scribe"


class Placement(StrEnum):
    """Where an incident lives: a channel of its own, or a thread under its card in #incidents."""

    CHANNEL = "channel"
    THREAD = "thread"


@dataclass(frozen=True, kw_only=True)
class IncidentMessages:
    """Where it is in Slack, as far as Slack has answered: the message it comes from, its channel, cards and draft."""

    source_channel: str | None = None
    source_ts: str | None = None
    channel: str | None = None
    channel_name: str | None = None
    topic: str | None = None  # as last set
    card_ts: str | None = None
    announce_channel: str | None = None
    announce_ts: str | None = None
    postmortem_ts: str | None = None


@dataclass(frozen=True, kw_only=True)
class NewIncident:
    """One incident as it is declared. `declared_wall` is in epoch seconds."""

    title: str
    service: str
    severity: str
    rank: int
    status: Status = Status.INVESTIGATING
    private: bool
    drill: bool
    source: str
    impact: str = ""
    declared_by: str
    declared_at: datetime
    declared_wall: float = 0.0
    detected_at: datetime
    next_update_at: datetime | None = None
    placement: Placement
    slack: IncidentMessages = IncidentMessages()


@dataclass(frozen=True, kw_only=True)
class Incident(NewIncident):
    """As stored. `cadence_seconds` None follows the severity, 0 is off."""

    id: int
    fix: str = ""
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    mitigated_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    last_update_at: datetime | None = None
    cadence_seconds: int | None = None
    watch_until: datetime | None = None
    postmortem: Mapping[str, Any] | None = None
    postmortem_due_at: datetime | None = None
    postmortem_done_at: datetime | None = None

    @property
    def name(self) -> str:
        return f"INC-{self.id}"

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        return self.status in WORKING

    @property
    def place(self) -> tuple[str | None, str | None]:
        """None where Slack has not answered yet."""
        is_channel = self.placement is Placement.CHANNEL
        return (self.slack.channel, None) if is_channel else (self.slack.announce_channel, self.slack.announce_ts)

    @property
    def card(self) -> tuple[str | None, str | None]:
        if self.placement is Placement.CHANNEL:
            return self.slack.channel, self.slack.card_ts
        return self.slack.announce_channel, self.slack.announce_ts

    @property
    def short_title(self) -> str:
        return shorten(self.title, 120)

    def cadence(self, severity: Severity) -> timedelta | None:
        """None where none is promised."""
        if self.cadence_seconds is None:
            return severity.update_every
        return timedelta(seconds=self.cadence_seconds) if self.cadence_seconds else None


class IncidentChanges(TypedDict, total=False):
    status: Status
    severity: str
    rank: int
    fix: str
    impact: str
    detected_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    mitigated_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    last_update_at: datetime
    next_update_at: datetime | None
    cadence_seconds: int | None
    watch_until: datetime | None
    placement: Placement
    channel: str
    channel_name: str
    topic: str
    card_ts: str
    announce_channel: str
    announce_ts: str
    postmortem: Mapping[str, Any] | None
    postmortem_due_at: datetime | None
    postmortem_done_at: datetime | None
    postmortem_ts: str | None


@dataclass(frozen=True)
class Entry:
    id: int
    at: datetime
    kind: str
    actor: str
    text: str
    told: bool
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Update:
    """It covers the timeline in (`since`, `through`]."""

    id: int
    incident: int
    at: datetime
    author: str
    text: str
    since: int
    through: int
    next_update_at: datetime | None


def number(word: str) -> int | None:
    match = re.fullmatch(r"inc-?(\d{1,9})", word.strip().casefold())
    return int(match[1]) if match else None


def shorten(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def status_from(word: str) -> Status:
    """Raises Unclear with the list."""
    try:
        return Status(word.casefold())
    except ValueError:
        raise Unclear(
            f"“{word}” is no status. Use investigating, identified, mitigating, monitoring or resolved."
        ) from None


def role_from(word: str) -> Role:
    """Raises Unclear with the list."""
    known = {"ic": Role.COMMANDER, "lead": Role.COMMANDER, "communications": Role.COMMS, "operations": Role.OPS}
    try:
        return known.get(word.casefold()) or Role(word.casefold())
    except ValueError:
        raise Unclear(f"“{word}” is no role. The roles are commander, comms, ops and scribe.") from None


def must_be_open(incident: Incident) -> None:
    """Raises Conflict with what to do instead."""
    if not incident.is_open:
        raise Conflict(f"{incident} is {incident.status}. To work on it again: `/incident reopen {incident}`.")


def must_be_resolved(incident: Incident) -> None:
    if incident.is_open:
        raise Conflict(f"{incident} is still {incident.status}. To end it: `/incident resolve {incident}`.")


def next_update(incident: Incident, severity: Severity, since: datetime) -> datetime | None:
    """None where none is promised."""
    every = incident.cadence(severity)
    return since + every if every and incident.is_open else None


def reminder_time(due: datetime, severity: Severity, every: timedelta | None, now: datetime) -> datetime | None:
    """Never earlier than half the cadence before `due`, nor in the past."""
    lead = min(severity.remind_before, every / 2) if every else severity.remind_before
    at = due - lead
    return at if lead and at > now else None


@dataclass(frozen=True)
class Measures:
    """How long things took, each from detection; None where it has not happened."""

    to_acknowledge: timedelta | None
    to_mitigate: timedelta | None
    to_resolve: timedelta | None


def measures(incident: Incident) -> Measures:
    """Differences of aware UTC times: right across midnight and daylight-saving days alike."""
    start = incident.detected_at

    def since_start(moment: datetime | None) -> timedelta | None:
        return moment - start if moment else None

    return Measures(
        since_start(incident.acknowledged_at), since_start(incident.mitigated_at), since_start(incident.resolved_at)
    )
