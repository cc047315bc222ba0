"""approval {who, quorum, expires, text}: the run rests until the right people approve"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.domain.runs.outcome import Outcome, Waiting
from bot.engine.steps import arguments as read
from bot.engine.steps.context import StepContext


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    """Waits until people act. Who may, and how many it takes, is not decided here."""
    text = arguments.get("text")
    return Waiting(None, context.shown(read.written(text, "text")) if text is not None else "Waiting for approval.")
