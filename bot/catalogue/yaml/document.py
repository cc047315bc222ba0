"""YAML into plain values, with the line of every key. Refuses what a catalogue never needs: duplicates, tags, bombs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bot.domain.catalogue.catalogue import Finding

# libyaml where the wheel has it: ten times faster, the same events.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 100_000

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A file as values. `lines` has the line of each key and list item by its path."""

    file: str
    data: Any
    lines: Mapping[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """Or of the nearest place around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def finding(self, place: Place, sentence: str) -> Finding:
        return Finding(self.file, self.line(place), sentence)

    def findings(self, place: Place, sentences: Iterable[str]) -> list[Finding]:
        return [self.finding(place, sentence) for sentence in sentences]

    def where(self, place: Place) -> str:
        return f"{self.file}:{self.line(place)}"


class Unreadable(Exception):
    """The file is no YAML that a catalogue can be made of. `findings` say where and why."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(str(findings[0]))
        self.findings = findings


def read(path: Path) -> Document:
    """Raises Unreadable."""
    return parse(str(path), read_text(path))


def read_text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """Bounded and UTF-8. Raises Unreadable."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(max_bytes + 1)
    except OSError as problem:
        raise Unreadable(Finding(str(path), 1, f"This file cannot be read: {problem.strerror}.")) from None
    if len(raw) > max_bytes:
        raise Unreadable(Finding(str(path), 1, f"This file is larger than {max_bytes:,} bytes. Split it."))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise Unreadable(Finding(str(path), line, "This line is not UTF-8. Save the file as UTF-8.")) from None


def parse(file: str, text: str) -> Document:
    """An empty one is an empty mapping. Raises Unreadable."""
    try:
        _measure(file, text)
        root = yaml.compose(text, Loader=Loader)
    except yaml.YAMLError as problem:
        raise Unreadable(_syntax(file, problem)) from None
    if root is None:
        return Document(file, {})
    walk = _Walk(file)
    data = walk.value(root, (), 0)
    if walk.findings:
        raise Unreadable(*walk.findings)
    return Document(file, data, walk.lines)


def _measure(file: str, text: str) -> None:
    """Nesting is counted on the flat stream of events, since composing recurses."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise Unreadable(Finding(file, line, f"This is nested deeper than {MAX_DEPTH} levels. Make it flatter."))


def _syntax(file: str, problem: yaml.YAMLError) -> Finding:
    mark = getattr(problem, "problem_mark", None)
    what = getattr(problem, "problem", None) or getattr(problem, "reason", None) or "it cannot be parsed"
    return Finding(file, mark.line + 1 if mark else 1, f"This is not valid YAML: {what}.")


class _Walk:
    """From nodes to values. Aliases are followed, and counted each time, so that a small file stays small."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Place, int] = {}
        self.findings: list[Finding] = []
        self._nodes = 0
        self._scalars = yaml.SafeLoader("")

    def value(self, node: yaml.Node, place: Place, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise Unreadable(self._finding(node, "This file unfolds to far more than it says. Use fewer aliases."))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place, depth)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, place, depth)
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, place: Place, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        own: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                self._refuse(key_node, "Merge keys (<<) are not supported. Write the keys out.")
            elif not isinstance(key, str):
                self._refuse(key_node, "A key must be a word, not a list or a mapping.")
            elif key in own:
                self._refuse(key_node, f"“{key}” is already on line {own[key]}. Keep one of them.")
            else:
                own[key] = self.lines[(*place, key)] = line
                values[key] = self.value(value_node, (*place, key), depth + 1)
        return values

    def _sequence(self, node: yaml.SequenceNode, place: Place, depth: int) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            self.lines[(*place, index)] = item.start_mark.line + 1
            items.append(self.value(item, (*place, index), depth + 1))
        return items

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            return self._scalars.construct_object(node)
        except yaml.constructor.ConstructorError:
            self._refuse(node, f"The tag {node.tag} is not supported. Remove it.")
        except (ValueError, OverflowError):
            self._refuse(node, f"“{node.value}” is not a valid value. Put it in quotes if it is text.")
        return None

    def _refuse(self, node: yaml.Node, sentence: str) -> None:
        self.findings.append(self._finding(node, sentence))

    def _finding(self, node: yaml.Node, sentence: str) -> Finding:
        return Finding(self.file, node.start_mark.line + 1, sentence)
