"""Lists of words, and the known word that is most like a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def listing(words: Iterable[str], joiner: str = "and") -> str:
    """`a, b and c`"""
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {joiner} {items[-1]}" if items else "none"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like this one, if any is alike at all."""
    matches = difflib.get_close_matches(word.casefold(), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def hint(word: str, known: Iterable[str]) -> str:
    """`Did you mean x?` or the list of what there is."""
    names = sorted(known)
    close = nearest(word, names)
    return f"Did you mean “{close}”?" if close else f"There is {listing(names)}."
