"""What a step comes to when its test says what it met: arguments and judgement are the step's own, the world is not."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from bot.catalogue.runbook_tests.read import FAILS, GIVES, UNKNOWN, WAITS, ScriptedResult
from bot.domain.catalogue.runbook import Kind, Step
from bot.domain.errors import Unclear
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown, Waiting
from bot.domain.text import duration
from bot.domain.text.secret import Secret
from bot.engine.steps import STEPS, Connections, StepContext, http, sql
from bot.engine.steps import arguments as read
from bot.expressions import evaluate
from bot.ports import Clock

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)  # a simulated run takes no time
_LONG_AGO = MOMENT - timedelta(days=3650)


class Script:
    """What a case says of one step, in order. The last result stands for whatever comes after it."""

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

    async def refresh(self) -> None:
        """There is nothing to read."""


def _nothing(_reference: str) -> Secret:
    raise AssertionError("a simulated run reaches nothing")


_CONTEXT = StepContext("simulated", 60.0, _Still(), Connections({}, _nothing), started_at=_LONG_AGO)


def outcome(step: Step, arguments: Mapping[str, Any], script: Script) -> Outcome:
    """Its fate, by the step's own rules. Raises Unscripted."""
    try:
        if not step.checked[0].rules.results:
            return _at_once(STEPS[step.kind](arguments, _CONTEXT))
        if step.kind is Kind.WAIT:
            return _waited(step, arguments, script)
        return _judged(step.kind, arguments, _needed(step, script.take()))
    except Unclear as problem:
        return Failed(problem.sentence, certain=True)


def _at_once(work: Awaitable[Outcome]) -> Outcome:
    """The result of a step that waits for nothing."""
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
    _CAN_BE_DONE.get(kind, _anything)(arguments)
    if scripted_result.word == FAILS:
        return Failed(scripted_result.sentence, scripted_result.certain, dict(scripted_result.values))
    if scripted_result.word == UNKNOWN:
        return Unknown("It may have happened.")
    return (
        Waiting(None, "It waits for a person.")
        if scripted_result.word == WAITS
        else _GIVES[kind](arguments, scripted_result)
    )


# --- arguments, read as the step reads them: each raises Unclear ------------------------------------------------------


def _anything(arguments: Mapping[str, Any]) -> None:
    """Whatever the arguments are."""


def _a_request(arguments: Mapping[str, Any]) -> None:
    http._url(arguments)  # the step's own readers, so that a simulated run refuses what a run would
    http._headers(arguments, "simulated")
    http._body(arguments)


def _a_statement(arguments: Mapping[str, Any]) -> None:
    missing = sorted(sql.names(read.text(arguments, "query")) - read.mapping(arguments, "params").keys())
    if missing:
        raise Unclear(f"The query binds :{missing[0]}, and params has no {missing[0]}. Add it there.")


def _a_program(arguments: Mapping[str, Any]) -> None:
    if any("\0" in one for one in read.texts(arguments, "argv")):
        raise Unclear("An argument has a null character in it. No program takes that.")


def _a_command(arguments: Mapping[str, Any]) -> None:
    read.texts(arguments, "command")


def _a_message(arguments: Mapping[str, Any]) -> None:
    for name in ("subject", "text"):
        if name in arguments and not read.text(arguments, name).strip():
            raise Unclear("The message is empty. Say something in it.")


def _a_task(arguments: Mapping[str, Any]) -> None:
    read.text(arguments, "text")


_CAN_BE_DONE: Mapping[Kind, Callable[[Mapping[str, Any]], None]] = {
    Kind.HTTP: _a_request,
    Kind.SQL: _a_statement,
    Kind.SHELL: _a_program,
    Kind.REDIS: _a_command,
    Kind.MANUAL: _a_task,
    Kind.EMAIL: _a_message,
    Kind.PAGE: _a_message,
}


# --- what each kind makes of what it is given -------------------------------------------------------------------------


def _http(arguments: Mapping[str, Any], scripted_result: ScriptedResult) -> Outcome:
    given, expected = scripted_result.values, read.numbers(arguments, "expect", (200,))
    status = given.get("status", 200 if 200 in expected else min(expected))
    headers = {name.lower(): value for name, value in (given.get("headers") or {}).items()}
    body = given.get("body") or ""
    if "json" in given:
        headers.setdefault("content-type", "application/json")
        body = body or json.dumps(given["json"], default=str)
    value = _parsed(body) if "json" in headers.get("content-type", "") else None
    found = {name: _extracted(str(path), value) for name, path in read.mapping(arguments, "extract").items()}
    result = {**found, "status": status, "headers": headers, "body": body, "json": value}
    if status in expected:
        return Done(result)
    wanted = ", ".join(map(str, sorted(expected)))
    return Failed(f"The server answered {status}; expected was {wanted}.", result=result)


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _extracted(path: str, value: Any) -> Any:
    try:
        return jmespath.search(path, value)
    except (JMESPathError, ValueError, RecursionError):
        return None  # the expression does not fit what came


def _sql(arguments: Mapping[str, Any], scripted_result: ScriptedResult) -> Outcome:
    rows = (scripted_result.values.get("rows") or [])[: read.whole(arguments, "max_rows", 100, 10_000)]
    return Done({"rows": rows, "rowcount": scripted_result.values.get("rowcount", len(rows))})


def _redis(_arguments: Mapping[str, Any], scripted_result: ScriptedResult) -> Outcome:
    return Done({"value": scripted_result.values.get("value")})


def _promql(arguments: Mapping[str, Any], scripted_result: ScriptedResult) -> Outcome:
    """The check is worked out, unless the case says only what came of it."""
    given = scripted_result.values
    if scripted_result.says_ok is not None and not given:
        return Done({"ok": scripted_result.says_ok, "value": None, "samples": []})
    if not given:
        return Done({"ok": True, "value": None, "samples": []})
    samples = [_sample(one) for one in _series(given)]
    check = arguments.get("check")
    found = [check is None or evaluate.holds(str(check), {**one, "samples": samples}) for one in samples]
    ok = bool(found) and all(found)
    if scripted_result.says_ok not in (None, ok):
        said = "yes" if ok else "no"
        sentence = f"with these values the check comes to {said}, and ok says otherwise. Leave ok out."
        raise Unscripted(sentence, scripted_result=scripted_result)
    kept = [_storable(one) for one in samples]
    return Done({"ok": ok, "value": kept[0]["value"] if kept else None, "samples": kept})


def _storable(sample: dict[str, Any]) -> dict[str, Any]:
    """NaN and the infinities are nothing, as the step keeps them."""
    values = [value if math.isfinite(value) else None for value in sample["values"]]
    return sample | {"value": values[-1], "values": values}


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
    code = scripted_result.values.get("exit_code", min(expected))
    result = {"exit_code": code, "stdout": "", "stderr": "", **scripted_result.values}
    if code in expected:
        return Done(result)
    wanted = ", ".join(map(str, sorted(expected)))
    return Failed(f"{read.texts(arguments, 'argv')[0]} ended with {code}; expected was {wanted}.", result=result)


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
        if _holds(kind, seen):
            return seen
    within = duration.words(timedelta(seconds=limit))
    said = seen.sentence if isinstance(seen, Failed | Unknown) else "the check does not hold."
    return Failed(f"It did not come true within {within}: {said}", certain=True)


def _holds(kind: Kind, seen: Outcome) -> bool:
    """As the step says of each kind of check."""
    if not isinstance(seen, Done):
        return False
    match kind:
        case Kind.PROMQL:
            return bool(seen.result["ok"])
        case Kind.REDIS:
            return seen.result["value"] not in (None, "", 0, "0", False, [])
        case Kind.SQL:
            rows = seen.result["rows"]
            return bool(rows) and bool(next(iter(rows[0].values()), None))
    return True


def _held(kind: Kind, inner: Mapping[str, Any]) -> Outcome:
    """`ok`: the check held, whatever it saw."""
    values: dict[Kind, dict[str, Any]] = {Kind.SQL: {"rows": [{"ok": True}]}, Kind.REDIS: {"value": 1}}
    return _judged(kind, inner, ScriptedResult(values=values.get(kind, {})))
