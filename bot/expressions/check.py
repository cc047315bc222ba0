"""Templates and expressions in a runbook, read but never run: their syntax, and which values they name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from bot.domain.catalogue.runbook import Parameter, ParameterType
from bot.domain.errors import Unclear
from bot.domain.text.wording import hint, listing
from bot.expressions.language import FILTERS, MAX_EXPRESSION, MAX_NODES, MAX_SOURCE, NODES, TESTS
from bot.expressions.limits import MAX_DEPTH

INCIDENT = ("id", "severity", "service", "title")
ROOTS = ("params", "steps", "incident", "alert", "run")
JINJAS_OWN = ("self", "super", "caller", "loop", "varargs", "kwargs")

_WHOLE = re.compile(r"\s*\{\{((?:(?!\{\{|\}\}).)*)\}\}\s*", re.DOTALL)

Path = tuple[str, ...]


@dataclass(frozen=True)
class Scope:
    """What may be named at one place. `offered`: the earlier steps, each with what it has. `later`: the others.

    `own`: the names of the step's own result, for `save` and `check`.
    """

    parameters: Mapping[str, Parameter]
    offered: Mapping[str, Collection[str]]
    later: Collection[str] = ()
    own: Collection[str] = ()


@dataclass(frozen=True)
class Piece:
    """`paths`: the values that an expression names; None in a text."""

    text: str = ""
    paths: tuple[Path, ...] | None = None


def is_template(text: str) -> bool:
    return any(mark in text for mark in ("{{", "{%", "{#"))


def bare(text: str) -> str:
    whole = _WHOLE.fullmatch(text)
    return (whole[1] if whole else text).strip()


def wrapped(text: str) -> str:
    return text if is_template(text) else f"{{{{ {text.strip()} }}}}"


def with_zeros(text: str) -> str:
    """A template without problems, its expressions as `(0)`: what an expression made from it looks like."""
    return "".join("(0)" if piece.paths is not None else piece.text for piece in pieces(text))


def template_problems(text: str, scope: Scope) -> Iterator[str]:
    if is_template(text):
        yield from _problems(read_template, text, scope)


def expression_problems(text: str, scope: Scope) -> Iterator[str]:
    yield from _problems(read_expression, text, scope)


def _problems(read: Callable[[str], nodes.Template], text: str, scope: Scope) -> Iterator[str]:
    try:
        found = paths(read(text))
    except Unclear as problem:
        yield problem.sentence
        return
    yield from dict.fromkeys(sentence for path in found if (sentence := _path_problem(path, scope)))


def read_template(text: str) -> nodes.Template:
    """Raises Unclear with what is wrong."""
    if len(text) > MAX_SOURCE:
        raise Unclear(f"This text is longer than {MAX_SOURCE:,} characters. Make it shorter.")
    return _read(_environment().parse, text)


def read_expression(text: str) -> nodes.Template:
    """Raises Unclear with what is wrong."""
    if len(text) > MAX_EXPRESSION:
        raise Unclear(f"This expression is longer than {MAX_EXPRESSION:,} characters. Make it shorter.")
    return _read(_expression, text.strip())


def _read(parse: Callable[[str], nodes.Template], text: str) -> nodes.Template:
    try:
        tree = parse(text)
        wrong = next(_wrong(tree), None)
    except TemplateSyntaxError as problem:
        wrong = f"This expression does not parse: {(problem.message or 'it is not complete').rstrip('.')}."
    except RecursionError:
        wrong = "This expression is nested too deeply. Make it flatter."
    if wrong:
        raise Unclear(wrong)
    return tree


def pieces(text: str) -> list[Piece]:
    if not is_template(text):
        return [Piece(text)]
    return [_piece(one) for one in outputs(_environment().parse(text))]


def outputs(tree: nodes.Template) -> list[nodes.Expr]:
    return [one for output in tree.find_all(nodes.Output) for one in output.nodes]


def _piece(node: nodes.Expr) -> Piece:
    return Piece(node.data) if isinstance(node, nodes.TemplateData) else Piece(paths=paths(node))


def only_parameter(text: str) -> str | None:
    """`{{ params.x }}` -> `x`; None for anything else."""
    found = re.fullmatch(r"\s*\{\{\s*params\.([a-z][a-z0-9_]*)\s*\}\}\s*", text, re.ASCII)
    return found[1] if found else None


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(keep_trailing_newline=True)  # noqa: S701 - reads only, and renders nothing


def _expression(text: str) -> nodes.Template:
    parser = Parser(_environment(), text, state="variable")
    found = parser.parse_expression()
    if not parser.stream.eos:
        raise TemplateSyntaxError("it ends in something else", 1)
    return nodes.Template([nodes.Output([found], lineno=1)], lineno=1)


def _wrong(tree: nodes.Template) -> Iterator[str]:
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    for number, (node, depth) in enumerate(waiting):  # which grows on the way
        if depth > MAX_DEPTH or number > MAX_NODES:
            yield (
                "This expression is nested too deeply. Make it simpler."
                if depth > MAX_DEPTH
                else "This says more than one expression may. Make it simpler."
            )
        match node:
            case nodes.Call():
                yield "Nothing is called in an expression. Use a filter, as in {{ stdout | trim }}."
            case nodes.Stmt() if not isinstance(node, nodes.Output):
                yield "Statements ({% … %}) have no place in an argument. Write an expression in {{ … }}."
            case nodes.CondExpr(expr2=None):
                yield "An if in an expression needs its else."
            case nodes.Filter(name=name) if name not in FILTERS:
                yield f"There is no filter “{name}” here."
            case nodes.Filter(name="sum") if node.args[1:] or any(one.key == "start" for one in node.kwargs):
                yield "sum takes no start in an expression. Add it with +."
            case nodes.Test(name=name) if name not in TESTS:
                yield f"There is no test “{name}” here."
            case nodes.Name(name=name) if name in JINJAS_OWN:
                yield f"There is no value “{name}” here."
            case nodes.Const(value=float(value)) if not math.isfinite(value):
                yield "This number is too large. Write a smaller one."
            case _ if not isinstance(node, (nodes.Template, nodes.Output, *NODES)):
                yield f"“{type(node).__name__.lower()}” is not available in an expression."
        waiting += [(child, depth + 1) for child in node.iter_child_nodes()]


def paths(node: nodes.Node) -> tuple[Path, ...]:
    """Each value that is named, as far as its path is written out: `steps.a.rows[0]` -> steps, a, rows, 0."""
    path = _chain(node)
    return (path,) if path else tuple(one for child in node.iter_child_nodes() for one in paths(child))


def _chain(node: nodes.Node) -> Path | None:
    match node:
        case nodes.Name(ctx="load"):
            return (node.name,)
        case nodes.Getattr():
            inner = _chain(node.node)
            return None if inner is None else (*inner, node.attr)
        case nodes.Getitem(arg=nodes.Const()):
            inner = _chain(node.node)
            return None if inner is None else (*inner, str(node.arg.as_const()))
    return None


def _path_problem(path: Path, scope: Scope) -> str | None:
    root, *rest = path
    if root in scope.own:
        return None
    if root not in ROOTS:
        return f"There is no value “{root}” here. {hint(root, [*ROOTS, *scope.own])}"
    if not rest:
        return f"“{root}” is not a value by itself. Write {_EXAMPLES[root]}."
    if root == "params":
        return _parameter_problem(rest[0], scope)
    if root == "steps":
        return _step_problem(rest, scope)
    known = {"incident": INCIDENT, "alert": ("labels",), "run": ("id",)}[root]
    return None if rest[0] in known else f"“{root}” has no “{rest[0]}”. {hint(rest[0], known)}"


_EXAMPLES = {
    "params": "params.NAME",
    "steps": "steps.ID.ok",
    "incident": "incident.id",
    "alert": "alert.labels.NAME",
    "run": "run.id",
}


def _parameter_problem(name: str, scope: Scope) -> str | None:
    if name in scope.parameters:
        return None
    if not scope.parameters:
        return f"There is no parameter “{name}”. Add it under parameters."
    return f"There is no parameter “{name}”. {hint(name, scope.parameters)}"


def _step_problem(rest: list[str], scope: Scope) -> str | None:
    step_id = rest[0]
    if step_id in scope.later:
        return f"“{step_id}” does not come before this step. Only earlier results are known."
    if step_id not in scope.offered:
        known = f" {hint(step_id, scope.offered)}" if scope.offered else " No step comes before this one."
        return f"There is no step “{step_id}”.{known}"
    has = scope.offered[step_id]
    if len(rest) == 1:
        return f"“steps.{step_id}” is not a value by itself. Write for example steps.{step_id}.ok."
    if rest[1] not in has:
        return f"The step “{step_id}” has {listing(has)}, not “{rest[1]}”. What else you need, save there."
    return None


def guarded(paths: Collection[Path], scope: Scope, *, narrow: bool) -> Iterator[str]:
    """The names among these that may not take part in choosing a host, a program, a query or a connection.

    `narrow`: a text of letters, digits, `_`, `.` and `-` alone may.
    """
    for path in paths:
        if not _is_safe(path, scope, narrow):
            yield ".".join(path[:3] if path[0] != "params" else path[:2])


def _is_safe(path: Path, scope: Scope, narrow: bool) -> bool:
    if path[:2] in (("run", "id"), ("incident", "id")):
        return True
    if path[:2] in (("incident", "severity"), ("incident", "service")):
        return narrow
    parameter = scope.parameters.get(path[1]) if path[0] == "params" and len(path) > 1 else None
    if parameter is None or parameter.type in (ParameterType.SECRET, ParameterType.CHOICE) or parameter.is_free_text:
        return False
    return narrow or parameter.type is not ParameterType.STRING or bool(parameter.enum)
