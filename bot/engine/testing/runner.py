"""`tocsin check --tests`: every runbook's own tests simulated; what came otherwise than expected, by file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.catalogue.load import load
from bot.catalogue.runbook_tests.read import RUN, UNDO, RunbookCase, Suite, suites
from bot.catalogue.yaml.document import Place
from bot.domain.catalogue.catalogue import Catalogue, Finding
from bot.domain.catalogue.runbook import Connection, Runbook
from bot.domain.catalogue.service import Service
from bot.domain.errors import Unclear
from bot.engine.testing.simulate import ASKS, Broken, Happened, Simulated, simulate
from bot.expressions import check as words, evaluate

Difference = tuple[Place, str]
CAME = "came"  # a step that nothing is said of


@dataclass(frozen=True)
class Report:
    """A case passes when nothing is said of it."""

    findings: tuple[Finding, ...]
    passed: int
    cases: int
    runbooks: int

    def __str__(self) -> str:
        of = "" if self.passed == self.cases else f" of {self.cases:,}"
        cases = "case" if max(self.passed, self.cases) == 1 else "cases"
        return f"{self.passed:,}{of} {cases} of {self.runbooks:,} runbook{'' if self.runbooks == 1 else 's'} passed."


def try_all(folders: Sequence[Path], allow_shell: Sequence[Path] = ()) -> Report:
    catalogue = load(folders, allow_shell=allow_shell).catalogue
    findings: list[Finding] = []
    passed = cases = 0
    found = suites(folders, catalogue.runbooks if catalogue else {}, findings)
    for suite in found:
        outcomes = [_tried(suite, case, catalogue) for case in suite.cases]
        findings += [one for outcome in outcomes for one in outcome]
        passed += sum(not outcome for outcome in outcomes)
        cases += suite.written
    return Report(tuple(sorted(findings, key=lambda one: (one.file, one.line))), passed, cases, len(found))


def _tried(suite: Suite, case: RunbookCase, catalogue: Catalogue | None) -> list[Finding]:
    service = catalogue.services.get(suite.runbook.service) if catalogue else None
    connections = catalogue.connections if catalogue else {}
    return [
        suite.document.finding((*case.place, *place), f"“{case.name}”: {sentence}")
        for place, sentence in differences(suite.runbook, case, service, connections)
    ]


def differences(
    runbook: Runbook, case: RunbookCase, service: Service | None, connections: Mapping[str, Connection]
) -> Iterator[Difference]:
    """Places are inside the case."""
    try:
        found = simulate(runbook, case, service, connections)
    except Broken as problem:
        yield from _broken(runbook, case, problem)
        return
    expected = case.expected
    if expected.path is not None:
        yield from _path(runbook, expected.path, found)
    for step, wanted in expected.arguments.items():
        yield from _arguments(step, wanted, found)
    for step, wanted in expected.saved.items():
        yield from _saved(step, wanted, found)
    yield from _end(case, found)


def _broken(runbook: Runbook, case: RunbookCase, problem: Broken) -> Iterator[Difference]:
    so_far, step, path = problem.so_far, problem.step, case.expected.path or ()
    walked = len(so_far.path)
    left = next(_path(runbook, path[:walked], so_far), None) if path else None
    if left:
        yield left
    elif step and walked < len(path) and (path[walked][0] != step.id or path[walked][1] == "skipped"):
        came = _came(runbook, path[walked], Happened(step.id, CAME), so_far)
        yield ("path", walked), f"expected {_wanted(*path[walked])}; {came}"
    else:
        yield (
            (problem.scripted_result.place[len(case.place) :] if problem.scripted_result else ("results",)),
            problem.sentence,
        )


# --- the path ---------------------------------------------------------------------------------------------------------


def _path(runbook: Runbook, expected: Sequence[tuple[str, str]], found: Simulated) -> Iterator[Difference]:
    """The first difference only: what follows from it says nothing new."""
    for index, (step, fate) in enumerate(expected):
        came = found.path[index] if index < len(found.path) else None
        if came is None:
            yield ("path", index), f"expected {_wanted(step, fate)}; the run ended before that: {_ended(found)}"
            return
        if (came.step, came.fate) != (step, fate):
            yield ("path", index), f"expected {_wanted(step, fate)}; {_came(runbook, (step, fate), came, found)}"
            return
    if len(found.path) > len(expected):
        came = found.path[len(expected)]
        yield ("path",), f"expected nothing more; {_came(runbook, ('', ''), came, found)}"


def _wanted(step: str, fate: str) -> str:
    if fate == ASKS:
        return f"{_subject(step)} to ask for approval"
    return f"{_subject(step)} to {'wait for a person' if fate == 'waits' else f'be {fate}'}"


def _subject(step: str) -> str:
    return {RUN: "the run", UNDO: "taking back"}.get(step, f"step {step}")


def _came(runbook: Runbook, expected: tuple[str, str], came: Happened, found: Simulated) -> str:
    subject = "it" if came.step == expected[0] else _subject(came.step)
    if came.fate == ASKS:
        was_to_be_left_out = expected == (came.step, "skipped")
        why = _since(runbook, came.step, found) if was_to_be_left_out else _why_asked(runbook, came.step)
        return f"{subject} asked for approval, since {why}."
    said = {"failed": "failed", "waits": "waits for a person", "unknown": "is unknown", CAME: "came"}
    what = said.get(came.fate, f"was {came.fate}")
    if came.why:
        return f"{subject} {what}: {came.why}"
    since = _since(runbook, came.step, found)
    return f"{subject} {what}{f', since {since}' if since else ''}."


def _why_asked(runbook: Runbook, name: str) -> str:
    step = runbook.step(name)
    if step is None:
        return "the policy wants one" if runbook.policy.approval else "a step has an effect"
    if step.approval is not None:
        return "it has an approval of its own"
    needed = [one for one in evaluate.needs(step.body) if one != "*"]
    return f"it is done once, with what {' and '.join(needed)} found" if needed else "it is an approval"


def _since(runbook: Runbook, name: str, found: Simulated) -> str:
    step = runbook.step(name)
    if step is None or step.when is None:
        return "it has no condition" if step else ""
    paths = [path for piece in words.pieces(step.when) for path in piece.paths or ()]
    return " and ".join(f"{'.'.join(path)} is {_value('.'.join(path), found)}" for path in dict.fromkeys(paths))


def _value(path: str, found: Simulated) -> str:
    try:
        return _said(evaluate.evaluate(path, found.seen))
    except Unclear:
        return "not known"


def _ended(found: Simulated) -> str:
    return found.sentence or f"it {found.ends}."


# --- arguments, saved values, the end ---------------------------------------------------------------------------------


def _arguments(step: str, wanted: Mapping[str, Any], found: Simulated) -> Iterator[Difference]:
    given = found.arguments.get(step)
    if given is None:
        yield ("arguments", step), f"expected arguments of step {step}; it did not come so far."
        return
    for path, one, other in _unequal(wanted, given, ()):
        yield ("arguments", step, *path), _differs(f"step {step}'s {_spelled(path)}", one, other)


def _saved(step: str, wanted: Mapping[str, Any], found: Simulated) -> Iterator[Difference]:
    steps = found.seen["steps"]
    if step not in steps:
        yield ("saved", step), f"expected values of step {step}; it did not come so far."
        return
    for path, one, other in _unequal(wanted, steps[step], ()):
        yield ("saved", step, *path), _differs(f"steps.{step}.{_spelled(path)}", one, other)


_ABSENT = object()


def _unequal(wanted: Any, given: Any, path: Place) -> Iterator[tuple[Place, Any, Any]]:
    """Of a mapping only what is wanted is looked at; a list is compared whole."""
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        for name, one in wanted.items():
            yield from _unequal(one, given.get(name, _ABSENT), (*path, name))
    elif not _alike(wanted, given):
        yield path, wanted, given


def _alike(wanted: Any, given: Any) -> bool:
    if isinstance(wanted, list) and isinstance(given, list):
        return len(wanted) == len(given) and all(map(_alike, wanted, given))
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        return wanted.keys() == given.keys() and all(_alike(wanted[name], given[name]) for name in wanted)
    return isinstance(wanted, bool) == isinstance(given, bool) and bool(wanted == given)


def _differs(what: str, wanted: Any, given: Any) -> str:
    was = "there is none" if given is _ABSENT else f"it is {_said(given)}"
    return f"expected {what} to be {_said(wanted)}; {was}."


def _spelled(path: Place) -> str:
    return ".".join(map(str, path))


def _said(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            text = f"“{value}”"
        case _:
            text = str(value)
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"{text[:199]}…"


_ENDS = {
    "succeeded": "succeed",
    "failed": "fail",
    "undone": "be taken back",
    "awaiting_approval": "wait for approval",
    "waiting": "wait for a person",
    "unknown": "ask whether a step happened",
    "rejected": "be rejected",
    "refused": "be refused",
}
_ENDED = {
    "succeeded": "it succeeded",
    "failed": "it failed",
    "undone": "it was taken back",
    "awaiting_approval": "it waits for approval",
    "waiting": "it waits for a person",
    "unknown": "it asks whether a step happened",
    "rejected": "it was rejected",
    "refused": "it was refused",
}


def _end(case: RunbookCase, found: Simulated) -> Iterator[Difference]:
    expected = case.expected
    if expected.ends not in (None, found.ends):
        why = f": {found.sentence}" if found.sentence else "."
        yield ("ends",), f"expected the run to {_ENDS[str(expected.ends)]}; {_ENDED[found.ends]}{why}"
    if expected.undo not in (None, found.undo):
        yield ("undo",), f"expected taking back to do {_steps(expected.undo or ())}; it would do {_steps(found.undo)}."
    if expected.says is not None and expected.says not in found.sentence:
        yield ("says",), f"expected its last sentence to say {_said(expected.says)}; it says {_said(found.sentence)}."


def _steps(ids: Sequence[str]) -> str:
    return ", then ".join(ids) or "nothing"
