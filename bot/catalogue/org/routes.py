"""What one file of a catalogue says of another: routes of services and runbooks, known alerts of runbooks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.catalogue.org.schema import GenericSchema, RouteSchema
from bot.catalogue.yaml.document import Document, Place
from bot.domain.catalogue import matchers
from bot.domain.catalogue.catalogue import Finding, GenericSource, Heartbeat, Route
from bot.domain.catalogue.matchers import Matcher
from bot.domain.catalogue.service import Service
from bot.domain.text.wording import hint


@dataclass(frozen=True)
class Surroundings:
    """What may be named. `services` None: a broken file may have held more, so they are not looked up."""

    services: Mapping[str, Service] | None
    runbooks: Collection[str]


def read(
    document: Document, shapes: Sequence[RouteSchema], around: Surroundings, findings: list[Finding]
) -> tuple[Route, ...]:
    """The routes in their order. What is wrong with them is added to `findings`."""
    made = tuple(_route(document, index, shape) for index, shape in enumerate(shapes))
    for index, route in enumerate(made):
        place: Place = ("routes", index)
        findings.extend(document.finding((*place, *inner), said) for inner, said in _problems(route, around))
        findings.extend(document.findings(place, _never(route, made[:index])))
    return made


def _route(document: Document, index: int, shape: RouteSchema) -> Route:
    return Route(
        number=index + 1,
        place=f"{Path(document.file).name}:{document.line(('routes', index))}",
        match=tuple(map(matchers.parse, shape.match)),
        service=shape.service,
        severity=shape.severity,
        channel=shape.channel,
        escalation_policy=shape.escalation_policy,
        runbook=shape.runbook,
        heartbeat=Heartbeat(shape.heartbeat.every, shape.heartbeat.severity) if shape.heartbeat else None,
    )


def _problems(route: Route, around: Surroundings) -> Iterator[tuple[Place, str]]:
    if route.runbook and route.runbook not in around.runbooks:
        yield ("runbook",), no_runbook(route.runbook, around.runbooks)
    if around.services is None:
        return
    if route.service and route.service not in around.services:
        yield ("service",), f"There is no service “{route.service}”. {hint(route.service, around.services)}"
        return
    # Without a service of its own, the route may lead to any of them.
    services = [around.services[route.service]] if route.service else list(around.services.values())
    yield from _severity(("severity",), route.severity, services)
    yield from _severity(("heartbeat", "severity"), route.heartbeat.severity if route.heartbeat else None, services)
    known, wanted = {key for service in services for key in service.escalation_policies}, route.escalation_policy
    if wanted and wanted not in known:
        said = hint(wanted, known) if known else "Add it under escalation policies in service.yml."
        yield ("escalation_policy",), f"There is no escalation policy “{wanted}” {_where(services)}. {said}"


def _severity(place: Place, word: str | None, services: Sequence[Service]) -> Iterator[tuple[Place, str]]:
    if word is not None and not any(service.find_severity(word) for service in services):
        keys = dict.fromkeys(key for service in services for key in service.severity_keys())
        yield place, f"There is no severity “{word}” {_where(services)}. {hint(word, keys)}"


def _where(services: Sequence[Service]) -> str:
    return f"in the service {services[0].key}" if len(services) == 1 else "in any service"


def no_runbook(runbook_id: str, known: Collection[str]) -> str:
    return f"There is no runbook “{runbook_id}”. {hint(runbook_id, known) if known else 'Add its file.'}"


def _never(route: Route, earlier: Sequence[Route]) -> Iterator[str]:
    taker = next((one for one in earlier if set(one.match) <= set(route.match)), None)
    if taker:
        yield f"Route {taker.number} ({taker.place}) takes every alert of this one. Put this one first or remove it."
    for name, values in _demanded(route.match).items():
        if len(values) > 1:
            yield f"The label {name} cannot be {' and '.join(f'“{value}”' for value in values)} at once. Correct match."


def _demanded(match: Sequence[Matcher]) -> dict[str, list[str]]:
    demanded: dict[str, list[str]] = {}
    for one in dict.fromkeys(match):
        if one.op == "=":
            demanded.setdefault(one.name, []).append(one.value)
    return demanded


def known_alerts(document: Document, service: Service, runbooks: Collection[str], findings: list[Finding]) -> None:
    for name, known in service.alerts.items():
        if known.runbook and known.runbook not in runbooks:
            findings.append(document.finding(("alerts", name, "runbook"), no_runbook(known.runbook, runbooks)))


def generic(shape: GenericSchema) -> GenericSource:
    return GenericSource(shape.alerts, shape.fingerprint, shape.status, tuple(shape.firing), dict(shape.labels))
