"""Alertmanager's matchers: `severity=~"crit.*"`. Patterns are anchored and run in linear time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.errors import Unclear
from bot.domain.text import regex

_QUOTED = r'"(?:[^"\\\n]|\\["\\n])*"'
_SHAPE = re.compile(
    rf'\s*(?P<name>[A-Za-z_:][A-Za-z0-9_:]{{0,127}}|{_QUOTED})\s*(?P<op>=~|!~|!=|=)\s*(?P<value>{_QUOTED}|[^\s"{{}},=!~\\]*)\s*',
    re.ASCII,
)
_PLAIN = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]{0,127}", re.ASCII)
_ESCAPED = re.compile(r"\\(.)")
_BETWEEN = "{}, \t\n"


@dataclass(frozen=True)
class Matcher:
    """`op` is =, !=, =~ or !~. A label that is absent counts as empty."""

    name: str
    op: str
    value: str

    def __str__(self) -> str:
        name = self.name if _PLAIN.fullmatch(self.name) else _quoted(self.name)
        return f"{name}{self.op}{_quoted(self.value)}"

    def holds(self, labels: Mapping[str, str]) -> bool:
        label = labels.get(self.name, "")
        alike = regex.matcher(self.value)(label) if self.op.endswith("~") else label == self.value
        return alike is not self.op.startswith("!")


def parse(text: str) -> Matcher:
    """Raises Unclear."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise Unclear(f"“{text}” is not a matcher. Write for example 'severity=\"critical\"' or 'job=~\"api.*\"'.")
    found = Matcher(_unquoted(shape["name"]), shape["op"], _unquoted(shape["value"]))
    if found.op.endswith("~"):
        regex.matcher(found.value)
    return found


def leading(text: str) -> tuple[tuple[Matcher, ...], str]:
    found, rest = [], text.strip()
    while shape := _SHAPE.match(rest.lstrip(_BETWEEN)):
        whole = shape[0]
        found.append(parse(whole))
        rest = rest.lstrip(_BETWEEN)[len(whole) :]
    return tuple(found), rest.strip(_BETWEEN) if found else rest


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text[1:-1])
