"""Alerts that must keep arriving: what is known of each, and the alert that reports its absence. Rules only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.alerts import routing
from bot.domain.alerts.alert import Alert, Status
from bot.domain.alerts.routing import NAME, SERVICE, SEVERITY, Routed
from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.text import duration

SOURCE = "heartbeat"  # who sends the alert that reports an absence
NAMELESS = "An alert without a name"


@dataclass(frozen=True)
class Watch:
    """One that must keep arriving, from its first arrival on. `labels` are those of its latest one."""

    key: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    first_at: datetime | None = None
    last_at: datetime | None = None
    last_wall: float = 0.0


Heard = Mapping[str, tuple[Alert, Routed]]  # those that arrived, by key


def key_of(routed: Routed) -> str:
    """Of its route, whatever the route's number is now, and of its group's labels."""
    matchers = [str(one) for one in routed.route.match] if routed.route else []
    return hashlib.sha256(json.dumps([matchers, routed.group]).encode()).hexdigest()


def fingerprint(key: str) -> str:
    return f"{SOURCE}:{key}"


def arrived(catalogue: Catalogue, alerts: Iterable[Alert]) -> dict[str, tuple[Alert, Routed]]:
    watching = [route for route in catalogue.routes if route.heartbeat]
    found = {}
    for alert in alerts if watching else ():
        if alert.status is Status.FIRING and any(
            all(one.holds(alert.labels) for one in route.match) for route in watching
        ):
            routed = routing.route(catalogue, alert.labels)  # an earlier route may be the first that matches
            if routed.heartbeat:
                found[key_of(routed)] = (alert, routed)
    return found


def still(catalogue: Catalogue, watch: Watch) -> Routed | None:
    """None: no route of the catalogue wants this watch."""
    routed = routing.route(catalogue, watch.labels)
    return routed if routed.heartbeat and key_of(routed) == watch.key else None


@dataclass(frozen=True)
class Absence:
    key: str
    alert: Alert
    routed: Routed


def absence(name: str, labels: Mapping[str, str], routed: Routed, status: Status) -> Absence:
    key, called = key_of(routed), f"{name or NAMELESS} is silent"
    to = routing.absence(routed, called, key)
    own = {NAME: called, SERVICE: to.service.key, SEVERITY: to.severity.key}
    every = duration.words(routed.heartbeat.every) if routed.heartbeat else ""
    alert = Alert(
        fingerprint=fingerprint(key),
        status=status,
        source=SOURCE,
        name=called,
        labels={**labels, **own},
        annotations={"summary": f"{name or NAMELESS} must arrive every {every}."},
    )
    return Absence(key, alert, to)
