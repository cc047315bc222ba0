"""The Jinja that templates run in: values escaped, nothing reachable but them, work and output bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from jinja2 import BaseLoader, Environment, StrictUndefined, Template, TemplateNotFound, TemplateRuntimeError, nodes
from jinja2.loaders import split_template_path
from jinja2.runtime import BlockReference, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from bot.catalogue.yaml.document import Unreadable, read_text
from bot.domain.text import duration
from bot.views.kit import mrkdwn
from bot.views.kit.mrkdwn import Safe

MAX_TEMPLATE_BYTES = 64_000
MAX_RANGE = 1_000
MAX_REPEATED = 10_000
MAX_WORK = 20_000  # loop turns and calls in one rendering

_left: ContextVar[int] = ContextVar("template_work_left", default=MAX_WORK)

# What could grow without bound, reach into values, or means something else outside HTML.
_NO_FILTERS = (
    "attr",
    "batch",
    "center",
    "forceescape",
    "format",
    "pprint",
    "random",
    "safe",
    "slice",
    "urlize",
    "xmlattr",
    "tojson",
)
_NO_GLOBALS = ("lipsum", "namespace")
_NO_TEXT_METHODS = frozenset({"center", "expandtabs", "format", "format_map", "ljust", "rjust", "translate", "zfill"})


class TooMuch(TemplateRuntimeError):
    """The template does more than words need."""


@contextmanager
def bounded() -> Iterator[None]:
    """Each rendering starts with the whole allowance."""
    token = _left.set(MAX_WORK)
    try:
        yield
    finally:
        _left.reset(token)


def _spend() -> None:
    left = _left.get() - 1
    if left < 0:
        raise TooMuch("This template loops too often. Say less.")
    _left.set(left)


def _counted(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        _spend()
        yield item


def _range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MAX_RANGE:
        raise TooMuch(f"range() gives at most {MAX_RANGE:,} numbers here.")
    return found


def _timed(write: Callable[[datetime], Safe]) -> Callable[[Any], Safe]:
    def written(at: Any) -> Safe:
        if not isinstance(at, datetime):
            raise TemplateRuntimeError("A time is needed here. Where there may be none, ask first: {% if … %}.")
        return write(at)

    return written


class _Rewrite(NodeTransformer):
    """Loops count their turns. `~` and `{% set %}…{% endset %}` keep what is markup, which plain text would lose."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 Jinja names visitors so
        self.generic_visit(node)
        node.iter = _filter("_counted", cast(nodes.Expr, node.iter))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 the same
        self.generic_visit(node)
        return _filter("_joined", nodes.List(node.nodes, lineno=node.lineno))

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:  # noqa: N802 the same
        self.generic_visit(node)
        if node.filter is None:
            node.filter = _filter("_finished", None, lineno=node.lineno)
        return node


def _filter(name: str, value: nodes.Expr | None, *, lineno: int | None = None) -> nodes.Filter:
    return nodes.Filter(value, name, [], [], None, None, lineno=value.lineno if value is not None else lineno)


class Sandbox(ImmutableSandboxedEnvironment):
    """One for each sort of text; `finish` makes a value harmless in it."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, folders: Sequence[Path], finish: Callable[[Any], Safe]) -> None:
        self.folders = Folders(folders)
        super().__init__(
            loader=self.folders,
            undefined=StrictUndefined,
            finalize=finish,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=200,
        )
        self._finish = finish
        for name in _NO_FILTERS:
            del self.filters[name]
        for name in _NO_GLOBALS:
            del self.globals[name]
        self.globals["range"] = _range
        self.filters |= {
            "clock": _timed(mrkdwn.clock),
            "moment": _timed(mrkdwn.moment),
            "duration": duration.words,
            "link": mrkdwn.link,
        }
        self.filters |= {"escape": finish, "e": finish, "join": self._join, "indent": self._indent}
        self.filters["cell"] = self._cell
        self.filters |= {"_counted": _counted, "_joined": self._join, "_finished": Safe}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Rewrite().visit(super()._parse(source, name, filename))
        return tree

    def _join(self, items: Iterable[Any], by: str = "", attribute: str | None = None) -> Safe:
        parts = [self.getattr(item, attribute) for item in items] if attribute else items
        return Safe(str(self._finish(by)).join(self._finish(part) for part in parts))

    def _cell(self, value: Any) -> Safe:
        """For a Markdown table: one line, no bars."""
        return Safe(" ".join(self._finish(value).split()).replace("|", "\\|"))

    def _indent(self, text: str, width: int = 4) -> Safe:
        return Safe(self._finish(text).replace("\n", "\n" + " " * min(max(width, 0), 40)))

    def call(self, *arguments: Any, **named: Any) -> Any:
        _spend()
        result = super().call(*arguments, **named)
        # What a macro or a block returns was finished while it was made.
        return Safe(result) if isinstance(arguments[1], BlockReference | LoopContext | Macro) else result

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" or (operator == "%" and not numbers):
            raise TooMuch(f"“{operator}” is not available here.")
        if operator == "*" and not numbers and _repeated(left, right) > MAX_REPEATED:
            raise TooMuch("This repeats a text too often.")
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> None:
        """Jinja hands out a guarded `str.format` here, which still pads without bound."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr in _NO_TEXT_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)


def _repeated(left: Any, right: Any) -> int:
    if not isinstance(left, int):
        left, right = right, left
    return left * len(right) if isinstance(left, int) and hasattr(right, "__len__") else 0


def finish_for_slack(value: Any) -> Safe:
    """A value as it may stand in a Slack message."""
    if isinstance(value, Safe):
        return value
    if isinstance(value, datetime):
        return mrkdwn.clock(value)
    return mrkdwn.literal(_plain(value))


def finish_for_markdown(value: Any) -> Safe:
    """A value as it may stand in a Markdown file: without HTML."""
    if isinstance(value, datetime):
        return Safe(value.strftime("%Y-%m-%d %H:%M UTC"))
    text = _plain(value)
    return value if isinstance(value, Safe) else Safe(text.replace("&", "&amp;").replace("<", "&lt;"))


def _plain(value: Any) -> str:
    if isinstance(value, StrictUndefined):
        return str(value)  # raises, naming what is missing
    if value is None:
        return ""
    return ", ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


class Folders(BaseLoader):
    """Templates by name from the first folder that has them, or from the n-th alone as `n:name`."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._roots = [folder.resolve() for folder in folders]

    def has(self, index: int, name: str) -> bool:
        try:
            return self._path(index, name).is_file()
        except TemplateNotFound:
            return False

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        path = self._find(template)
        try:
            stamp = path.stat().st_mtime_ns
            text = read_text(path, max_bytes=MAX_TEMPLATE_BYTES)
        except (OSError, Unreadable):
            raise TemplateNotFound(template, f"{path} cannot be read.") from None
        return text, str(path), lambda: path.exists() and path.stat().st_mtime_ns == stamp

    def _find(self, template: str) -> Path:
        index, colon, name = template.partition(":")
        if colon and index.isdigit():
            return self._path(int(index), name)
        for number in range(len(self._roots)):
            if self.has(number, template):
                return self._path(number, template)
        raise TemplateNotFound(template)

    def _path(self, index: int, name: str) -> Path:
        folder = self._roots[index]
        path = folder.joinpath(*split_template_path(name))  # refuses `..`
        if not path.resolve().is_relative_to(folder):
            raise TemplateNotFound(name, f"{name} leads out of {folder}")
        return path


def render(template: Template, values: dict[str, Any], *, limit: int) -> str:
    """The text, at most `limit` characters. Raises what Jinja and Python raise for a broken template."""
    pieces: list[str] = []
    length = 0
    with bounded():
        for piece in template.generate(values):
            pieces.append(piece)
            length += len(piece)
            if length > limit:
                break
    return mrkdwn.clip("".join(pieces).strip(), limit)
