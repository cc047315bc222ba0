"""Templates and expressions in a runbook, read but never run: their syntax, and which values they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import TemplateSyntaxError, nodes
from jinja2.parser import Parser

from bot.catalogue.sandbox import Sandbox, finish_for_slack
from bot.domain.catalogue import hint, listing
from bot.domain.runbook import Parameter, ParameterType

INCIDENT = ("id", "severity", "service", "title")
ROOTS = ("params", "steps", "incident", "alert", "run")

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
    is_statement: bool = False


def is_template(text: str) -> bool:
    return any(mark in text for mark in ("{{", "{%", "{#"))


def bare(text: str) -> str:
    """An expression, also where somebody wrote it as `{{ … }}`."""
    whole = _WHOLE.fullmatch(text)
    return (whole[1] if whole else text).strip()


def wrapped(text: str) -> str:
    """A condition as a template, also where somebody wrote the expression alone."""
    return text if is_template(text) else f"{{{{ {text.strip()} }}}}"


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
    """The parts of a template that parses, in order."""
    if not is_template(text):
        return [Piece(text)]
    found: list[Piece] = []
    for node in _environment().parse(text).body:
        if isinstance(node, nodes.Output):
            found.extend(_piece(one) for one in node.nodes)
        else:
            found.append(Piece(paths=tuple(_paths(node)), is_statement=True))
    return found


def _piece(node: nodes.Expr) -> Piece:
    return Piece(node.data) if isinstance(node, nodes.TemplateData) else Piece(paths=tuple(_paths(node)))


def only_parameter(text: str) -> str | None:
    """`{{ params.x }}` -> `x`; None for anything else."""
    found = re.fullmatch(r"\s*\{\{\s*params\.([a-z][a-z0-9_]*)\s*\}\}\s*", text, re.ASCII)
    return found[1] if found else None


@lru_cache(maxsize=1)
def _environment() -> Sandbox:
    return Sandbox([], finish_for_slack)


def _expression(text: str) -> nodes.Template:
    environment = _environment()
    parser = Parser(environment, text, state="variable")
    found = parser.parse_expression()
    if not parser.stream.eos:
        raise TemplateSyntaxError("this ends in something else", parser.stream.current.lineno)
    tree = nodes.Template([nodes.Output([found], lineno=1)], lineno=1)
    tree.set_environment(environment)
    return tree


def _syntax(problem: TemplateSyntaxError) -> str:
    return f"This expression does not parse: {(problem.message or 'it is not complete').rstrip('.')}."


def _problems(tree: nodes.Template, scope: Scope) -> Iterator[str]:
    yield from _tools(tree)
    said = set()
    bound = _bound(tree)
    for path in _paths(tree):
        if path[0] in bound:
            continue
        problem = _path_problem(path, scope)
        if problem and problem not in said:
            said.add(problem)
            yield problem


def _bound(tree: nodes.Template) -> set[str]:
    """Names that the template has by itself: globals, loop variables, macros. Never the roots."""
    found = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    found |= {macro.name for macro in tree.find_all(nodes.Macro)}
    if any(tree.find_all(nodes.For)):
        found.add("loop")
    return (found | set(_environment().globals)) - set(ROOTS)


def _tools(tree: nodes.Template) -> Iterator[str]:
    """Filters and tests that do not exist here."""
    environment = _environment()
    for used in tree.find_all(nodes.Filter):
        if used.name not in environment.filters:
            yield f"There is no filter “{used.name}” here."
    for test in tree.find_all(nodes.Test):
        if test.name not in environment.tests:
            yield f"There is no test “{test.name}” here."
    if any(tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends))):
        yield "A runbook includes no other files. Write it out."


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
