"""docs/promises.md as values: each promise, and what is said to show it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "promises.md"
ROW = re.compile(r"^\| (?P<promise>.+?) \| (?P<shown>`.+`) \|$")


@dataclass(frozen=True)
class Promise:
    """`tests` are node ids below the root without parameters, `benchmarks` names of `python -m bench`."""

    text: str
    tests: tuple[str, ...]
    benchmarks: tuple[str, ...]


@cache
def promises() -> list[Promise]:
    rows = (ROW.match(line) for line in DOCUMENT.read_text(encoding="utf-8").splitlines())
    return [_promise(row["promise"], re.findall(r"`([^`]+)`", row["shown"])) for row in rows if row]


def _promise(text: str, shown: list[str]) -> Promise:
    benchmarks = tuple(one.removeprefix("bench ") for one in shown if one.startswith("bench "))
    return Promise(text, tuple(f"tests/{one}" for one in shown if not one.startswith("bench ")), benchmarks)


@cache
def promised() -> frozenset[str]:
    """Every test that shows a promise."""
    return frozenset(test for promise in promises() for test in promise.tests)


def shows_a_promise(node_id: str) -> bool:
    """Whether this test, with its parameters, is one of them."""
    return node_id.split("[")[0] in promised()
