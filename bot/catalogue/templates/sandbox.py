"""The Jinja that templates run in: values escaped, nothing reachable but them, work and output bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import BuiltinMethodType
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined, Template, TemplateNotFound, TemplateRuntimeError
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.loaders import split_template_path
from jinja2.runtime import BlockReference, LoopContext, Macro

from bot.catalogue.yaml.document import Unreadable, read_text
from bot.domain.text import duration
from bot.expressions import language, limits
from bot.expressions.language import MAX_RANGE, MAX_TEMPLATE_BYTES
from bot.expressions.limits import TooMuch, count, paid, spend
from bot.expressions.sandbox import Sandbox as Language
from bot.views.kit import mrkdwn
from bot.views.kit.mrkdwn import Safe


def _range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MAX_RANGE:
        raise TooMuch(f"range() gives at most {MAX_RANGE:,} numbers here")
    return found


def timed(write: Callable[[datetime], Safe]) -> Callable[[Any], Safe]:
    def written(at: Any) -> Safe:
        if not isinstance(at, datetime):
            raise TemplateRuntimeError("A time is needed here. Where there may be none, ask first: {% if … %}.")
        return write(at)

    return written


class Sandbox(Language):
    """One for each sort of text; `finish` makes a value harmless in it."""

    def __init__(self, folders: Sequence[Path], finish: Callable[[Any], Safe]) -> None:
        self.folders = Folders(folders)
        self._finish = paid(finish, limits.whole(40))
        options = {"trim_blocks": True, "lstrip_blocks": True, "cache_size": 200}
        super().__init__(loader=self.folders, finalize=self._finish, **options)
        self.globals |= {name: DEFAULT_NAMESPACE[name] for name in language.GLOBALS} | {"range": _range}
        own: dict[str, Callable[..., Any]] = {**language.JINJAS_FILTERS, "e": finish, "escape": finish}
        own |= {"cell": self._cell, "indent": self._indent, "join": self._join, "_concat": self._join}
        own |= {"clock": timed(mrkdwn.clock), "moment": timed(mrkdwn.moment), "duration": duration.words}
        own |= {"link": mrkdwn.link, "_finished": Safe}
        self.offer(**own)
        self.tests |= {
            name: paid(language.JINJAS_TESTS[name], word.cost) for name, word in language.TEMPLATE_TESTS.items()
        }

    def offer(self, **filters: Callable[..., Any]) -> None:
        words = language.TEMPLATE_FILTERS
        self.filters |= {name: paid(runs, words[name].cost) for name, runs in filters.items() if name in words}

    def _join(self, items: Iterable[Any], by: str = "", attribute: str | None = None) -> Safe:
        parts = [self.getattr(item, attribute) for item in items] if attribute else items
        return Safe(str(self._finish(by)).join(self._finish(part) for part in parts))

    def _cell(self, value: Any) -> Safe:
        return Safe(" ".join(self._finish(value).split()).replace("|", "\\|"))

    def _indent(self, text: str, width: int = 4) -> Safe:
        return Safe(self._finish(text).replace("\n", "\n" + " " * min(max(width, 0), 40)))

    def call(self, *arguments: Any, **named: Any) -> Any:
        _, called, *given = arguments
        spend(limits.EACH * (1 + sum(map(count, given))))
        if isinstance(called, BuiltinMethodType):
            spend(_methods(called.__self__)[called.__name__](called.__self__, *given, **named))
        result = limits.fitting(super().call(*arguments, **named))
        # What a macro or a block returns was finished while it was made.
        if isinstance(called, BlockReference | LoopContext | Macro):
            spend(count(result))
            return Safe(result)
        return result

    def pay(self, operator: str, left: Any, right: Any) -> None:
        if operator == "%":
            raise TooMuch("“%” is not available here")
        made = _repeated(left, right) if operator == "*" else count(left) + count(right)
        if operator == "*" and made > limits.MAX_REPEATED:
            raise TooMuch("This repeats a text too often")
        spend(made)

    def wrap_str_format(self, value: Any) -> None:
        """Jinja hands out a guarded `str.format` here, which still pads without bound."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(value, BuiltinMethodType) and attr not in _methods(obj):
            return False
        return super().is_safe_attribute(obj, attr, value)


def _methods(obj: Any) -> Mapping[str, limits.Cost]:
    return next((found for sort, found in language.METHODS.items() if isinstance(obj, sort)), {})


def _repeated(left: Any, right: Any) -> int:
    if not isinstance(left, int):
        left, right = right, left
    return left * count(right) if isinstance(left, int) else 0


def finish_for_slack(value: Any) -> Safe:
    if isinstance(value, Safe):
        return value
    if isinstance(value, datetime):
        return mrkdwn.clock(value)
    return mrkdwn.literal(_plain(value))


def finish_for_markdown(value: Any) -> Safe:
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
    """Raises what Jinja and Python raise for a broken template."""
    pieces: list[str] = []
    length = 0
    with limits.allowance(limits.MAX_TEMPLATE_WORK):
        for piece in template.generate(values):
            pieces.append(piece)
            length += len(piece)
            if length > limit:
                break
    return mrkdwn.clip("".join(pieces).strip(), limit)
