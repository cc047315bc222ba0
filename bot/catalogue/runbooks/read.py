"""<key>/<id>.yml: one runbook checked and made a value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.catalogue.runbooks import checks, step_checks
from bot.catalogue.runbooks.schema import NO_APPROVAL, RUNBOOK_ID, ApprovalRuleSchema, ParameterSchema, RunbookSchema
from bot.catalogue.yaml.diagnostics import validated
from bot.catalogue.yaml.document import Document
from bot.domain.catalogue.catalogue import Finding
from bot.domain.catalogue.runbook import (
    ApprovalRule,
    Concurrency,
    Connection,
    Parameter,
    Policy,
    Runbook,
    Step,
    Trigger,
)
from bot.domain.catalogue.service import Service
from bot.domain.errors import Unclear
from bot.domain.runs.parameters import check


@dataclass(frozen=True)
class Surroundings:
    """What a runbook refers to. None where a broken file may have held more: then nothing is looked up there."""

    services: Mapping[str, Service] = field(default_factory=dict)
    connections: Mapping[str, Connection] | None = field(default_factory=dict)
    teams: Collection[str] | None = ()
    contacts: Mapping[str, Collection[str]] = field(default_factory=dict)
    allow_shell: Sequence[Path] = ()


def read_all(documents: Sequence[Document], around: Surroundings, findings: list[Finding]) -> dict[str, Runbook]:
    """The good ones by id; one that is broken takes no other down. What is wrong is added to `findings`."""
    runbooks: dict[str, Runbook] = {}
    places: dict[str, str] = {}
    for document in documents:
        runbook_id = Path(document.file).stem
        if runbook_id in places:
            said = f"The runbook “{runbook_id}” is also in {places[runbook_id]}. Ids are unique over all folders."
            findings.append(document.finding((), said))
            continue
        places[runbook_id] = document.file
        found = read(document, around, findings)
        if found is not None:
            runbooks[found.id] = found
    return runbooks


def read(document: Document, around: Surroundings, findings: list[Finding]) -> Runbook | None:
    """None where it cannot be used. What is wrong is added to `findings`."""
    shape = validated(document, RunbookSchema, findings)
    if shape is None:
        return None
    made = _runbook(document, shape, around.services.get(shape.service))
    found = list(_findings(document, shape, made, around))
    findings.extend(found)
    return None if found else _with_plain_defaults(made)


def _findings(document: Document, shape: RunbookSchema, made: Runbook, around: Surroundings) -> Iterator[Finding]:
    yield from _names(document, shape)
    service = around.services.get(shape.service)
    yield from checks.findings(document, shape, made, service, around.teams)
    where = step_checks.Where(
        runbook=made,
        connections=around.connections,
        teams=around.teams,
        contacts=around.contacts.get(shape.service, ()),
        shell=_may_use_shell(document, around.allow_shell),
        levels=service.oncall if service else None,
    )
    yield from step_checks.findings(document, shape, where)


def _names(document: Document, shape: RunbookSchema) -> Iterator[Finding]:
    path = Path(document.file)
    if not RUNBOOK_ID.fullmatch(path.stem):
        yield document.finding(
            (), f"“{path.stem}” is not a runbook's id. Name the file with 2 to 60 of a-z, 0-9 and _, a letter first."
        )
    if shape.service != path.parent.name:
        yield document.finding(
            ("service",),
            f"The service is “{shape.service}” but its folder is “{path.parent.name}”. Make them the same.",
        )


def _may_use_shell(document: Document, allowed: Sequence[Path]) -> bool:
    folder = Path(document.file).parent.parent.resolve()
    return any(folder == one.resolve() for one in allowed)


def _runbook(document: Document, shape: RunbookSchema, service: Service | None) -> Runbook:
    path = Path(document.file)
    written = zip(shape.steps, document.data["steps"], strict=True)
    contacts = service.contacts if service else {}
    steps = tuple(step_checks.with_contact(step_checks.make(step, one), contacts) for step, one in written)
    return Runbook(
        id=path.stem,
        service=shape.service,
        title=shape.title,
        steps=steps,
        parameters=tuple(map(_parameter, shape.parameters)),
        guide={key: text for key, text in shape.guide if text is not None},
        mttr_target=shape.mttr_target,
        triggers=tuple(Trigger(tuple(one.match), _keys(one.severities, service), one.do) for one in shape.triggers),
        policy=_policy(shape, service),
        concurrency=Concurrency(shape.concurrency.key, shape.concurrency.limit) if shape.concurrency else None,
        deadline=shape.deadline,
        version=version([document.data, *meant] if (meant := _contacts_in(steps)) else document.data),
        file=str(path),
        folder=str(path.parent.parent),
    )


def _contacts_in(steps: Sequence[Step]) -> list[Any]:
    """Whom its steps mean by name: the same file with another contact behind it is another version."""
    every = (one for step in steps for one in step.with_undo)
    return [one.body["contact"] for one in every if "contact" in one.body and one.kind.rules.reaches]


def version(data: Any) -> str:
    """sha256: comments and layout do not matter, every value does."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def _parameter(shape: ParameterSchema) -> Parameter:
    return Parameter(
        name=shape.name,
        type=shape.type,
        required=shape.required,
        default=shape.default,
        help=shape.help,
        pattern=shape.pattern,
        enum=tuple(shape.enum or ()),
        min=shape.min,
        max=shape.max,
        max_length=shape.max_length,
        source=shape.from_,
    )


def _with_plain_defaults(made: Runbook) -> Runbook:
    """`90m` is `1h30m`. What breaks its rule was a finding before."""
    return replace(made, parameters=tuple(replace(one, default=_plain_default(one)) for one in made.parameters))


def _plain_default(parameter: Parameter) -> Any:
    try:
        return None if parameter.default is None else check(parameter, parameter.default)
    except Unclear:
        return None


def _policy(shape: RunbookSchema, service: Service | None) -> Policy:
    policy = shape.policy
    execute = None if policy.execute is None else tuple(policy.execute)
    if policy.approval is NO_APPROVAL:
        return Policy(execute, None, needs_none=True)
    return Policy(execute, _rule(policy.approval, service) if policy.approval else None)


def _rule(shape: ApprovalRuleSchema, service: Service | None) -> ApprovalRule:
    base = ApprovalRule(tuple(shape.who), shape.quorum, shape.expires, shape.reason, tuple(shape.break_glass))
    special = {}
    for word, change in shape.by_severity.items():
        given: dict[str, Any] = {
            key: tuple(value) if key == "who" else value for key, value in change if value is not None
        }
        special[_keys([word], service)[0]] = replace(base, **given)
    return replace(base, by_severity=special)


def _keys(words: Sequence[str], service: Service | None) -> tuple[str, ...]:
    found = [(word, service.find_severity(word) if service else None) for word in words]
    return tuple(level.key if level else word for word, level in found)
