"""What is typed after a verb, `ID [name=value …]`, and the same words as a button carries them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.catalogue.runbook import Runbook
from bot.domain.errors import Unclear
from bot.domain.incidents.draft import readable
from bot.domain.runs import parameters
from bot.domain.runs.parameters import Reference

BUTTON_LIMIT = 2_000
REASON = "reason"  # a field that every run has, so no parameter is called like it
QUOTES = str.maketrans("“”„\N{NO-BREAK SPACE}", '""" ')  # not ’, which is an apostrophe more often than a quote

_LABELLED = re.compile(r"<(?:https?|mailto|tel):[^<>|]+\|([^<>]+)>")


@dataclass(frozen=True)
class Said:
    """The id is empty where none is named."""

    runbook: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


def read(text: str) -> Said:
    """Raises Unclear."""
    return of_button(as_typed(text))


def of_button(text: str) -> Said:
    """Raises Unclear."""
    try:
        words = shlex.split(text)
    except ValueError:
        raise Unclear('A quotation mark is not closed. Write name="two words".') from None
    if not words:
        return Said()
    given = parameters.pairs(words[1:])
    return Said(words[0].casefold(), given, given.pop(REASON, "").strip())


def as_typed(text: str) -> str:
    """A host that became a link is a host again, curly quotes are straight."""
    return readable(_LABELLED.sub(r"\1", text)).translate(QUOTES)


def value(runbook: str, given: Mapping[str, object], reason: str = "") -> str:
    every = {**given, REASON: reason} if reason else given
    said = shlex.join(
        [runbook, *(f"{name}={_text(one)}" for name, one in every.items() if not isinstance(one, Reference))]
    )
    return said if len(said) <= BUTTON_LIMIT else runbook


def _text(one: object) -> str:
    return ("true" if one else "false") if isinstance(one, bool) else str(one)


def must_fit(runbook: Runbook, said: Said, *, whole: bool) -> None:
    """`whole`: with what was not given too. Raises Unclear."""
    problems = parameters.problems(runbook, said.given)
    found = [sentence for name, sentence in problems.items() if whole or name in said.given]
    if found:
        missing = [name for name in problems if name not in said.given]
        example = f" Write `{' '.join([runbook.id, *(f'{name}=…' for name in missing)])}`." if missing and whole else ""
        raise Unclear(" ".join(found[:5]) + example)


def is_whole(runbook: Runbook, said: Said) -> bool:
    return not parameters.problems(runbook, said.given)
