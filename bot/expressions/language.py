"""The language: every filter, test, operator and form of expressions and templates, and what each costs.

They are Jinja's. What has a function here differs from it or is ours; templates have more, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, cast
from urllib.parse import quote

from jinja2 import TemplateRuntimeError, nodes, pass_environment
from jinja2.environment import Environment
from jinja2.filters import FILTERS as _FILTERS, do_round, sync_do_sum
from jinja2.tests import TESTS as _TESTS

from bot.expressions.limits import (
    Cost,
    compared,
    contained,
    each,
    flat,
    joined,
    numbers,
    ordered,
    pieced,
    replaced,
    rounds,
    searched,
    shallow,
    squared,
    trimmed,
    whole,
)

MAX_SOURCE = 20_000
MAX_EXPRESSION = 2_000
MAX_NODES = 1_000  # in all expressions of one text
MAX_RANGE = 1_000
MAX_TEMPLATE_BYTES = 64_000

JINJAS_FILTERS = cast(Mapping[str, Callable[..., Any]], _FILTERS)
JINJAS_TESTS = cast(Mapping[str, Callable[..., Any]], _TESTS)


def text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)  # raises for what is missing, naming it


def _join(items: Iterable[Any], by: str = "") -> str:
    return str(by).join(text_of(item) for item in items)


def _replace(value: Any, old: str, new: str) -> str:
    return text_of(value).replace(str(old), str(new))


def _round(value: Any, precision: int = 0, method: Any = "common") -> float:
    if not isinstance(value, int | float) or not isinstance(precision, int) or not 0 <= precision <= 12:
        raise TemplateRuntimeError("round takes a number, and 0 to 12 places")
    return round(value, precision) if method == "common" else do_round(value, precision, method)


def _split(value: Any, by: str | None = None) -> list[str]:
    return text_of(value).split(by)


def _lines(value: Any) -> list[str]:
    return text_of(value).splitlines()


@pass_environment
def _sum(environment: Environment, items: Iterable[Any], attribute: Any = None, start: Any = 0) -> Any:
    if start != 0:
        raise TemplateRuntimeError("sum takes no start")
    return sync_do_sum(environment, items, attribute)


def _urlencode(value: Any) -> str:
    """One part of a path, or one value of a query: a slash in it is part of it."""
    text = text_of(value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise TemplateRuntimeError("this text has half a character in it, which no URL takes")
    return quote(text, safe="")


def _slice(value: Any, start: Any, stop: Any, step: Any) -> Any:
    return value[start:stop:step]


def _items(value: Iterable[Any], _: int) -> Iterator[Any]:
    return iter(value)


@dataclass(frozen=True)
class Word:
    """A filter or test: what it costs, and what runs where that is not Jinja's own."""

    cost: Cost
    runs: Callable[..., Any] | None = None


FILTERS: Mapping[str, Word] = {
    "abs": Word(numbers),
    "capitalize": Word(whole(6)),
    "count": Word(flat),
    "d": Word(flat),
    "default": Word(flat),
    "dictsort": Word(ordered),
    "first": Word(flat),
    "float": Word(squared(1_000)),
    "int": Word(squared(1_000)),
    "items": Word(each),
    "join": Word(joined, _join),
    "last": Word(flat),
    "length": Word(flat),
    "lines": Word(pieced, _lines),
    "list": Word(shallow),
    "lower": Word(whole(6)),
    "map": Word(each),
    "max": Word(ordered),
    "min": Word(ordered),
    "reject": Word(each),
    "rejectattr": Word(each),
    "replace": Word(replaced, _replace),
    "reverse": Word(shallow),
    "round": Word(flat, _round),
    "select": Word(each),
    "selectattr": Word(each),
    "sort": Word(ordered),
    "split": Word(pieced, _split),
    "string": Word(whole(6), text_of),
    "sum": Word(ordered, _sum),
    "title": Word(whole(200)),
    "trim": Word(trimmed),
    "unique": Word(ordered),
    "upper": Word(whole(6)),
    "urlencode": Word(whole(60), _urlencode),
}


def _each_costs(cost: Cost, names: str) -> dict[str, Cost]:
    return dict.fromkeys(names.split(), cost)


_TESTED: Mapping[str, Cost] = {
    **_each_costs(flat, "boolean defined false float integer iterable mapping none number"),
    **_each_costs(flat, "sequence string true undefined"),
    **_each_costs(numbers, "divisibleby even odd"),
    **_each_costs(compared, "eq equalto ge greaterthan gt le lessthan lt ne == != < <= > >="),
    **_each_costs(whole(6), "lower upper"),
    "in": contained,
}
TESTS: Mapping[str, Word] = {name: Word(cost) for name, cost in _TESTED.items()}

# What the forms of an expression run as, so that they pay too.
FORMS: Mapping[str, Word] = {
    "_concat": Word(joined, _join),
    "_each": Word(rounds, _items),
    "_slice": Word(shallow, _slice),
}
COMPARED = {"eq": "eq", "ne": "ne", "gt": "gt", "gteq": "ge", "lt": "lt", "lteq": "le", "in": "in", "notin": "in"}

NODES: tuple[type[nodes.Node], ...] = (
    nodes.Add, nodes.And, nodes.Compare, nodes.Concat, nodes.CondExpr, nodes.Const, nodes.Dict, nodes.Div, nodes.Filter,
    nodes.FloorDiv, nodes.Getattr, nodes.Getitem, nodes.Keyword, nodes.List, nodes.Mod, nodes.Mul, nodes.Name,
    nodes.Neg, nodes.Not, nodes.Operand, nodes.Or, nodes.Pair, nodes.Pos, nodes.Slice, nodes.Sub, nodes.Test,
    nodes.TemplateData, nodes.Tuple,
)  # fmt: skip

# --- what templates have in addition: statements, macros, Jinja's own text filters, and methods --------------------

TEMPLATE_FILTERS: Mapping[str, Word] = {
    "_concat": Word(whole(40)),
    "_finished": Word(flat),
    "cell": Word(whole(40)),
    "clock": Word(flat),
    "duration": Word(flat),
    "e": Word(whole(40)),
    "escape": Word(whole(40)),
    "filesizeformat": Word(squared(1_000)),
    "groupby": Word(ordered),
    "indent": Word(whole(20)),
    "join": Word(whole(40)),
    "link": Word(whole(40)),
    "moment": Word(flat),
    "replace": Word(replaced),
    "string": Word(whole(6)),
    "striptags": Word(squared(100)),
    "truncate": Word(whole(2)),
    "urlencode": Word(whole(60)),
    "wordcount": Word(whole(80)),
    "wordwrap": Word(squared(100)),
}
TEMPLATE_TESTS = {name: Word(flat) for name in ("callable", "escaped", "filter", "sameas", "test")}
GLOBALS = ("cycler", "dict", "joiner", "range")
METHODS: Mapping[type, Mapping[str, Cost]] = {
    str: _each_costs(whole(10), "capitalize casefold lower swapcase title upper")
    | _each_costs(whole(2), "isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isspace isupper")
    | _each_costs(searched, "count endswith find index partition removeprefix removesuffix rfind rindex rpartition")
    | _each_costs(searched, "startswith")
    | _each_costs(pieced, "rsplit split splitlines")
    | _each_costs(trimmed, "lstrip rstrip strip")
    | {"join": lambda by, items: joined(items, by), "replace": replaced},
    dict: {"get": flat, "items": flat, "keys": flat, "values": flat},
    list: {"count": whole(2), "index": whole(2)},
    tuple: {"count": whole(2), "index": whole(2)},
    date: _each_costs(flat, "astimezone date isoformat isoweekday replace time timestamp weekday")
    | {"strftime": whole(2_000)},
    timedelta: {"total_seconds": flat},
}
