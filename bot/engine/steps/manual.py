"""manual {text, who?, evidence=false}: a person does it and ticks it"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.domain.runs.outcome import Outcome, Waiting
from bot.engine.steps import arguments as read
from bot.engine.steps.context import StepContext


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    return Waiting(None, context.shown(read.text(arguments, "text")))
