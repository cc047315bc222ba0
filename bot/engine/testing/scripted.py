"""What a step comes to when its test says what it met: arguments and judgement are the step's own, the world is not."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.catalogue.runbook_tests.read import FAILS, GIVES, UNKNOWN, WAITS, ScriptedResult
from bot.domain.catalogue.runbook import Kind, Step
from bot.domain.errors import Unclear
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown, Waiting
from bot.domain.text import duration
from bot.domain.text.secret import Secret
from bot.engine.steps import STEPS, Connections, StepContext, arguments as read, http, promql, redis, shell, sql, wait
from bot.ports import Clock, Tx

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)  # a simulated run takes no time
_LONG_AGO = MOMENT - timedelta(days=3650)


class Script:
    """What a case says of one step, in order. The last result is also that of every later attempt."""

    def __init__(self, results: Sequence[ScriptedResult]) -> None:
        self._left = list(results)

    def take(self) -> ScriptedResult | None:
        return self._left.pop(0) if len(self._left) > 1 else next(iter(self._left), None)

    def take_all(self) -> list[ScriptedResult]:
        found, self._left = self._left, self._left[-1:]
        return found


class Unscripted(Exception):
    """The case does not say what a step meets, or says two things of it (`scripted_result`). The walk ends there."""

    def __init__(self, sentence: str, step: Step | None = None, scripted_result: ScriptedResult | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.step = step
        self.scripted_result = scripted_result


class _Still(Clock):
    """Nobody moves it."""

    speed = 1.0

    def now(self) -> datetime:
        return MOMENT

    def wall(self) -> float:
        return MOMENT.timestamp()

    def from_wall(self, epoch_seconds: float) -> datetime:
        return datetime.fromtimestamp(epoch_seconds, UTC)

    async def refresh(self, tx: Tx | None = None) -> None:
        """There is nothing to read."""


def _nothing(_reference: str) -> Secret:
    raise AssertionError("a simulated run reaches nothing")


_CONTEXT = StepContext("simulated", 60.0, _Still(), Connections({}, _nothing), started_at=_LONG_AGO)


def outcome(step: Step, arguments: Mapping[str, Any], script: Script) -> Outcome:
    """Raises Unscripted."""
    try:
        if not step.checked[0].rules.results:
            return _at_once(STEPS[step.kind](arguments, _CONTEXT))
        if step.kind is Kind.WAIT:
            return _waited(step, arguments, script)
        return _judged(step.kind, arguments, _needed(step, script.take()))
    except Unclear as problem:
        return Failed(problem.sentence, certain=True)


def _at_once(work: Awaitable[Outcome]) -> Outcome:
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        found: Outcome = end.value
        return found
    raise AssertionError("this step waits for something outside")


def _needed(step: Step, found: ScriptedResult | None) -> ScriptedResult:
    if found is None:
        example = f"{step.id}: {'waits' if step.kind is Kind.MANUAL else 'ok'}"
        raise Unscripted(f"step {step.id} comes, and nothing says what it meets. Add {example} under results.", step)
    return found


def _judged(kind: Kind, arguments: Mapping[str, Any], scripted_result: ScriptedResult) -> Outcome:
    _must_be_right(kind, arguments)
    if scripted_result.word == FAILS:
        return Failed(scripted_result.sentence, scripted_result.certain, dict(scripted_result.values))
    if scripted_result.word == UNKNOWN:
        return Unknown("It may have happened.")
    return (
        Waiting(None, "It waits for a person.")
        if scripted_result.word == WAITS
        else _GIVES[kind](arguments, scripted_result)
    )


# --- arguments; raises Unclear ----------------------------------------------------------------------------------------


def _must_be_right(kind: Kind, arguments: Mapping[str, Any]) -> None:
    """By the step's own readers, so that a simulated run refuses what a run would."""
    match kind:
        case Kind.HTTP:
            http._url(arguments)
            http._headers(arguments, "simulated")
            http._body(arguments)
        case Kind.SQL:
            sql.statement(arguments)
        case Kind.SHELL:
            shell.argv(arguments)
        case Kind.REDIS:
            redis.command(arguments)
        case Kind.MANUAL:
            read.text(arguments, "text")
        case Kind.EMAIL | Kind.PAGE:
            for name in ("subject", "text"):
                if name in arguments and not read.text(arguments, name).strip():
                    raise Unclear("The message is empty. Say something in it.")


# --- what each kind makes of what it is given -------------------------------------------------------------------------


def _http(arguments: Mapping[str, Any], scripted_result: ScriptedResult) -> Outcome:
    given, expected = scripted_result.values, read.numbers(arguments, "expect", (200,))
    status = given.get("status", 200 if 200 in expected else min(expected))
    headers = {name.lower(): value for name, value in (given.get("headers") or {}).items()}
    body = given.get("body") or ""
    if "json" in given:
        headers.setdefault("content-type", "application/json")
        body = body or json.dumps(given["json"], default=str)
    result = {"status": status, "headers": headers, "body": body, "json": http.parsed(headers, body)}
    return http.judged(result, expected, read.mapping(arguments, "extract"))


def _sql(arguments: Mapping[str, Any], scripted_result: ScriptedResult) -> Outcome:
    rows = (scripted_result.values.get("rows") or [])[: read.whole(arguments, "max_rows", 100, 10_000)]
    return Done({"rows": rows, "rowcount": scripted_result.values.get("rowcount", len(rows))})


def _redis(_arguments: Mapping[str, Any], scripted_result: ScriptedResult) -> Outcome:
    return Done({"value": scripted_result.values.get("value")})


def _promql(arguments: Mapping[str, Any], scripted_result: ScriptedResult) -> Outcome:
    given = scripted_result.values
    if not given:
        return promql.done([], scripted_result.says_ok is not False)
    samples = [_sample(one) for one in _series(given)]
    ok = promql.is_met(arguments.get("check"), samples)
    if scripted_result.says_ok not in (None, ok):
        said = "yes" if ok else "no"
        sentence = f"with these values the check comes to {said}, and ok says otherwise. Leave ok out."
        raise Unscripted(sentence, scripted_result=scripted_result)
    return promql.done(samples, ok)


def _series(given: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if given.get("samples") is not None:
        return list(given["samples"])
    return [] if given.get("value") is None else [{"value": given["value"]}]


def _sample(written: Mapping[str, Any]) -> dict[str, Any]:
    value = written["value"]
    values = [float(one) for one in written.get("values") or [value]]
    return {"labels": written.get("labels", {}), "value": float(value), "values": values, "at": written.get("at", 0.0)}


def _shell(arguments: Mapping[str, Any], scripted_result: ScriptedResult) -> Outcome:
    expected = read.numbers(arguments, "expect", (0,))
    result = {"exit_code": min(expected), "stdout": "", "stderr": "", **scripted_result.values}
    return shell.judged(result, read.texts(arguments, "argv")[0], expected)


def _manual(_arguments: Mapping[str, Any], scripted_result: ScriptedResult) -> Outcome:
    return Done({"evidence": str(scripted_result.values.get("evidence", "")).strip()})


def _reaching(arguments: Mapping[str, Any], scripted_result: ScriptedResult) -> Outcome:
    reached = scripted_result.values.get("reached") or [str(arguments.get("to", ""))]
    return Done({"reached": reached, "missed": scripted_result.values.get("missed") or []})


_GIVES: Mapping[Kind, Callable[[Mapping[str, Any], ScriptedResult], Outcome]] = {
    Kind.HTTP: _http,
    Kind.SQL: _sql,
    Kind.REDIS: _redis,
    Kind.PROMQL: _promql,
    Kind.SHELL: _shell,
    Kind.MANUAL: _manual,
    Kind.EMAIL: _reaching,
    Kind.PAGE: _reaching,
}


# --- waiting ----------------------------------------------------------------------------------------------------------


def _waited(step: Step, arguments: Mapping[str, Any], script: Script) -> Outcome:
    """Each result is one look, as many as its time has room for. When none of them holds, its time is over."""
    every, limit = read.seconds(arguments, "every"), read.seconds(arguments, "deadline")
    kind, _ = step.checked
    inner = arguments["until"][kind.value]
    looks = script.take_all() or [_needed(step, None)]
    for scripted_result in looks[: math.ceil(limit / every) + 1]:
        if scripted_result.word == GIVES and not scripted_result.values and scripted_result.says_ok is not False:
            return _held(kind, inner)
        seen = _judged(kind, inner, scripted_result)
        if wait.holds(kind, seen):
            return seen
    within = duration.words(timedelta(seconds=limit))
    said = seen.sentence if isinstance(seen, Failed | Unknown) else "the check does not hold."
    return Failed(f"It did not come true within {within}: {said}", certain=True)


def _held(kind: Kind, inner: Mapping[str, Any]) -> Outcome:
    values: dict[Kind, dict[str, Any]] = {Kind.SQL: {"rows": [{"ok": True}]}, Kind.REDIS: {"value": 1}}
    return _judged(kind, inner, ScriptedResult(values=values.get(kind, {})))
