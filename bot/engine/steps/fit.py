"""An outcome as it may be kept and shown: masked whole, in characters that every database takes, and not too deep."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown, Waiting
from bot.domain.text.masking import Masker
from bot.engine.steps.context import StepContext

MAX_DEPTH = 60  # of lists and mappings within one another
TOO_DEEP = "…"
_UNFIT = re.compile("[\0\ud800-\udfff]")  # null characters, which PostgreSQL refuses, and halves of characters


def text(value: str, masker: Masker) -> str:
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", masker.mask(value))


def value(given: Any, masker: Masker, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        return TOO_DEEP
    match given:
        case str():
            return text(given, masker)
        case Mapping():
            return {text(str(name), masker): value(one, masker, depth + 1) for name, one in given.items()}
        case list() | tuple():
            return [value(one, masker, depth + 1) for one in given]
    return given


def outcome(made: Outcome, masker: Masker) -> Outcome:
    """Masked before anybody cuts it: half a secret would be known to nobody."""
    match made:
        case Waiting():
            return replace(made, sentence=text(made.sentence, masker))
        case Done():
            said, output = text(made.sentence, masker), text(made.output, masker)
            return replace(made, result=value(made.result, masker), output=output, sentence=said)
        case Failed():
            said, output = text(made.sentence, masker), text(made.output, masker)
            return replace(made, sentence=said, result=value(made.result, masker), output=output)
        case Unknown():
            return replace(made, sentence=text(made.sentence, masker), output=text(made.output, masker))


def context(given: StepContext) -> StepContext:
    """Whose output, as it comes, has no other characters either. Who listens masks it over its chunks' borders."""
    return replace(given, write=lambda said: given.write(_UNFIT.sub("\N{REPLACEMENT CHARACTER}", said)))
