"""Where an alert goes: its service, severity, channel, escalation policy and runbook, with the reasons. Rules only.

The first route that matches decides what it names; the rest follows the alert's own labels, and what these leave open
has a default, so that nothing falls through. The sentences hold labels as they came, without control characters and cut
short: the view that shows them escapes them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.catalogue.catalogue import Catalogue, Heartbeat, Route
from bot.domain.catalogue.policy import EscalationPolicy
from bot.domain.catalogue.service import Service
from bot.domain.catalogue.severity import Severity

NAME, SERVICE, SEVERITY = "alertname", "service", "severity"  # labels with a meaning
SHOWN = 100  # characters of a label in a sentence

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Routed:
    """What an alert leads to. `channel` None: TOCSIN_ALERTS_CHANNEL. `route` None: no route matched."""

    service: Service
    severity: Severity
    channel: str | None = None
    escalation_policy: EscalationPolicy | None = None
    runbook: str | None = None
    heartbeat: Heartbeat | None = None
    route: Route | None = None
    group: tuple[tuple[str, str], ...] = ()
    why: tuple[str, ...] = field(default=(), compare=False)

    @property
    def group_key(self) -> str:
        return hashlib.sha256(json.dumps(self.group).encode()).hexdigest()


def route(catalogue: Catalogue, labels: Labels) -> Routed:
    found = matching(catalogue, labels)
    why = [_matched(found) if found else "No route matched."]
    service = _service(catalogue, found, labels, why)
    severity = _severity(service, found, labels, why)
    return Routed(
        service=service,
        severity=severity,
        channel=_channel(service, found, why),
        escalation_policy=_escalation_policy(service, severity, found, why),
        runbook=_runbook(catalogue, service, found, labels, why),
        heartbeat=_heartbeat(found, why),
        route=found,
        group=group(catalogue, service, severity, labels),
        why=tuple(why),
    )


def matching(catalogue: Catalogue, labels: Labels) -> Route | None:
    return next((one for one in catalogue.routes if all(matcher.holds(labels) for matcher in one.match)), None)


def group(catalogue: Catalogue, service: Service, severity: Severity, labels: Labels) -> tuple[tuple[str, str], ...]:
    """`service` and `severity` are those that the alert was routed to."""
    routed = {SERVICE: service.key, SEVERITY: severity.key}
    names = dict.fromkeys((SERVICE, *catalogue.group_by))
    return tuple((name, routed.get(name, labels.get(name, ""))) for name in names)


def _matched(found: Route) -> str:
    by = ", ".join(map(str, found.match)) or "every alert"
    return f"Route {found.number} ({found.place}) matched: {by}."


def _service(catalogue: Catalogue, found: Route | None, labels: Labels, why: list[str]) -> Service:
    chosen = catalogue.services.get(found.service) if found and found.service else None
    if chosen:
        why.append(f"The route says service {chosen.key}.")
        return chosen
    label = labels.get(SERVICE, "")
    named = catalogue.services.get(label.casefold())
    if named:
        why.append(f"The label service says {named.key}.")
        return named
    default = catalogue.services[catalogue.default_service]
    said = f"The label service says “{shown(label)}”, which is no service here" if label else "No label says a service"
    why.append(f"{said}, so it is the default service, {default.key}.")
    return default


def _severity(service: Service, found: Route | None, labels: Labels, why: list[str]) -> Severity:
    known = service.alerts.get(labels.get(NAME, ""))
    words = (
        ("The route says severity", found.severity if found else None),
        ("The label severity says", labels.get(SEVERITY)),
        (f"What {service.key} knows of this alert says", known.severity if known else None),
    )
    for source, word in words:
        level = service.find_severity(word) if word else None
        if level:
            why.append(f"{source} {_key_of(word, level)}.")
            return level
        if word:
            why.append(f"{source} “{shown(word)}”, which {service.key} does not have.")
    why.append(f"So it has the default severity of {service.key}, {service.default_severity}.")
    return service.severity(service.default_severity)


def _key_of(word: str | None, level: Severity) -> str:
    return level.key if word == level.key else f"“{shown(word or '')}”, which is {level.key}"


def _channel(service: Service, found: Route | None, why: list[str]) -> str | None:
    if found and found.channel:
        why.append(f"The route says channel {found.channel}.")
        return found.channel
    if service.alerts_channel:
        why.append(f"Alerts of {service.key} go to {service.alerts_channel}.")
    return service.alerts_channel


def _escalation_policy(
    service: Service, severity: Severity, found: Route | None, why: list[str]
) -> EscalationPolicy | None:
    words = (
        ("The route says", found.escalation_policy if found else None),
        (f"{severity.key} has", severity.escalation_policy),
    )
    for source, key in words:
        escalation_policy = service.escalation_policies.get(key) if key else None
        if escalation_policy:
            why.append(f"{source} the escalation policy {escalation_policy.key}.")
            return escalation_policy
        if key:
            why.append(f"{source} the escalation policy “{key}”, which {service.key} does not have.")
    return None


def _runbook(catalogue: Catalogue, service: Service, found: Route | None, labels: Labels, why: list[str]) -> str | None:
    if found and found.runbook in catalogue.runbooks:
        why.append(f"The route says runbook {found.runbook}.")
        return found.runbook
    known = service.alerts.get(labels.get(NAME, ""))
    if known and known.runbook in catalogue.runbooks:
        why.append(f"What {service.key} knows of this alert says runbook {known.runbook}.")
        return known.runbook
    return None


def _heartbeat(found: Route | None, why: list[str]) -> Heartbeat | None:
    if found and found.heartbeat:
        why.append("It must keep arriving: its absence is the alert.")
    return found.heartbeat if found else None


def absence(routed: Routed, name: str, key: str) -> Routed:
    found, service, why = routed.route, routed.service, [_matched(routed.route)] if routed.route else []
    said = routed.heartbeat.severity if routed.heartbeat else None
    severity = (service.find_severity(said) if said else None) or service.severity(service.default_severity)
    why.append(f"It must keep arriving, and did not: that is {severity.key} of {service.key}.")
    common = [pair for pair in routed.group if pair[0] not in (NAME, SEVERITY)]
    return Routed(
        service=service,
        severity=severity,
        channel=_channel(service, found, why),
        escalation_policy=_escalation_policy(service, severity, found, why),
        runbook=routed.runbook,
        route=found,
        group=(*common, (NAME, name), ("heartbeat", key[:12])),
        why=tuple(why),
    )


def shown(text: str) -> str:
    return "".join(character for character in text[:SHOWN] if character.isprintable())
