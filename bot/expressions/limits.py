"""How much an expression or a template may do. What runs pays before it runs, for what it reads and what it makes.

A unit is about five nanoseconds: a character that is looked at, four where it is ASCII, a sixtieth of a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from itertools import islice
from typing import Any

from jinja2 import Environment, TemplateRuntimeError
from jinja2.nodes import EvalContext
from jinja2.runtime import Context

MAX_WORK = 3_000_000  # units for one text or expression: 15 ms, at most 50 ms on a slow machine
MAX_TEMPLATE_WORK = 20_000_000
MAX_INPUT = 200_000  # characters of one value that is named; anything but text is eight
MAX_TEXT = 1_000_000
MAX_ITEMS = 100_000
MAX_SEARCHED = 1_000  # items of a list that `in` looks through
MAX_REPEATED = 10_000
MAX_NUMBER = 2**256
MAX_DEPTH = 100

CALL, ITEM, EACH = 200, 60, 600  # a filter or test that runs; a value that is looked at; an item that is handed to one

LISTS: tuple[type[Iterable[Any]], ...] = (list, tuple, range, *map(type, ({}.keys(), {}.values(), {}.items())))

Cost = Callable[..., int]

_left: ContextVar[int] = ContextVar("units_left", default=0)  # outside an allowance Jinja works nothing out beforehand


class TooMuch(TemplateRuntimeError):
    """More than an expression may do, or nothing that it does."""


@contextmanager
def allowance(units: int = MAX_WORK) -> Iterator[None]:
    token = _left.set(units)
    try:
        yield
    finally:
        _left.reset(token)


def spend(units: int) -> None:
    left = _left.get() - units
    if left < 0:
        raise TooMuch("this is more work than an expression may do")
    _left.set(left)


def paid(function: Callable[..., Any], cost: Cost) -> Callable[..., Any]:
    """It pays first. Keeps the marks by which Jinja hands in its context."""

    @wraps(function)
    def paying(*arguments: Any, **named: Any) -> Any:
        is_handed = isinstance(arguments[0], Environment | Context | EvalContext)
        spend(CALL + cost(*arguments[is_handed:], **named))
        return fitting(function(*arguments, **named))

    return paying


def fitting(result: Any) -> Any:
    match result:
        case str() | list() if len(result) > (MAX_TEXT if isinstance(result, str) else MAX_ITEMS):
            raise TooMuch("this becomes too long")
        case int() if abs(result) > MAX_NUMBER:
            raise TooMuch("this number becomes too large")
        case Iterator():
            return fitting(list(islice(result, MAX_ITEMS + 1)))
    return result


def parts(*values: Any) -> Iterator[Any]:
    waiting: list[Any] = list(values)
    while waiting:
        one = waiting.pop()
        yield one
        if isinstance(one, dict):
            waiting += one
            waiting += one.values()
        elif isinstance(one, LISTS):
            waiting += one


def size(*values: Any) -> int:
    """In units. Pays for the look."""
    left, found = _left.get(), 0
    for one in parts(*values):
        found += ITEM + (len(one) >> (2 * one.isascii()) if isinstance(one, str) else 0)
        if found > left:
            break
    spend(found)
    return found


def taken(value: Any) -> Any:
    """A long text loses its middle. Raises TooMuch for anything larger."""
    if not isinstance(value, str):
        value, left = _copied(value, MAX_INPUT, 0)
        spend((MAX_INPUT - left) * ITEM // 4)
        return value
    spend(min(len(value), MAX_INPUT))
    return shortened(str(value))


def shortened(text: str) -> str:
    if len(text) <= MAX_INPUT:
        return text
    half = MAX_INPUT // 2 - 50
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters are left out here …\n{text[-half:]}"


def _copied(value: Any, left: int, depth: int) -> tuple[Any, int]:
    """Also returns what is left of the room."""
    if depth > MAX_DEPTH:
        raise TooMuch("a value is nested too deeply")
    match value:
        case None | bool() | float():
            left -= 8
        case int():
            left, value = left - 8, fitting(value)
        case Mapping():
            left, copy = left - 8, {}
            for key, one in value.items():
                copy[str(key)], left = _copied(one, left - len(str(key)), depth + 1)
            value = copy
        case list() | tuple() | set() | frozenset():
            left, items = left - 8, []
            for one in value:
                item, left = _copied(one, left, depth + 1)
                items.append(item)
            value = items
        case _:
            value = str(value)
            left -= 8 + len(value)
    if left < 0:
        raise TooMuch(
            "a list or mapping of more than 200 kB is read here. Name a part of it, or let its step give less"
        )
    return value, left


# --- costs, each called with what the filter or test is given -----------------------------------------------------


def flat(*_: Any, **__: Any) -> int:
    return 0


def numbers(*given: Any) -> int:
    """Of arithmetic: `%` of a text would be a format."""
    if not all(isinstance(one, int | float) for one in given):
        raise TooMuch("this takes numbers")
    return 0


def whole(weight: int) -> Cost:
    """Of what goes once through all that it is given, at so many units a character."""
    return lambda *given, **named: weight * size(*given, *named.values())


def shallow(value: Any, *_: Any, **__: Any) -> int:
    return 20 * count(value)


def each(value: Any, *given: Any, **named: Any) -> int:
    """Of what looks up an attribute of each item, or hands each to another, which pays for itself."""
    names = sum(len(one) for one in (*given, *named.values()) if isinstance(one, str))
    return count(value) * (EACH + 20 * names)


def rounds(value: Any, written: int) -> int:
    """Of the rounds of a loop, each with the text that is written within."""
    return count(value) * (EACH + written)


def ordered(value: Any, *given: Any, **named: Any) -> int:
    return each(value, *given, **named) + size(value) * (1 + count(value).bit_length() // 3)


def squared(part: int) -> Cost:
    """Of what Python does in a time that grows with the square of a text."""
    return lambda *given, **named: count(given[0]) ** 2 // part + 10 * size(*given, *named.values())


def searched(text: Any, *given: Any, **named: Any) -> int:
    """Of finding one text in another, and of the pieces between."""
    return size(text) * (5 + min(size(*given, *named.values()), 100) // 10)


def pieced(text: Any, *given: Any) -> int:
    return searched(text, *given) + 8 * size(text)


def compared(left: Any, right: Any) -> int:
    if isinstance(left, str) and isinstance(right, str):
        return min(len(left), len(right)) // 8
    return size(left) if count(left) and count(right) else 0


def contained(value: Any, within: Any) -> int:
    if isinstance(within, str):
        return searched(within, value)
    if isinstance(within, Sized) and not isinstance(within, Mapping) and len(within) > MAX_SEARCHED:
        raise TooMuch(f"“in” looks through at most {MAX_SEARCHED:,} items")
    return count(within) * (10 + len(value) // 8 if isinstance(value, str) else size(value))


def trimmed(text: Any, chars: Any = None) -> int:
    return size(text) * (1 + count(chars) // 50)


def replaced(text: Any, old: Any, new: Any, *given: Any) -> int:
    spend(searched(text, old, *given))
    made = str(text).count(str(old)) * len(str(new)) + size(text)
    if made > MAX_TEXT:
        raise TooMuch("this text becomes too long")
    return made


def joined(items: Any, by: Any = "", *given: Any, **named: Any) -> int:
    made = count(items) * count(by) + size(items)
    if made > MAX_TEXT + ITEM * MAX_ITEMS:
        raise TooMuch("this text becomes too long")
    return each(items, *given, **named) + 2 * made


def count(value: Any) -> int:
    return len(value) if isinstance(value, Sized) else 0
