"""What a runbook's steps do: one file per kind, one shape.

`perform(arguments, context)` takes rendered arguments (plain values) and returns the step's fate.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.domain.outcome import Outcome
from bot.domain.runbook import Kind
from bot.engine.steps import approval, http, manual, message, promql, redis, set, shell, sql, wait  # noqa: A004
from bot.engine.steps.context import Connections, ShellRules, StepContext

__all__ = ["STEPS", "Connections", "Perform", "ShellRules", "StepContext"]

Perform = Callable[[Mapping[str, Any], StepContext], Awaitable[Outcome]]

STEPS: Mapping[Kind, Perform] = {
    Kind.HTTP: http.perform,
    Kind.SQL: sql.perform,
    Kind.REDIS: redis.perform,
    Kind.PROMQL: promql.perform,
    Kind.SHELL: shell.perform,
    Kind.WAIT: wait.perform,
    Kind.MANUAL: manual.perform,
    Kind.APPROVAL: approval.perform,
    Kind.MESSAGE: message.perform,
    Kind.SET: set.perform,
}
