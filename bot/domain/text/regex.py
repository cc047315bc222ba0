"""Patterns that operators write, matched in linear time whatever the text: RE2, anchored at both ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import re2

from bot.domain.errors import Unclear

MAX_PATTERN = 500

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 20

# What a narrow pattern is made of: plain letters, classes, groups and repetition; no `.`, no flags, no negation.
_PIECES = re.compile(
    r"[A-Za-z0-9_-]|\\[dw.-]|(\[(?!\^)(?:[A-Za-z0-9_.-]|\\[dw.-])+\])|\((?:\?:|(?!\?))|[)|?*+]|\{[0-9,]{1,9}\}",
    re.ASCII,
)
_HARMLESS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


@lru_cache(maxsize=2_000)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Of a whole text. Raises Unclear where RE2 cannot compile it."""
    if len(pattern) > MAX_PATTERN:
        raise Unclear(f"This pattern is longer than {MAX_PATTERN} characters. Make it shorter.")
    if _is_broken(pattern):
        raise Unclear("This pattern holds half of a character. Write it again.")
    try:
        compiled = re2.compile(pattern, _OPTIONS)
    except re2.error as problem:
        said = problem.args[0] if problem.args else b""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise Unclear(f"“{pattern}” is not a pattern: {reason}. Write one in RE2's syntax.") from None
    return lambda text: compiled.fullmatch(_whole(text)) is not None


def _is_broken(text: str) -> bool:
    """JSON and YAML can spell half of a surrogate pair, which no encoding has."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def _whole(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if _is_broken(text) else text


def is_narrow(pattern: str) -> bool:
    """Whether what matches is of letters, digits, `_`, `.` and `-` alone, so that it can break out of nothing."""
    place = 0
    while place < len(pattern):
        piece = _PIECES.match(pattern, place)
        if piece is None or (piece[1] and not _is_harmless_class(piece[1])):
            return False
        place = piece.end()
    return True


@lru_cache(maxsize=2_000)
def _is_harmless_class(piece: str) -> bool:
    """Ranges are tried out: `[.-_]` holds much more than it shows."""
    try:
        holds = matcher(piece)
    except Unclear:
        return False
    return all(chr(code) in _HARMLESS for code in range(128) if holds(chr(code)))
