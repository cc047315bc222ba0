"""set {name: value}: values for later steps, worked out already"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.domain.errors import Unclear
from bot.domain.runs.outcome import Done, Outcome
from bot.engine.steps.bounds import MAX_OUTPUT
from bot.engine.steps.context import StepContext
from bot.expressions.evaluate import plain


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    values = plain(arguments)
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    if sum(map(len, lines)) > MAX_OUTPUT:
        raise Unclear("These values are too large to keep. Keep less of them.")
    return Done(values, context.shown("\n".join(lines)))
