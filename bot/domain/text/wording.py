from __future__ import annotations

import difflib
from collections.abc import Iterable


def listing(words: Iterable[str], joiner: str = "and") -> str:
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {joiner} {items[-1]}" if items else "none"


def nearest(word: str, known: Iterable[str]) -> str | None:
    matches = difflib.get_close_matches(word.casefold(), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def hint(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = nearest(word, names)
    return f"Did you mean “{close}”?" if close else f"There is {listing(names)}."
