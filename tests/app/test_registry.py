"""The tables of what happens by itself hold every kind, once."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.app import registry
from bot.domain.outgoing.delivery import Payload
from bot.queue.handler import by_kind, once
from bot.services.messaging.thread_notes import ThreadNote, ThreadNoteHandler

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "bot" / "services").rglob("*.py"))
TABLES = ("LATE", "CHORES", "INBOX")


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


def test_a_kind_registered_twice_is_refused() -> None:
    """A second handler of a kind is an error when the program starts, whether it is the same one or another."""
    with pytest.raises(ValueError, match="thread_note is registered twice"):
        by_kind(ThreadNoteHandler(), ThreadNoteHandler())
    with pytest.raises(ValueError, match=r"watch\.over is registered twice"):
        once([("watch.over", 1), ("watch.over", 1)])


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def wanted(path: Path, called: str) -> Iterator[tuple[int, str]]:
    """The kinds that a file gives to `called`, with their lines: literals, and constants of a module."""
    module = importlib.import_module(module_of(path))
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


def payloads(of: type[Payload] = Payload) -> Iterator[type[Payload]]:
    """Every payload of a service that has a kind of its own."""
    for one in of.__subclasses__():
        if one.__module__.startswith("bot.") and "kind" in vars(one):
            yield one
        yield from payloads(one)


def test_a_delivery_of_a_service_has_its_handler() -> None:
    """What a service writes into the outbox is read by the one handler of its kind, as what it was."""
    for path in FILES:
        importlib.import_module(module_of(path))
    found = set(payloads())
    assert len(found) > 50
    assert {one.kind: registry.DELIVERIES[one.kind].payload for one in found} == {one.kind: one for one in found}
    assert len(registry.DELIVERIES) == len(found)


def test_a_payload_of_another_version_is_refused() -> None:
    """Fields that this version does not know, or lacks, are no payload of it."""
    for kept in ({"text": "x", "mentions": [], "more": 1}, {"text": "x"}):
        with pytest.raises(TypeError):
            ThreadNote.read(kept)


def test_a_timer_of_a_service_has_its_function() -> None:
    """What a service plants is a kind that the registry knows."""
    found = everywhere("timers.schedule")
    assert len(found) > 8
    assert {kind: where for kind, where in found.items() if kind not in registry.TIMERS} == {}
