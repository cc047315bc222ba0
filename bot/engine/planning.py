"""From a runbook and its parameters to the plan: each step as it would be done. Nothing is reached, nothing happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from bot.domain.catalogue.runbook import Concurrency, Connection, Effect, Kind, Runbook, Step
from bot.domain.errors import Unclear
from bot.domain.outgoing.mail import is_nowhere
from bot.domain.runs.parameters import Reference
from bot.domain.runs.plan import LATE, NO, YES, Late, Plan, PlannedStep
from bot.expressions import evaluate

RUN_ID = "RUN-n"  # its number is not known yet


def make(
    runbook: Runbook, parameters: Mapping[str, Any], subject: Mapping[str, Any], connections: Mapping[str, Connection]
) -> Plan:
    """What cannot be worked out is a sentence in `problems`, under its step's id."""
    scope = {"params": shown_parameters(parameters), "run": {"id": RUN_ID}, **subject}
    problems: dict[str, str] = {}
    steps = tuple(
        planned(step, number, scope, connections, problems) for number, step in enumerate(runbook.steps, start=1)
    )
    return Plan(runbook.id, runbook.version, parameters, subject, steps, problems)


def shown_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A secret as the words that say where it comes from."""
    return {name: spoken_secret(one) if isinstance(one, Reference) else one for name, one in parameters.items()}


def slot_key(concurrency: Concurrency, parameters: Mapping[str, Any], subject: Mapping[str, Any]) -> str:
    """Raises Unclear."""
    return str(evaluate.render(concurrency.key, {"params": shown_parameters(parameters), **subject}))


def spoken_secret(reference: Reference) -> str:
    return f"[secret {reference.source}]"


def planned(
    step: Step, number: int, scope: Mapping[str, Any], connections: Mapping[str, Connection], problems: dict[str, str]
) -> PlannedStep:
    arguments = _arguments(step, scope, problems)
    return PlannedStep(
        id=step.id,
        number=number,
        kind=step.kind,
        effect=step.effect,
        title=_text(step.title, scope),
        target=target(step.kind, arguments, connections),
        arguments=arguments,
        runs=_runs(step, scope, problems),
        condition=step.when or "",
        approval=step.approval,
        is_late=is_late(arguments),
        undo=planned(step.undo, number, scope, connections, problems) if step.undo else None,
    )


def _arguments(step: Step, scope: Mapping[str, Any], problems: dict[str, str]) -> dict[str, Any]:
    try:
        return {name: rendered(one, scope) for name, one in step.body.items()}
    except Unclear as problem:
        problems.setdefault(step.id, problem.sentence)
        return dict(evaluate.plain(step.body))


def rendered(value: Any, scope: Mapping[str, Any]) -> Any:
    match value:
        case str():
            needed = evaluate.needs(value)
            return Late(value, needed) if needed and "steps" not in scope else evaluate.render(value, scope)
        case Mapping():
            return {str(name): rendered(one, scope) for name, one in value.items()}
        case list() | tuple():
            return [rendered(one, scope) for one in value]
    return value


def is_late(value: Any) -> bool:
    match value:
        case Late():
            return True
        case Mapping():
            return any(is_late(one) for one in value.values())
        case list() | tuple():
            return any(is_late(one) for one in value)
    return False


def _runs(step: Step, scope: Mapping[str, Any], problems: dict[str, str]) -> str:
    if step.when is None:
        return YES
    try:
        if evaluate.needs(step.when) and "steps" not in scope:
            return LATE
        return YES if evaluate.holds(step.when, scope) else NO
    except Unclear as problem:
        problems.setdefault(step.id, problem.sentence)
        return LATE


def _text(source: str, scope: Mapping[str, Any]) -> str:
    try:
        found = rendered(source, scope)
    except Unclear:
        return source
    return source if isinstance(found, Late) else str(found)


# --- what a step is done to -------------------------------------------------------------------------------------------


def target(kind: Kind, arguments: Mapping[str, Any], connections: Mapping[str, Connection]) -> str:
    match kind:
        case Kind.HTTP:
            return _http(arguments)
        case Kind.SQL | Kind.REDIS | Kind.PROMQL:
            return _connection(arguments.get("connection"), connections)
        case Kind.SHELL:
            return _program(arguments)
        case Kind.WAIT:
            return _waited_for(arguments, connections)
        case Kind.MESSAGE:
            return _said(arguments.get("to", ""))
        case Kind.EMAIL | Kind.PAGE:
            return _meant(arguments)
        case Kind.MANUAL | Kind.APPROVAL:
            return ", ".join(_said(one) for one in arguments.get("who") or ()) or "people"
    return ""


def _meant(arguments: Mapping[str, Any]) -> str:
    to, contact = _said(arguments.get("to", "")), arguments.get("contact")
    if not isinstance(contact, Mapping):
        return to
    service = contact.get("pagerduty_service")
    addresses = [one for one in contact.get("email", ()) if not is_nowhere(one)]
    behind = [*([f"PagerDuty {service}"] if service else []), *addresses, *contact.get("who", ())]
    return f"{to} ({', '.join(map(str, behind))})" if behind else f"{to} (placeholders only)"


def _said(value: Any) -> str:
    if isinstance(value, Late):
        return f"from {', '.join(value.steps)}"
    return str(value)


def _http(arguments: Mapping[str, Any]) -> str:
    method, url = _said(arguments.get("method", "GET")), arguments.get("url", "")
    if isinstance(url, Late):
        return f"{method} {_said(url)}"
    try:
        parts = urlsplit(str(url))
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return f"{method} {url}"
    return f"{method} {parts.scheme}://{host}"


def _connection(name: Any, connections: Mapping[str, Connection]) -> str:
    found = connections.get(str(name))
    return f"{name} ({found.kind}, {found.reference})" if found else _said(name)


def _program(arguments: Mapping[str, Any]) -> str:
    argv = arguments.get("argv")
    return _said(argv[0]) if isinstance(argv, list) and argv else "a program"


def _waited_for(arguments: Mapping[str, Any], connections: Mapping[str, Connection]) -> str:
    until = arguments.get("until")
    if not isinstance(until, Mapping) or not until:
        return "time"
    kind, inner = next(iter(until.items()))
    return target(Kind(kind), inner, connections) if isinstance(inner, Mapping) else str(kind)


def used_connections(value: Any) -> set[str]:
    match value:
        case Mapping():
            own = {str(value["connection"])} if isinstance(value.get("connection"), str) else set()
            return own.union(*(used_connections(one) for one in value.values()))
        case list() | tuple():
            return set().union(*(used_connections(one) for one in value))
    return set()


def has_effect(steps: tuple[PlannedStep, ...]) -> bool:
    return any(step.effect is not Effect.READ and step.runs != NO for step in steps)
