"""<key>/<id>.test.yml: a runbook's own tests read, and held against the runbook that they are about."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.catalogue.load import catalogue_files
from bot.catalogue.runbook_tests.schema import CaseSchema, ResultSchema, SuiteSchema
from bot.catalogue.yaml.diagnostics import validated
from bot.catalogue.yaml.document import Document, Place, Unreadable, read as read_file
from bot.domain.catalogue.catalogue import Finding
from bot.domain.catalogue.runbook import Effect, Kind, Runbook, Step
from bot.domain.text.wording import hint, listing

SUFFIX = ".test.yml"
RUN, UNDO = "run", "undo"  # what asks for approval apart from the steps

GIVES, FAILS, UNKNOWN, WAITS = "gives", "fails", "unknown", "waits"
APPROVALS = ("approve", "reject", "wait")


@dataclass(frozen=True)
class ScriptedResult:
    """What a step is said to come to. `says_ok` is what the case itself says of it, where it does."""

    word: str = GIVES
    values: Mapping[str, Any] = field(default_factory=dict)
    sentence: str = ""
    certain: bool = False
    says_ok: bool | None = None
    place: Place = ()


@dataclass(frozen=True)
class Expected:
    """Only what the case says is looked at."""

    path: tuple[tuple[str, str], ...] | None = None  # id and fate, in order
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    saved: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ends: str | None = None
    undo: tuple[str, ...] | None = None
    says: str | None = None


@dataclass(frozen=True)
class RunbookCase:
    name: str
    place: Place
    parameters: Mapping[str, Any] = field(default_factory=dict)
    incident: Mapping[str, Any] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, tuple[ScriptedResult, ...]] = field(default_factory=dict)
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    expected: Expected = Expected()


@dataclass(frozen=True)
class Suite:
    """A file of tests and its runbook. `cases` are those that can be walked, of so many that are `written`."""

    document: Document
    runbook: Runbook
    cases: tuple[RunbookCase, ...]
    written: int


def suites(folders: Sequence[Path], runbooks: Mapping[str, Runbook], findings: list[Finding]) -> list[Suite]:
    """What is wrong is added to `findings`. Tests of a broken runbook are left out: that is a finding of its own."""
    found = (_suite(path, runbooks, findings) for path in catalogue_files(folders) if path.name.endswith(SUFFIX))
    return [one for one in found if one]


def _suite(path: Path, runbooks: Mapping[str, Runbook], findings: list[Finding]) -> Suite | None:
    try:
        document = read_file(path)
    except Unreadable:
        return None  # found when the catalogue was loaded
    runbook_id = path.name.removesuffix(SUFFIX)
    if not path.with_name(f"{runbook_id}.yml").is_file():
        findings.append(document.finding((), _no_runbook(path, runbook_id, runbooks)))
        return None
    runbook = runbooks.get(runbook_id)
    return read(document, runbook, findings) if runbook and Path(runbook.file).parent == path.parent else None


def _no_runbook(path: Path, runbook_id: str, runbooks: Mapping[str, Runbook]) -> str:
    there = [one.id for one in runbooks.values() if Path(one.file).parent == path.parent]
    known = f" {hint(runbook_id, there)}" if there else ""
    return f"There is no runbook “{runbook_id}” beside this file.{known}"


def read(document: Document, runbook: Runbook, findings: list[Finding]) -> Suite | None:
    """A case that names what does not exist is a finding, and is not walked."""
    shape = validated(document, SuiteSchema, findings)
    if shape is None:
        return None
    cases = []
    for index, one in enumerate(shape.cases):
        place: Place = ("cases", index)
        found = [document.finding((*place, *inner), sentence) for inner, sentence in _problems(one, runbook)]
        findings.extend(found)
        if not found:
            cases.append(_case(one, place))
    return Suite(document, runbook, tuple(cases), len(shape.cases))


def _case(shape: CaseSchema, place: Place) -> RunbookCase:
    return RunbookCase(
        name=shape.name,
        place=place,
        parameters=shape.parameters,
        incident=None if shape.incident is None else shape.incident.model_dump(),
        labels=shape.alert.labels,
        results={
            step: tuple(_scripted_result(one, (*place, "results", step, index)) for index, one in enumerate(ones))
            for step, ones in shape.results.items()
        },
        answers={name: tuple(ones) for name, ones in shape.answers.items()},
        expected=Expected(
            path=None if shape.path is None else tuple(next(iter(one.items())) for one in shape.path),
            arguments=shape.arguments,
            saved=shape.saved,
            ends=shape.ends,
            undo=None if shape.undo is None else tuple(shape.undo),
            says=shape.says,
        ),
    )


def _scripted_result(shape: ResultSchema, place: Place) -> ScriptedResult:
    word = FAILS if shape.fails else UNKNOWN if shape.unknown else WAITS if shape.waits else GIVES
    return ScriptedResult(word, shape.given, shape.fails or "", shape.certain, shape.ok, place)


# --- what does not fit the runbook ------------------------------------------------------------------------------------

_Problem = tuple[Place, str]


def _problems(shape: CaseSchema, runbook: Runbook) -> Iterator[_Problem]:
    steps = {one.id: one for one in runbook.steps_and_undos}
    yield from _names(shape, steps)
    for name, results in shape.results.items():
        for index, one in enumerate(results if name in steps else ()):
            yield from ((("results", name, index), sentence) for sentence in _unfitting(steps[name], one))
    for name, answers in shape.answers.items():
        for index, answer in enumerate(answers):
            if answer not in APPROVALS and name in steps and steps[name].effect is not Effect.ONCE:
                yield (
                    ("answers", name, index),
                    f"“{answer}” answers a question about a once step, and “{name}” is {steps[name].effect}.",
                )
            if answer not in APPROVALS and name not in steps:
                yield ("answers", name, index), f"“{name}” asks for approval. Write {listing(APPROVALS, 'or')}."


def _names(shape: CaseSchema, steps: Collection[str]) -> Iterator[_Problem]:
    named: list[tuple[Place, str, Collection[str]]] = []
    for key in ("results", "arguments", "saved"):
        named += [((key, one), one, steps) for one in getattr(shape, key)]
    named += [(("answers", one), one, [*steps, RUN, UNDO]) for one in shape.answers]
    named += [(("undo", index), one, steps) for index, one in enumerate(shape.undo or ())]
    for index, one in enumerate(shape.path or ()):
        ((name, fate),) = one.items()
        named.append((("path", index), name, [*steps, RUN, UNDO] if fate == "asks" else steps))
    for place, name, known in named:
        if name not in known:
            yield place, f"There is no step “{name}” in this runbook. {hint(name, known)}"


def _unfitting(step: Step, shape: ResultSchema) -> Iterator[str]:
    kind, _ = step.checked
    if not kind.rules.results:
        advice = " Say approve, reject or wait under answers." if kind is Kind.APPROVAL else ""
        yield f"A {step.kind} step needs no result: it is worked out. Remove this.{advice}"
        return
    for name in shape.given:
        if name not in kind.rules.results:
            yield f"A {kind} step cannot give “{name}”. It gives {listing(kind.rules.results)}."
    if shape.ok is not None and not shape.ok and kind is not Kind.PROMQL:
        yield f"Only the check of a promql step can come to no. For a {kind} step write {{fails: why}}."
    if kind is Kind.PROMQL and (isinstance(shape.value, bool) or not isinstance(shape.value, int | float | None)):
        yield "The value of a promql step is a number, or null where nothing was found."
    if kind is Kind.MANUAL:
        yield from _by_a_person(step, shape)
    elif shape.waits:
        yield f"Only a manual step waits for a person. For a {kind} step write ok, fails or unknown."
    if shape.unknown and step.kind in (Kind.WAIT, Kind.PROMQL):
        yield f"What became of a {step.kind} step is always known. Write {{fails: why}}."


def _by_a_person(step: Step, shape: ResultSchema) -> Iterator[str]:
    if shape.fails or shape.unknown:
        yield "A person does a manual step, or it waits. Write ok, waits or {evidence: what was seen}."
    elif step.body.get("evidence") and not shape.waits and not (shape.evidence or "").strip():
        yield "This step asks for evidence. Write {evidence: what was seen}."
