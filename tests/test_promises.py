"""docs/promises.md is true: each promise names tests that exist and that CI runs."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from bench.__main__ import BENCHMARKS
from tests.support.promises import DOCUMENT, ROOT, Promise, promised, promises

NOT_RUN = ("skip", "skipif", "xfail", "soak")


@cache
def marks_by_test(path: str) -> dict[str, set[str]]:
    """The tests of a file, each with the names of its marks; what marks the file marks each of them."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    common = {name for node in tree.body if _sets(node, "pytestmark") for name in _names(node)}
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {
        node.name: common | {name for mark in node.decorator_list for name in _names(mark)}
        for node in found
        if node.name.startswith("test_")
    }


def _sets(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == name for one in node.targets)


def _names(node: ast.AST) -> set[str]:
    return {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}


@pytest.mark.parametrize("test", sorted(promised()))
def test_each_named_test_exists(test: str) -> None:
    """A promise points at a test that is there."""
    path, _, name = test.partition("::")
    assert (ROOT / path).is_file(), f"{DOCUMENT.name} names {path}, which is not there."
    assert name in marks_by_test(path), f"{DOCUMENT.name} names {test}, which is not there."


@pytest.mark.parametrize("promise", promises(), ids=lambda promise: promise.text[:60])
def test_each_promise_is_shown(promise: Promise) -> None:
    """Each promise has a test that an ordinary run does not leave out, or a benchmark that exists."""
    assert set(promise.benchmarks) <= set(BENCHMARKS)
    run = [test for test in promise.tests if not _left_out(test)]
    assert run or promise.benchmarks, f"Nothing in CI shows: {promise.text}"


def _left_out(test: str) -> bool:
    path, _, name = test.partition("::")
    return bool(marks_by_test(path)[name] & set(NOT_RUN))


def test_ci_runs_both_parts() -> None:
    """What is marked `long` is not left out: CI runs it after the rest."""
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("make ")] == ["make check", "make test", "make test-long"]


def test_the_table_is_read_whole() -> None:
    """Every row of the document is one that the checks above have seen."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|") and not line.startswith(("|---", "| promise |"))]
    assert len(rows) == len(promises())
    assert len(rows) > 80
