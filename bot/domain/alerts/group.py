"""Alert groups: what they are, which message about an alert counts, how long a silence lasts. Rules only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, TypedDict

from bot.domain.alerts.alert import Alert, Links, Status
from bot.domain.catalogue.hours import moment, zone
from bot.domain.errors import Unclear
from bot.domain.text import duration

LATE_SECONDS = 300.0  # how long after an alert's end a message of its beginning may still arrive
SILENCES = ("15m", "1h", "4h", "morning")
MORNING = time(9)
LONGEST_SILENCE = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class NewAlertGroup:
    """`channel_name` is the channel as the routing named it."""

    key: str
    name: str
    labels: tuple[tuple[str, str], ...]
    service: str
    severity: str
    rank: int
    channel_name: str
    why: tuple[str, ...]
    noticed: tuple[str, ...]
    status: Status = Status.FIRING
    since: datetime
    opened_at: datetime
    opened_wall: float
    firing: int = 0
    total: int = 0
    left_out: int = 0
    escalation_policy: str | None = None
    runbook: str | None = None
    silenced_until: datetime | None = None
    silenced_by: str | None = None
    silence: int | None = None  # the one with matchers that silenced it
    maintenance: int | None = None  # the window while which nobody is bothered with it
    heartbeat: str | None = None  # the key of the watch whose silence it reports
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    has_card: bool = False

    @property
    def is_open(self) -> bool:
        return self.status is Status.FIRING

    @property
    def called(self) -> str:
        return self.name or "An alert without a name"

    def is_silenced(self, now: datetime) -> bool:
        return self.silenced_until is not None and self.silenced_until > now

    def is_suppressed(self, now: datetime) -> bool:
        return self.maintenance is not None or self.is_silenced(now)


@dataclass(frozen=True, kw_only=True)
class AlertGroup(NewAlertGroup):
    id: int
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    incident: int | None = None
    storm: int | None = None
    channel: str | None = None
    ts: str | None = None

    def __str__(self) -> str:
        return f"ALR-{self.id}"


class AlertGroupChanges(TypedDict, total=False):
    status: Status
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    silenced_until: datetime | None
    silenced_by: str | None
    silence: int | None
    maintenance: int | None
    resolved_at: datetime
    resolved_by: str
    firing: int
    incident: int
    storm: int
    has_card: bool
    channel: str
    ts: str


NOT_SILENCED: AlertGroupChanges = {"silenced_until": None, "silenced_by": None, "silence": None}


@dataclass(frozen=True)
class Single:
    id: int
    fingerprint: str
    status: Status
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    links: Links = field(default_factory=Links)
    source: str = ""
    starts_at: datetime | None = None
    resolved_at: datetime | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def number(word: str) -> int | None:
    match = re.fullmatch(r"alr-?(\d{1,9})", word.strip().casefold())
    return int(match[1]) if match else None


# --- which message counts ---------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    NEW = "new"
    REPEAT = "repeat"  # it says what we know
    RESOLVED = "resolved"
    UNKNOWN = "unknown"  # the end of one of whose beginning we never heard
    STALE = "stale"  # overtaken by a newer one: it changes nothing


@dataclass(frozen=True)
class LastKnown:
    """What is known of an alert: `starts_at` and `said_at` by its sender's clock, `settled_wall` by ours."""

    status: Status
    starts_at: datetime | None
    said_at: datetime | None
    settled_wall: float


@dataclass(frozen=True)
class Kept:
    id: int
    group: int | None
    in_open_group: bool
    known: LastKnown
    labels: Mapping[str, str]


def judge(known: LastKnown | None, alert: Alert, wall: float) -> Verdict:
    """What becomes of an alert by a message that came at `wall`, whatever came before it and in whatever order.

    The sender's own times decide; without them the order of arrival. An end counts once, and a beginning that arrives
    after its own end is late for five minutes: after that the sender means that it fires again.
    """
    if known is None:
        return Verdict.NEW if alert.status is Status.FIRING else Verdict.UNKNOWN
    if _is_overtaken(known, alert, wall):
        return Verdict.STALE
    if alert.status is known.status:
        return Verdict.REPEAT
    return Verdict.NEW if alert.status is Status.FIRING else Verdict.RESOLVED


def _is_overtaken(known: LastKnown, alert: Alert, wall: float) -> bool:
    if known.said_at and alert.said_at and known.said_at != alert.said_at:
        return alert.said_at < known.said_at
    if not known.starts_at or not alert.starts_at:
        return wall < known.settled_wall
    is_older = alert.starts_at < known.starts_at
    if alert.status is Status.RESOLVED:
        return is_older
    if known.status is Status.FIRING:
        return False
    may_be_late = wall - known.settled_wall < LATE_SECONDS
    return may_be_late and alert.starts_at <= known.starts_at


def learned(known: LastKnown | None, alert: Alert, verdict: Verdict, wall: float) -> LastKnown:
    if known is None:
        return LastKnown(alert.status, alert.starts_at, alert.said_at, wall)
    if verdict is Verdict.STALE:
        return known
    said = max((at for at in (known.said_at, alert.said_at) if at), default=None)
    starts = max((at for at in (known.starts_at, alert.starts_at) if at), default=None)
    return LastKnown(alert.status, starts, said, max(wall, known.settled_wall))


# --- silence ----------------------------------------------------------------------------------------------------------


def silent_until(word: str, now: datetime, timezone: str) -> datetime:
    """`15m`, `1h`, … or `morning`: nine o'clock there. Raises Unclear."""
    if word.casefold() == "morning":
        return _next_morning(now, timezone)
    length = duration.parse(word)
    if not timedelta(0) < length <= LONGEST_SILENCE:
        raise Unclear(f"A silence lasts between 1 second and {duration.words(LONGEST_SILENCE)}.")
    return now + length


def _next_morning(now: datetime, timezone: str) -> datetime:
    where = zone(timezone)
    today = now.astimezone(where).date()
    mornings = (moment(datetime.combine(today + timedelta(days=days), MORNING), where) for days in range(3))
    return next(one for one in mornings if one > now)
