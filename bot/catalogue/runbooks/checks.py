"""What holds for a runbook as a whole: parameters, triggers, policy, and who is named."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bot.catalogue import principals
from bot.catalogue.runbooks.schema import RunbookSchema
from bot.catalogue.yaml.document import Document, Place
from bot.domain.catalogue import matchers
from bot.domain.catalogue.catalogue import Finding
from bot.domain.catalogue.runbook import Effect, Parameter, ParameterType, Runbook
from bot.domain.catalogue.service import Service
from bot.domain.errors import Unclear
from bot.domain.runs.parameters import check
from bot.domain.text import regex
from bot.expressions.check import Scope, template_problems


def findings(
    document: Document, shape: RunbookSchema, made: Runbook, service: Service | None, teams: Collection[str] | None
) -> Iterator[Finding]:
    """None for the service or the teams: they are not looked up."""
    yield from _parameters(document, made)
    yield from _triggers(document, made)
    yield from _severities(document, shape, service)
    yield from _policy(document, made)
    yield from _people(document, shape, teams, service.oncall if service else None)
    yield from _concurrency(document, made)


def _parameters(document: Document, made: Runbook) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, one in enumerate(made.parameters):
        place: Place = ("parameters", index)
        if one.name in first:
            line = document.line(("parameters", first[one.name]))
            yield document.finding((*place, "name"), f"“{one.name}” is already on line {line}. Choose another name.")
        first.setdefault(one.name, index)
        yield from _pattern(document, place, one)


def _pattern(document: Document, place: Place, one: Parameter) -> Iterator[Finding]:
    try:
        if one.pattern is not None:
            regex.matcher(one.pattern)
    except Unclear as problem:
        yield document.finding((*place, "pattern"), problem.sentence)
        return
    if one.default is None or one.type is ParameterType.SECRET:
        return
    try:
        check(one, one.default)
    except Unclear as problem:
        yield document.finding((*place, "default"), f"The default breaks its own rule: {problem.sentence}")


def _triggers(document: Document, made: Runbook) -> Iterator[Finding]:
    for index, trigger in enumerate(made.triggers):
        place: Place = ("triggers", index)
        for number, text in enumerate(trigger.match):
            try:
                matchers.parse(text)
            except Unclear as problem:
                yield document.finding((*place, "match", number), problem.sentence)
        if trigger.do == "run":
            yield from _by_itself(document, (*place, "do"), made)


def _by_itself(document: Document, place: Place, made: Runbook) -> Iterator[Finding]:
    if not made.policy.needs_none:
        yield document.finding(place, "“do: run” needs “approval: none” under policy. Write ask, or add that.")
    for one in made.parameters:
        if one.required and one.default is None:
            yield document.finding(place, f"“do: run” starts without a person, so “{one.name}” needs a default.")


def _severities(document: Document, shape: RunbookSchema, service: Service | None) -> Iterator[Finding]:
    if service is None:
        return
    words: list[tuple[Place, str]] = []
    for index, trigger in enumerate(shape.triggers):
        words += [(("triggers", index, "severities", number), word) for number, word in enumerate(trigger.severities)]
    rule = shape.policy.approval
    words += [(("policy", "approval", "by_severity", word), word) for word in (rule.by_severity if rule else ())]
    for place, word in words:
        if service.find_severity(word) is None:
            yield document.finding(place, service.no_severity(word))


def _policy(document: Document, made: Runbook) -> Iterator[Finding]:
    if not made.policy.needs_none:
        return
    for step in made.steps:
        for one in step.with_undo:
            if one.effect is Effect.ONCE:
                yield document.finding(
                    ("policy", "approval"),
                    f"“approval: none” is only for runbooks without a once step, and “{step.id}” has one.",
                )


def _people(
    document: Document, shape: RunbookSchema, teams: Collection[str] | None, levels: Collection[str] | None
) -> Iterator[Finding]:
    named: list[tuple[Place, list[str]]] = [(("policy", "execute"), shape.policy.execute or [])]
    rule = shape.policy.approval
    if rule:
        place: Place = ("policy", "approval")
        named += [((*place, "who"), rule.who), ((*place, "break_glass"), rule.break_glass)]
        for key, change in rule.by_severity.items():
            named.append(((*place, "by_severity", key, "who"), change.who or []))
    for index, step in enumerate(shape.steps):
        named.append((("steps", index, "approval", "who"), step.approval.who if step.approval else []))
        named.append((("steps", index, "manual", "who"), step.manual.who if step.manual else []))
    for place, entries in named:
        for index, sentence in principals.problems(entries, teams, levels):
            yield document.finding((*place, index), sentence)


def _concurrency(document: Document, made: Runbook) -> Iterator[Finding]:
    if made.concurrency:
        scope = Scope({one.name: one for one in made.parameters}, {}, [one.id for one in made.steps])
        yield from document.findings(("concurrency", "key"), template_problems(made.concurrency.key, scope))
