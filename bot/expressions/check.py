"""Templates and expressions in a runbook, read but never run: their syntax, and which values they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import TemplateSyntaxError, nodes
from jinja2.parser import Parser
from jinja2.sandbox import SandboxedEnvironment

from bot.domain.catalogue.runbook import Parameter, ParameterType
from bot.domain.text.wording import hint, listing

INCIDENT = ("id", "severity", "service", "title")
ROOTS = ("params", "steps", "incident", "alert", "run")

MAX_EXPRESSION = 2_000
MAX_DEPTH = 100

# What expressions have, as `bot.expressions.evaluate` works them out; a test holds the two together.
FILTERS = frozenset(
    (
        "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "join", "last",
        "length", "lines", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round",
        "select", "selectattr", "sort", "split", "string", "sum", "title", "trim", "unique", "upper", "urlencode",
    )
)  # fmt: skip
TESTS = frozenset(
    (
        "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "gt", "greaterthan", "in",
        "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sequence",
        "string", "true", "undefined", "upper", "==", "!=", "<", "<=", ">", ">=",
    )
)  # fmt: skip
NODES: tuple[type[nodes.Node], ...] = (
    nodes.Add, nodes.And, nodes.Compare, nodes.Concat, nodes.CondExpr, nodes.Const, nodes.Dict, nodes.Div, nodes.Filter,
    nodes.FloorDiv, nodes.Getattr, nodes.Getitem, nodes.Keyword, nodes.List, nodes.Mod, nodes.Mul, nodes.Name,
    nodes.Neg, nodes.Not, nodes.Operand, nodes.Or, nodes.Pair, nodes.Pos, nodes.Slice, nodes.Sub, nodes.Test,
    nodes.TemplateData, nodes.Tuple,
)  # fmt: skip

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
    """A part of a template: the text itself, or the values that an expression names (`paths`)."""

    text: str = ""
    paths: tuple[Path, ...] | None = None


def is_template(text: str) -> bool:
    return any(mark in text for mark in ("{{", "{%", "{#"))


def bare(text: str) -> str:
    """An expression, also where somebody wrote it as `{{ … }}`."""
    whole = _WHOLE.fullmatch(text)
    return (whole[1] if whole else text).strip()


def wrapped(text: str) -> str:
    """A condition as a template, also where somebody wrote the expression alone."""
    return text if is_template(text) else f"{{{{ {text.strip()} }}}}"


def with_zeros(text: str) -> str:
    """A template without problems, its expressions as `(0)`: what an expression made from it looks like."""
    return "".join("(0)" if piece.paths is not None else piece.text for piece in pieces(text))


def template_problems(text: str, scope: Scope) -> Iterator[str]:
    """What is wrong with that text: its syntax, then the values that do not exist."""
    if not is_template(text):
        return
    yield from _parsed(_environment().parse, text, scope)


def expression_problems(text: str, scope: Scope) -> Iterator[str]:
    """The same of an expression without braces."""
    yield from _parsed(_expression, text, scope)


def _parsed(parse: Callable[[str], nodes.Template], text: str, scope: Scope) -> Iterator[str]:
    try:
        yield from list(_problems(parse(text), scope))
    except TemplateSyntaxError as problem:
        yield _syntax(problem)
    except RecursionError:
        yield "This expression is nested too deeply. Make it flatter."


def pieces(text: str) -> list[Piece]:
    """The parts of a template that has no problems, in order."""
    if not is_template(text):
        return [Piece(text)]
    outputs = _environment().parse(text).find_all(nodes.Output)
    return [_piece(one) for output in outputs for one in output.nodes]


def _piece(node: nodes.Expr) -> Piece:
    return Piece(node.data) if isinstance(node, nodes.TemplateData) else Piece(paths=tuple(_paths(node)))


def only_parameter(text: str) -> str | None:
    """`{{ params.x }}` -> `x`; None for anything else."""
    found = re.fullmatch(r"\s*\{\{\s*params\.([a-z][a-z0-9_]*)\s*\}\}\s*", text, re.ASCII)
    return found[1] if found else None


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment()


def _expression(text: str) -> nodes.Template:
    if len(text) > MAX_EXPRESSION:
        raise TemplateSyntaxError(f"it is longer than {MAX_EXPRESSION:,} characters", 1)
    parser = Parser(_environment(), text, state="variable")
    found = parser.parse_expression()
    if not parser.stream.eos:
        raise TemplateSyntaxError("it ends in something else", 1)
    return nodes.Template([nodes.Output([found], lineno=1)], lineno=1)


def _syntax(problem: TemplateSyntaxError) -> str:
    return f"This expression does not parse: {(problem.message or 'it is not complete').rstrip('.')}."


def _problems(tree: nodes.Template, scope: Scope) -> Iterator[str]:
    wrong = next(_language(tree), None)
    if wrong:
        yield wrong
        return
    said = set()
    for path in _paths(tree):
        problem = _path_problem(path, scope)
        if problem and problem not in said:
            said.add(problem)
            yield problem


def _language(node: nodes.Node, depth: int = 0) -> Iterator[str]:
    """What expressions do not have: calls, statements, and most of Jinja's filters and tests."""
    problem = f"“{type(node).__name__.lower()}” is not available in an expression."
    match node:
        case _ if depth > MAX_DEPTH:
            yield "This expression is nested too deeply. Make it simpler."
            return
        case nodes.Call():
            problem = "Nothing is called in an expression. Use a filter, as in {{ stdout | trim }}."
        case nodes.Stmt() if not isinstance(node, nodes.Output):
            problem = "Statements ({% … %}) have no place in an argument. Write an expression in {{ … }}."
        case nodes.CondExpr(expr2=None):
            problem = "An if in an expression needs its else."
        case nodes.Filter() if node.name not in FILTERS:
            problem = f"There is no filter “{node.name}” here."
        case nodes.Test() if node.name not in TESTS:
            problem = f"There is no test “{node.name}” here."
        case nodes.Template() | nodes.Output() | _ if isinstance(node, (nodes.Template, nodes.Output, *NODES)):
            for child in node.iter_child_nodes():
                yield from _language(child, depth + 1)
            return
    yield problem


def _paths(node: nodes.Node) -> Iterator[Path]:
    """Each value that is named, as far as its path is written out: `steps.a.rows[0]` -> steps, a, rows, 0."""
    path = _chain(node)
    if path is not None:
        yield path
        return
    for child in node.iter_child_nodes():
        yield from _paths(child)


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
