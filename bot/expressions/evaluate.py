"""Expressions in runbooks (`when`, `save`, `check`, `set`, `{{ … }}`): plain data in, plain data out, bounded work.

They are Jinja's expressions without calls: what is needed is a filter or a test. One template renders to one value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache, wraps
from typing import Any, cast
from urllib.parse import quote

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.domain.errors import Unclear

MAX_SOURCE = 20_000
MAX_EXPRESSION = 2_000
MAX_DEPTH = 100
MAX_WORK = 20_000_000  # characters and items that one evaluation may touch
MAX_TEXT = 1_000_000
MAX_ITEMS = 100_000
MAX_NUMBER = 2**256

_left: ContextVar[int] = ContextVar("expression_work_left", default=MAX_WORK)

_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "join", "last",
    "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "select",
    "selectattr", "sort", "string", "sum", "title", "trim", "unique", "upper",
    "urlencode",
)  # fmt: skip
_TESTS = (
    "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "gt", "greaterthan", "in",
    "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sequence",
    "string", "true", "undefined", "upper", "==", "!=", "<", "<=", ">", ">=",
)  # fmt: skip
_NODES = (
    nodes.Add, nodes.And, nodes.Compare, nodes.Concat, nodes.CondExpr, nodes.Const, nodes.Dict, nodes.Div, nodes.Filter,
    nodes.FloorDiv, nodes.Getattr, nodes.Getitem, nodes.Keyword, nodes.List, nodes.Mod, nodes.Mul, nodes.Name,
    nodes.Neg, nodes.Not, nodes.Operand, nodes.Or, nodes.Pair, nodes.Pos, nodes.Slice, nodes.Sub, nodes.Test,
    nodes.TemplateData, nodes.Tuple,
)  # fmt: skip
_JINJAS_OWN = ("self", "super", "caller", "loop", "varargs", "kwargs")


class _TooMuch(TemplateRuntimeError):
    """More work than an expression needs."""


def evaluate(source: str, values: Mapping[str, Any]) -> Any:
    """The value of an expression, with or without braces around it. Raises Unclear with a sentence."""
    return _Evaluation(values).of(_expression(source))


def holds(source: str, values: Mapping[str, Any]) -> bool:
    """Whether a condition holds. Raises Unclear."""
    return bool(evaluate(source, values))


def render(source: str, values: Mapping[str, Any]) -> Any:
    """A text with `{{ … }}` in it. One expression alone keeps its type; else one text. Raises Unclear."""
    parts = _template(source)
    evaluation = _Evaluation(values)
    if len(parts) == 1:
        return evaluation.of(parts[0])
    text = "".join(_text(evaluation.of(part)) for part in parts)
    if len(text) > MAX_TEXT:
        raise Unclear("This text becomes too long.")
    return text


def render_all(value: Any, values: Mapping[str, Any]) -> Any:
    """The same for every text in lists and mappings. Keys stand as they are written."""
    match value:
        case str():
            return render(value, values)
        case Mapping():
            return {key: render_all(one, values) for key, one in value.items()}
        case list() | tuple():
            return [render_all(one, values) for one in value]
    return value


def needs(value: Any) -> tuple[str, ...]:
    """The steps whose results a text, or any in lists and mappings, names, each once; `*` where it names them all."""
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
    try:
        tree = _environment().parse(source)
    except (TemplateSyntaxError, RecursionError) as problem:
        raise Unclear(f"This template does not parse: {_reason(problem)}.") from None
    named = [_step_in(node) for node in tree.find_all((nodes.Getattr, nodes.Getitem))]
    found = [step for step in named if step]
    everything = sum(1 for node in tree.find_all(nodes.Name) if node.name == "steps") > len(found)
    return tuple(dict.fromkeys([*found, "*"] if everything else found))


def _step_in(node: nodes.Expr) -> str | None:
    """The id in `steps.id` and `steps["id"]`."""
    match node:
        case nodes.Getattr(node=nodes.Name(name="steps"), attr=name):
            return str(name)
        case nodes.Getitem(node=nodes.Name(name="steps"), arg=nodes.Const(value=name)):
            return str(name)
    return None


def plain(value: Any) -> Any:
    """A copy made of text, numbers, booleans, None, lists and dicts; anything else as text."""
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


class _Evaluation:
    """Values made plain once, and one allowance of work for all expressions of a text."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = plain(values)

    def of(self, expression: TemplateExpression | str) -> Any:
        if isinstance(expression, str):
            return expression
        token = _left.set(MAX_WORK)
        try:
            return _result(expression(self._values))
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as problem:
            raise Unclear(_sentence(problem)) from None
        finally:
            _left.reset(token)


def _result(value: Any) -> Any:
    if isinstance(value, Undefined):
        str(value)  # raises, naming what is missing
    if isinstance(value, Iterator):
        value = list(_counted(value))
    _check_size(value, 0)
    return plain(value)


def _check_size(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _TooMuch("This is nested too deeply")
    if isinstance(value, float) and not math.isfinite(value):
        raise _TooMuch("This is not a finite number")
    if isinstance(value, str | list | tuple | dict):
        _spend(len(value))
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise _TooMuch("This text becomes too long")
    if isinstance(value, list | tuple | dict):
        for one in value.values() if isinstance(value, dict) else value:
            _check_size(one, depth + 1)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _sentence(problem: Exception) -> str:
    said = str(getattr(problem, "message", None) or problem).strip().rstrip(".")
    if isinstance(problem, RecursionError):
        said = "it is nested too deeply"
    return f"This expression cannot be worked out: {said[:300] or 'its values do not fit'}."


# --- reading ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1_000)
def _expression(source: str) -> TemplateExpression:
    parts = _template(source) if "{{" in source else ()
    if len(parts) == 1 and not isinstance(parts[0], str):
        return parts[0]
    if len(source) > MAX_EXPRESSION:
        raise Unclear(f"This expression is longer than {MAX_EXPRESSION:,} characters. Make it shorter.")
    environment = _environment()
    try:
        parser = Parser(environment, source.strip(), state="variable")
        found = parser.parse_expression()
        if not parser.stream.eos:
            raise TemplateSyntaxError("it ends in something else", 1)
    except (TemplateSyntaxError, RecursionError) as problem:
        raise Unclear(f"This expression does not parse: {_reason(problem)}.") from None
    return _compiled(found)


@lru_cache(maxsize=1_000)
def _template(source: str) -> tuple[TemplateExpression | str, ...]:
    if len(source) > MAX_SOURCE:
        raise Unclear(f"This text is longer than {MAX_SOURCE:,} characters. Make it shorter.")
    if not any(mark in source for mark in ("{{", "{%", "{#")):
        return (source,)
    try:
        tree = _environment().parse(source)
    except (TemplateSyntaxError, RecursionError) as problem:
        raise Unclear(f"This template does not parse: {_reason(problem)}.") from None
    return tuple(_part(node) for node in _outputs(tree)) or ("",)


def _outputs(tree: nodes.Template) -> Iterator[nodes.Expr]:
    for node in tree.body:
        if not isinstance(node, nodes.Output):
            raise Unclear("Statements ({% … %}) have no place in an argument. Write an expression in {{ … }}.")
        yield from node.nodes


def _part(node: nodes.Expr) -> TemplateExpression | str:
    return node.data if isinstance(node, nodes.TemplateData) else _compiled(node)


def _reason(problem: Exception) -> str:
    return str(getattr(problem, "message", None) or "it is nested too deeply").rstrip(".")


def _compiled(expression: nodes.Expr) -> TemplateExpression:
    environment = _environment()
    _allow(expression, 0)
    body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), _bounded(expression), lineno=1)]
    tree = nodes.Template(body, lineno=1)
    tree.set_environment(environment)
    try:
        template = environment.from_string(tree)
    except (TemplateError, RecursionError, SyntaxError, MemoryError) as problem:
        raise Unclear(f"This expression does not parse: {_reason(problem)}.") from None
    return TemplateExpression(template, undefined_to_none=False)


def _allow(node: nodes.Node, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Unclear("This expression is nested too deeply. Make it simpler.")
    if isinstance(node, nodes.Call):
        raise Unclear("Nothing is called in an expression. Use a filter, as in {{ stdout | trim }}.")
    if not isinstance(node, _NODES):
        raise Unclear(f"“{type(node).__name__.lower()}” is not available in an expression.")
    if isinstance(node, nodes.Name) and node.name in _JINJAS_OWN:
        raise Unclear(f"There is no value “{node.name}” here.")
    if isinstance(node, nodes.Const) and isinstance(node.value, float) and not math.isfinite(node.value):
        raise Unclear("This number is too large. Write a smaller one.")
    if isinstance(node, nodes.CondExpr) and node.expr2 is None:
        raise Unclear("An if in an expression needs its else.")
    if isinstance(node, nodes.Filter) and node.name not in _environment().filters:
        raise Unclear(f"There is no filter “{node.name}” here.")
    if isinstance(node, nodes.Test) and node.name not in _environment().tests:
        raise Unclear(f"There is no test “{node.name}” here.")
    for child in node.iter_child_nodes():
        _allow(child, depth + 1)


def _bounded(node: nodes.Expr) -> nodes.Expr:
    """`~` as a filter that counts, wherever it stands."""
    for name, value in list(node.iter_fields()):
        if isinstance(value, list):
            setattr(
                node, name, [_bounded(cast(nodes.Expr, one)) if isinstance(one, nodes.Node) else one for one in value]
            )
        elif isinstance(value, nodes.Node):
            setattr(node, name, _bounded(cast(nodes.Expr, value)))
    if isinstance(node, nodes.Concat):
        joined = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(joined, "_concat", [], [], None, None, lineno=node.lineno)
    return node


# --- working out --------------------------------------------------------------------------------------------------


def _spend(count: int) -> None:
    left = _left.get() - count
    if left < 0:
        raise _TooMuch("this is more work than an expression may do")
    _left.set(left)


def _counted(items: Iterable[Any]) -> Iterator[Any]:
    for number, item in enumerate(items):
        if number >= MAX_ITEMS:
            raise _TooMuch(f"a list has at most {MAX_ITEMS:,} items here")
        _spend(1)
        yield item


class _Expressions(ImmutableSandboxedEnvironment):
    """Data only: a dot reads a key, never an attribute."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, optimized=False, keep_trailing_newline=True)
        self.globals.clear()
        self.filters = {name: _metered(self.filters[name]) for name in _FILTERS if name in self.filters}
        self.filters |= {"join": _join, "round": _round, "replace": _replace, "split": _split, "lines": _lines}
        self.filters |= {"list": _list, "string": _string, "_concat": _join, "urlencode": _urlencode}
        self.tests = {name: self.tests[name] for name in _TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, dict):
            return obj[argument] if _hashable(argument) and argument in obj else self._missing(obj, argument)
        if isinstance(obj, str | list | tuple) and isinstance(argument, int | slice):
            return self._item(obj, argument)
        if isinstance(obj, Undefined):
            return obj[argument]  # raises, naming what is missing
        return self._missing(obj, argument)

    def _item(self, obj: str | list[Any] | tuple[Any, ...], place: int | slice) -> Any:
        try:
            found = obj[place]
        except IndexError:
            return self._missing(obj, place)
        if isinstance(place, slice):
            _spend(len(found))
        return found

    def _missing(self, obj: Any, name: Any) -> Undefined:
        return self.undefined(f"there is no “{str(name)[:60]}”", obj=obj, name=str(name)[:60])

    def call(self, *arguments: Any, **named: Any) -> Any:
        raise SecurityError("nothing is called in an expression")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if not numbers and not (operator == "+" and _alike(left, right)):
            raise TemplateRuntimeError(f"“{operator}” does not fit {_named(left)} and {_named(right)}")
        result = super().call_binop(context, operator, left, right)
        if numbers and (abs(result) > MAX_NUMBER if isinstance(result, int) else not math.isfinite(result)):
            raise _TooMuch("this number becomes too large")
        if not numbers:
            _spend(len(result))
            _check_length(result)
        return result


def _hashable(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | None)


def _alike(left: Any, right: Any) -> bool:
    return any(isinstance(left, sort) and isinstance(right, sort) for sort in (str, list))


def _named(value: Any) -> str:
    if isinstance(value, Undefined):
        str(value)  # raises, naming what is missing
    names = {str: "a text", bool: "a truth", list: "a list", dict: "a mapping", type(None): "nothing"}
    return names.get(type(value), "a number")


def _check_length(value: str | list[Any]) -> None:
    if len(value) > (MAX_TEXT if isinstance(value, str) else MAX_ITEMS):
        raise _TooMuch("this becomes too long")


def _metered(filter_: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, paying for the size of what it is given. Keeps the marks by which Jinja hands in its context."""

    @wraps(filter_)
    def paid(*arguments: Any, **named: Any) -> Any:
        for one in arguments:
            if isinstance(one, str | list | tuple | dict):
                _spend(len(one) + 1)
        result = filter_(*arguments, **named)
        if isinstance(result, str):
            _spend(len(result))
            _check_length(result)
        return list(_counted(result)) if isinstance(result, Iterator) else result

    return paid


def _join(items: Iterable[Any], by: str = "") -> str:
    pieces, length = [], 0
    for item in _counted(items):
        piece = _string(item)
        length += len(piece) + len(by)
        if length > MAX_TEXT:
            raise _TooMuch("this text becomes too long")
        pieces.append(piece)
    _spend(length)
    return str(by).join(pieces)


def _string(value: Any) -> str:
    _named(value)  # raises for what is missing
    _check_size(value, 0)
    return _text(value)


def _list(value: Any) -> list[Any]:
    return list(_counted(value))


def _round(value: float, precision: int = 0) -> float:
    if not isinstance(value, int | float) or not isinstance(precision, int) or not 0 <= precision <= 12:
        raise TemplateRuntimeError("round takes a number, and 0 to 12 places")
    return round(value, precision)


def _replace(value: str, old: str, new: str) -> str:
    text, old, new = _string(value), str(old), str(new)
    if len(text) + text.count(old) * max(0, len(new) - len(old)) > MAX_TEXT:
        raise _TooMuch("this text becomes too long")
    _spend(len(text))
    return text.replace(old, new)


def _urlencode(value: Any) -> str:
    """One part of a path, or one value of a query: a slash in it is part of it."""
    text = _string(value)
    _spend(len(text))
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise TemplateRuntimeError("this text has half a character in it, which no URL takes")
    return quote(text, safe="")


def _split(value: str, by: str | None = None) -> list[str]:
    text = _string(value)
    _spend(len(text))
    return list(_counted(text.split(by)))


def _lines(value: str) -> list[str]:
    text = _string(value)
    _spend(len(text))
    return list(_counted(text.splitlines()))


@lru_cache(maxsize=1)
def _environment() -> _Expressions:
    return _Expressions()
