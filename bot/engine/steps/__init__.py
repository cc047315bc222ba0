"""What a runbook's steps do: one file per kind, one shape.

`perform(arguments, context)` takes rendered arguments (plain values) and returns the step's fate.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.domain.outcome import Outcome
from bot.domain.runbook import Kind
from bot.engine.steps import approval, fit, http, manual, message, promql, redis, set, shell, sql, wait  # noqa: A004
from bot.engine.steps.context import Connections, ShellRules, StepContext

__all__ = ["STEPS", "Connections", "Perform", "ShellRules", "StepContext"]

Perform = Callable[[Mapping[str, Any], StepContext], Awaitable[Outcome]]


def _fitting(perform: Perform) -> Perform:
    async def careful(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
        return fit.outcome(await perform(arguments, fit.context(context)), context.masker)

    return careful


STEPS: Mapping[Kind, Perform] = {
    Kind.HTTP: _fitting(http.perform),
    Kind.SQL: _fitting(sql.perform),
    Kind.REDIS: _fitting(redis.perform),
    Kind.PROMQL: _fitting(promql.perform),
    Kind.SHELL: _fitting(shell.perform),
    Kind.WAIT: _fitting(wait.perform),
    Kind.MANUAL: _fitting(manual.perform),
    Kind.APPROVAL: _fitting(approval.perform),
    Kind.MESSAGE: _fitting(message.perform),
    Kind.SET: _fitting(set.perform),
}
