"""Expressions in runbooks (`when`, `save`, `check`, `set`, `{{ … }}`): plain data in, plain data out, bounded work.

They are Jinja's expressions without calls: what is needed is a filter or a test. One template renders to one value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError, Undefined, nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import SecurityError

from bot.domain.errors import Unclear
from bot.expressions import limits
from bot.expressions.check import Path, is_template, outputs, paths, read_expression, read_template
from bot.expressions.language import MAX_SOURCE, text_of
from bot.expressions.limits import TooMuch
from bot.expressions.sandbox import Sandbox


def evaluate(source: str, values: Mapping[str, Any]) -> Any:
    """With or without braces around it. Raises Unclear."""
    return _expression(source).value(values)


def holds(source: str, values: Mapping[str, Any]) -> bool:
    """Raises Unclear."""
    return bool(evaluate(source, values))


def render(source: str, values: Mapping[str, Any]) -> Any:
    """One expression alone keeps its type. Raises Unclear."""
    return _template(source).value(values)


def render_all(value: Any, values: Mapping[str, Any]) -> Any:
    """Keys stay as they are written. Raises Unclear."""
    match value:
        case str():
            return render(value, values)
        case Mapping():
            return {key: render_all(one, values) for key, one in value.items()}
        case list() | tuple():
            return [render_all(one, values) for one in value]
    return value


def needs(value: Any) -> tuple[str, ...]:
    """Each step once; `*` where the text names them all."""
    match value:
        case str():
            return _needed(value)
        case Mapping():
            return tuple(dict.fromkeys(step for one in value.values() for step in needs(one)))
        case list() | tuple():
            return tuple(dict.fromkeys(step for one in value for step in needs(one)))
    return ()


@lru_cache(maxsize=1_000)
def _needed(source: str) -> tuple[str, ...]:
    if "steps" not in source or "{{" not in source:
        return ()
    named = [path[1:2] for path in paths(read_template(source)) if path[0] == "steps"]
    everything = ("*",) if () in named else ()
    return tuple(dict.fromkeys([*(step for one in named for step in one), *everything]))


def plain(value: Any) -> Any:
    """Anything but text, numbers, booleans, None, lists and dicts becomes text."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return str(value)
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(one) for one in value]
    return str(value)


class Tree(dict[str, "Tree"]):
    """Names, each with those that are named within it; a name without any is the whole value."""

    @classmethod
    def of(cls, named: Iterable[Path]) -> Tree:
        tree = cls()
        for path in sorted(named, key=len, reverse=True):
            inner = tree
            for name in path[:-1]:
                inner = inner.setdefault(name, cls())
            inner[path[-1]] = cls()
        return tree

    def taken(self, values: Any) -> Any:
        if not self or not isinstance(values, Mapping):
            return limits.taken(values)
        return {name: inner.taken(values[name]) for name, inner in self.items() if name in values}


@dataclass(frozen=True)
class _Text:
    parts: tuple[TemplateExpression | str, ...]
    reads: Tree

    def value(self, values: Mapping[str, Any]) -> Any:
        """Raises Unclear."""
        with limits.allowance():
            try:
                seen = self.reads.taken(values) if self.reads else {}
                found = [part if isinstance(part, str) else _result(part(seen)) for part in self.parts]
                return found[0] if len(found) == 1 else limits.fitting("".join(map(text_of, found)))
            except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as problem:
                raise Unclear(_sentence(problem)) from None


def _result(value: Any) -> Any:
    if isinstance(value, Undefined):
        str(value)  # raises, naming what is missing
    limits.spend(2 * limits.size(value))
    if any(isinstance(one, float) and not math.isfinite(one) for one in limits.parts(value)):
        raise TooMuch("This is not a finite number")
    return plain(value)


def _sentence(problem: Exception) -> str:
    said = str(getattr(problem, "message", None) or problem).strip().rstrip(".")
    if isinstance(problem, RecursionError):
        said = "it is nested too deeply"
    return f"This expression cannot be worked out: {said[:300] or 'its values do not fit'}."


# --- reading ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1_000)
def _expression(source: str) -> _Text:
    if "{{" in source:
        text = _template(source)
        if len(text.parts) == 1 and not isinstance(text.parts[0], str):
            return text
    return _compiled(read_expression(source))


@lru_cache(maxsize=1_000)
def _template(source: str) -> _Text:
    return (
        _compiled(read_template(source))
        if is_template(source) or len(source) > MAX_SOURCE
        else _Text((source,), Tree())
    )


def _compiled(tree: nodes.Template) -> _Text:
    reads = Tree.of(paths(tree))
    parts = [part.data if isinstance(part, nodes.TemplateData) else _runnable(part) for part in outputs(tree)]
    return _Text(tuple(parts) or ("",), reads)


def _runnable(expression: nodes.Expr) -> TemplateExpression:
    environment = _environment()
    body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)]
    tree = nodes.Template(body, lineno=1)
    tree.set_environment(environment)
    try:
        return TemplateExpression(environment.from_string(tree), undefined_to_none=False)
    except (TemplateError, RecursionError, SyntaxError, MemoryError):
        raise Unclear("This expression does not parse: it is nested too deeply.") from None


class _Data(Sandbox):
    """Data only: a dot reads a key, never an attribute."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """What is missing raises as soon as it is used, naming it."""
        if isinstance(obj, Undefined):
            return obj[argument]
        if isinstance(obj, str | list | tuple) and isinstance(argument, int):
            return obj[argument] if -len(obj) <= argument < len(obj) else self._missing(obj, argument)
        is_key = isinstance(obj, dict) and isinstance(argument, str | int | float | bool | None)
        return obj[argument] if is_key and argument in obj else self._missing(obj, argument)

    def _missing(self, obj: Any, name: Any) -> Undefined:
        return self.undefined(f"there is no “{str(name)[:60]}”", obj=obj, name=str(name)[:60])

    def call(self, *arguments: Any, **named: Any) -> Any:
        raise SecurityError("nothing is called in an expression")


@lru_cache(maxsize=1)
def _environment() -> _Data:
    return _Data(optimized=False)
