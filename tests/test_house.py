"""What no import contract says: the rules of the domain need nothing but Python."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DOMAIN = Path(__file__).resolve().parents[1] / "bot" / "domain"
# Patterns that operators write are matched in linear time, which the standard library does not promise.
ALSO = {"text/regex.py": {"re2"}}


def outside(source: str) -> Iterator[str]:
    """The packages that a file imports, anywhere in it, which are neither Python's nor the project's own."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found = [one.name for one in names]
            case ast.ImportFrom(module=str(module), level=0):
                found = [module]
            case _:
                continue
        roots = {name.partition(".")[0] for name in found}
        yield from roots - sys.stdlib_module_names - {"bot"}


@pytest.mark.parametrize("name", sorted(str(one.relative_to(DOMAIN)) for one in DOMAIN.rglob("*.py")))
def test_the_domain_needs_python_alone(name: str) -> None:
    """A file of the domain imports the standard library and the domain, and nothing else."""
    assert set(outside((DOMAIN / name).read_text(encoding="utf-8"))) == ALSO.get(name, set())


def test_an_import_within_a_function_is_found() -> None:
    """Neither a late import nor a dotted one hides."""
    assert set(outside("def f():\n    import httpx._models\n    from yaml import load\n    import json\n")) == {
        "httpx",
        "yaml",
    }
