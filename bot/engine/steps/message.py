"""message {to: target, text}: words for people. The executor posts them, from the result"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.domain.errors import Unclear
from bot.domain.runs.outcome import Done, Outcome
from bot.engine.steps import arguments as read
from bot.engine.steps.context import StepContext


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    to, text = read.text(arguments, "to"), context.shown(read.text(arguments, "text"))
    if not text.strip():
        raise Unclear("The message is empty.")
    return Done({"to": to, "text": text}, text)
