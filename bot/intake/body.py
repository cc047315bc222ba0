"""A body as it came: whether it is a JSON object, and read so that one odd value costs nothing else.

Senders that glue JSON together leave bare line ends in texts, NaN for a number, or a byte that is no UTF-8. The alert
around it is still one.
"""

from __future__ import annotations

import json
import math
from typing import Any

from bot.domain.errors import Unclear

DEEPEST = 100
NOT_JSON = "The body is not JSON. Send a JSON object in UTF-8."
NOT_AN_OBJECT = "The body is JSON, but no object. Send an object: {…}."
TOO_DEEP = f"The body is nested deeper than {DEEPEST} levels."


def text_of(body: bytes) -> str:
    """Raises Unclear, for the sender, where it is no JSON object."""
    text = body.decode(json.detect_encoding(body), "replace")
    loads(text)
    return text


def loads(text: str) -> dict[str, Any]:
    """Raises Unclear."""
    try:
        found = json.loads(text, strict=False, parse_constant=str, parse_float=_float, parse_int=_int)
    except RecursionError:
        raise Unclear(TOO_DEEP) from None
    except ValueError:
        raise Unclear(NOT_JSON) from None
    if not isinstance(found, dict):
        raise Unclear(NOT_AN_OBJECT)
    if _is_too_deep(found):
        raise Unclear(TOO_DEEP)
    return found


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) < 300 else text  # Python refuses to read very long ones


def _is_too_deep(found: dict[str, Any]) -> bool:
    """Level by level, since a body that is too deep is also too deep to recurse into."""
    level: list[Any] = [found]
    for _ in range(DEEPEST):
        inner = [one for each in level for one in (each.values() if isinstance(each, dict) else each)]
        level = [one for one in inner if isinstance(one, dict | list)]
        if not level:
            return False
    return True
