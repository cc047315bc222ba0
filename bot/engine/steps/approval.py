"""approval {who, quorum, expires, text}: the run stands until the right people approve"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.domain.errors import Unclear
from bot.domain.runs.outcome import Failed, Outcome, Waiting
from bot.engine.steps import arguments as read
from bot.engine.steps.context import StepContext


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    """Waits until people act. Who may, and how many it takes, is not decided here."""
    try:
        text = arguments.get("text")
        return Waiting(None, context.shown(read.written(text, "text")) if text is not None else "Waiting for approval.")
    except Unclear as problem:
        return Failed(problem.sentence, certain=True)
