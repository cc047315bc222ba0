"""What a runbook's steps do: one file per kind, one shape.

`perform(arguments, context)` takes rendered arguments (plain values) and returns the step's fate. It raises Unclear or
Misconfigured before it does anything, which is a failure that is certain.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any

from bot.domain.catalogue.runbook import Kind
from bot.domain.errors import Misconfigured, Unclear
from bot.domain.runs.outcome import Failed, Outcome
from bot.engine.steps import fit
from bot.engine.steps.context import Connections, ShellRules, StepContext, StepRecipients

__all__ = ["STEPS", "Connections", "Perform", "ShellRules", "StepContext", "StepRecipients"]

Perform = Callable[[Mapping[str, Any], StepContext], Awaitable[Outcome]]


def _of(kind: Kind) -> Perform:
    """Read when it is needed first: start-up is quicker without the clients of all kinds."""

    async def careful(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
        perform: Perform = import_module(f"bot.engine.steps.{kind.value}").perform
        try:
            outcome = await perform(arguments, fit.context(context))
        except (Unclear, Misconfigured) as problem:
            outcome = Failed(problem.sentence, certain=True)
        return fit.outcome(outcome, context.masker)

    return careful


STEPS: Mapping[Kind, Perform] = {kind: _of(kind) for kind in Kind}
