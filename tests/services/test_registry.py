"""The tables of what happens by itself hold every kind, once."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.services import registry

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "bot" / "services").rglob("*.py"))
TABLES = ("TIMERS", "DELIVERIES", "LATE", "CHORES", "INBOX")


def written() -> dict[str, list[ast.expr | None]]:
    """The keys of each table as its source has them, also those that a later one would replace in silence."""
    tree = ast.parse(Path(registry.__file__).read_text(encoding="utf-8"))
    return {
        node.target.id: node.value.keys
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Dict)
    }


@pytest.mark.parametrize("table", TABLES)
def test_a_kind_is_registered_once(table: str) -> None:
    """No line of a table replaces an earlier one, under a constant's name or another."""
    assert len(written()[table]) == len(getattr(registry, table))


def wanted(path: Path, called: str) -> Iterator[tuple[int, str]]:
    """The kinds that a file gives to `called`, with their lines: literals, and constants of a module."""
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == called:
            named = {one.arg: one.value for one in node.keywords}
            kind = _value(named["kind"] if "kind" in named else node.args[0], vars(module))
            if kind is not None:
                yield node.lineno, kind


def _value(given: ast.expr, names: dict[str, Any]) -> str | None:
    """None for what is known only when it runs."""
    match given:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return names.get(name)
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return getattr(names.get(module), name, None)
    return None


def everywhere(called: str) -> dict[str, str]:
    """Each kind that a service gives to `called`, and where."""
    return {kind: f"{path.relative_to(ROOT)}:{line}" for path in FILES for line, kind in wanted(path, called)}


def test_a_delivery_of_a_service_has_its_handler() -> None:
    """What a service writes into the outbox is a kind that the registry knows."""
    found = everywhere("NewDelivery")
    assert len(found) > 20
    assert {kind: where for kind, where in found.items() if kind not in registry.DELIVERIES} == {}


def test_a_timer_of_a_service_has_its_function() -> None:
    """What a service plants is a kind that the registry knows."""
    found = everywhere("timers.schedule")
    assert len(found) > 8
    assert {kind: where for kind, where in found.items() if kind not in registry.TIMERS} == {}
