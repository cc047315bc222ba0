"""The Jinja of expressions and templates: every filter, test and operator pays before it runs."""

from __future__ import annotations

import math
from typing import Any

from jinja2 import StrictUndefined, TemplateRuntimeError, Undefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from bot.expressions.language import COMPARED, FILTERS, FORMS, JINJAS_FILTERS, JINJAS_TESTS, MAX_TEMPLATE_BYTES, TESTS
from bot.expressions.limits import CALL, TooMuch, count, fitting, paid, spend


class Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, **options: Any) -> None:
        super().__init__(undefined=StrictUndefined, **options)
        words = {**FILTERS, **FORMS}
        self.filters = {name: paid(word.runs or JINJAS_FILTERS[name], word.cost) for name, word in words.items()}
        self.tests = {name: paid(JINJAS_TESTS[name], word.cost) for name, word in TESTS.items()}
        self.globals.clear()

    def _generate(self, source: nodes.Template, *place: Any, **options: Any) -> str:
        return super()._generate(_Paying().visit(source), *place, **options)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        spend(CALL)
        if operator == "**":
            raise TooMuch("“**” is not available here")
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            self.pay(operator, left, right)
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, float) and not math.isfinite(result):
            raise TooMuch("this number becomes too large")
        return fitting(result)

    def pay(self, operator: str, left: Any, right: Any) -> None:
        """For an operator between what are not two numbers: texts and lists are put together with `+`."""
        if operator != "+" or not any(isinstance(left, sort) and isinstance(right, sort) for sort in (str, list)):
            raise TemplateRuntimeError(f"“{operator}” does not fit {_named(left)} and {_named(right)}")
        spend(count(left) + count(right))


def _named(value: Any) -> str:
    if isinstance(value, Undefined):
        str(value)  # raises, naming what is missing
    names = {str: "a text", bool: "a truth", list: "a list", dict: "a mapping", type(None): "nothing"}
    return names.get(type(value), "a number")


class _Paying(NodeTransformer):
    """Forms that Jinja would run by itself become filters and tests, which pay: `~`, slices, comparisons and loops."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 Jinja names visitors so
        self.generic_visit(node)
        return form("_concat", nodes.List(node.nodes, lineno=node.lineno))

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802 the same
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        return form("_slice", node.node, *(one or nodes.Const(None) for one in bounds))

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802 the same
        self.generic_visit(node)
        left, found = node.expr, list[nodes.Expr]()
        for one in node.ops:
            test = nodes.Test(left, COMPARED[one.op], [one.expr], [], None, None, lineno=node.lineno)
            found.append(nodes.Not(test) if one.op == "notin" else test)
            left = one.expr
        return _all(found)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 the same
        written = sum(len(one.data) for one in node.find_all(nodes.TemplateData))
        written += MAX_TEMPLATE_BYTES * sum(1 for _ in node.find_all(nodes.Include))
        self.generic_visit(node)
        node.iter = form("_each", node.iter, nodes.Const(written))
        return node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:  # noqa: N802 the same
        """Keeps what is markup, which plain text would lose."""
        self.generic_visit(node)
        if node.filter is None:
            node.filter = form("_finished", None)
        return node


def _all(tests: list[nodes.Expr]) -> nodes.Expr:
    return tests[0] if len(tests) == 1 else nodes.And(tests[0], _all(tests[1:]))


def form(name: str, value: nodes.Node | None, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, list(arguments), [], None, None, lineno=value.lineno if value else None)
