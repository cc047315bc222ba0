"""message {to: target, text}: words for people. They are posted by whoever runs the step, from the result"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.domain.errors import Unclear
from bot.domain.runs.outcome import Done, Failed, Outcome
from bot.engine.steps import arguments as read
from bot.engine.steps.context import StepContext


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    """Done with `to` and the text, bounded."""
    try:
        to, text = read.text(arguments, "to"), context.shown(read.text(arguments, "text"))
    except Unclear as problem:
        return Failed(problem.sentence, certain=True)
    if not text.strip():
        return Failed("The message is empty.", certain=True)
    return Done({"to": to, "text": text}, text)
