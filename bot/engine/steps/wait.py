"""wait {for | until+every+deadline}: a time, or until a check holds. Nothing runs meanwhile: it is looked at again

An `until` holds where http answers as expected, promql's check holds, sql's first value is true, redis' value is
neither empty nor 0, or shell's program ends as expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.domain.catalogue.runbook import Kind
from bot.domain.errors import Unclear
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown, Waiting
from bot.domain.text import duration
from bot.engine.steps import STEPS, arguments as read
from bot.engine.steps.context import StepContext

_CHECKS = [kind.value for kind in Kind if kind.rules.looks]


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    """Waiting for so many seconds; then it is performed again with the same `started_at`."""
    since = context.started_at or context.clock.now()
    if arguments.get("until") is None:
        return _timed(read.seconds(arguments, "for"), since, context)
    return await _checked(arguments, since, context)


def _timed(seconds: float, since: datetime, context: StepContext) -> Outcome:
    left = _left(seconds, since, context)
    if left <= 0:
        return Done(output=f"Waited {_words(seconds)}.")
    return Waiting(left, f"Waiting for {_words(left)}.")


async def _checked(arguments: Mapping[str, Any], since: datetime, context: StepContext) -> Outcome:
    every, deadline = read.seconds(arguments, "every"), read.seconds(arguments, "deadline")
    kind, inner = _check(read.mapping(arguments, "until"))
    # The last look comes at the deadline itself, so whether it has passed is asked before looking.
    left = _left(deadline, since, context)
    # A key of its own for each look: a server that knows the key would give its first answer again.
    look = replace(context, key=f"{context.key}.{round((deadline - left) * 1000)}", started_at=None)
    outcome = await STEPS[kind](inner, look)
    if holds(kind, outcome):
        return outcome
    said = _said(outcome)
    if left <= 0:
        return Failed(f"It did not come true within {_words(deadline)}: {said}", certain=True)
    return Waiting(min(every, left), f"Not yet: {said}")


def _check(until: Mapping[str, Any]) -> tuple[Kind, Mapping[str, Any]]:
    if len(until) != 1 or next(iter(until)) not in _CHECKS:
        raise Unclear(f"until has exactly one check: {', '.join(_CHECKS)}.")
    kind = Kind(next(iter(until)))
    inner = read.mapping(until, kind)
    if kind is Kind.SQL and inner.get("write"):
        raise Unclear("A check changes nothing. Remove write.")
    return kind, inner


def holds(kind: Kind, outcome: Outcome) -> bool:
    if not isinstance(outcome, Done):
        return False
    match kind:
        case Kind.PROMQL:
            return bool(outcome.result["ok"])
        case Kind.REDIS:
            return outcome.result["value"] not in (None, "", 0, "0", False, [])
        case Kind.SQL:
            rows = outcome.result["rows"]
            return bool(rows) and bool(next(iter(rows[0].values()), None))
    return True


def _said(outcome: Outcome) -> str:
    match outcome:
        case Failed() | Unknown() | Waiting():
            return outcome.sentence
        case Done(output=output):
            return output.splitlines()[0][:300] if output else "the check does not hold."


def _left(seconds: float, since: datetime, context: StepContext) -> float:
    return seconds - (context.clock.now() - since).total_seconds()


def _words(seconds: float) -> str:
    return duration.words(timedelta(seconds=seconds)) if seconds >= 1 else "less than a second"
