"""Words that leave the house: the most specific template wins, a broken one gives way to the next."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog
from jinja2 import TemplateError, TemplateNotFound, TemplateSyntaxError, UndefinedError

from bot.catalogue.templates.email import MAIL_LIMIT, SUBJECT_LIMIT, mail_sandbox
from bot.catalogue.templates.sandbox import Sandbox, finish_for_markdown, finish_for_slack, render
from bot.domain.catalogue.catalogue import Finding
from bot.domain.text.wording import hint
from bot.paths import data

KINDS = ("declared", "update", "reminder", "resolved", "maintenance")
SLACK_LIMIT = 3_000  # characters: what a section holds
MARKDOWN_LIMIT = 200_000

_SAFE_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)
_log = structlog.get_logger()

# What a template's code can raise inside the sandbox: its own errors, and Python's for a wrong type, key or depth.
BROKEN = (
    TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError,
    AssertionError,  # Jinja's own of `truncate`
)  # fmt: skip


class TemplateFiles:
    """Renders by convention. `folders` are TOCSIN_TEMPLATES, looked up first; the packaged ones come after them."""

    def __init__(self, folders: Sequence[Path] = (), *, packaged: Path | None = None) -> None:
        self._folders = [*folders, packaged or data("templates")]
        self._slack = Sandbox(self._folders, finish_for_slack)
        self._markdown = Sandbox(self._folders, finish_for_markdown)
        self._mail = mail_sandbox(self._folders)

    def render(self, kind: str, *, service: str, severity: str, values: dict[str, Any]) -> str:
        """At most 3,000 characters, never empty. `values` are those of `samples.full`."""
        names = [f"slack/{name}.txt" for name in _specific_first(kind, service, severity)]
        return self._first_whole(self._slack, names, values, SLACK_LIMIT) or _last_resort(kind, values)

    def render_postmortem(self, *, service: str, values: dict[str, Any]) -> str:
        """From `postmortem/<service>.md` or `default.md`. `values` as `samples.postmortem_full`."""
        names = [f"postmortem/{key}.md" for key in (service, "default") if _SAFE_PART.fullmatch(key)]
        return self._first_whole(self._markdown, names, values, MARKDOWN_LIMIT) or _last_resort("resolved", values)

    def render_mail(self, kind: str, *, service: str, severity: str, values: dict[str, Any]) -> tuple[str, str]:
        """From `email/<kind>/` or `email/<service>/<kind>/`. `values` as `mail_full`."""
        found = []
        for part, limit in (("subject", SUBJECT_LIMIT), ("body", MAIL_LIMIT)):
            names = [f"email/{name}/{part}.txt" for name in _specific_first(kind, service, severity)]
            found.append(self._first_whole(self._mail, names, values, limit) or _last_resort(kind, values, str))
        return found[0], found[1]

    def _first_whole(self, sandbox: Sandbox, names: list[str], values: dict[str, Any], limit: int) -> str:
        for numbered in self._numbered(sandbox, names):
            try:
                text = render(sandbox.get_template(numbered), values, limit=limit)
            except BROKEN as problem:
                _warn(self._place(numbered), problem)
                continue
            if text:
                return text
            _warn(self._place(numbered), ValueError("It rendered to nothing."))
        return ""

    def _numbered(self, sandbox: Sandbox, names: list[str]) -> Iterator[str]:
        for name in names:
            for index in range(len(self._folders)):
                if sandbox.folders.has(index, name):
                    yield f"{index}:{name}"

    def _place(self, numbered: str) -> Path:
        index, _, name = numbered.partition(":")
        return self._folders[int(index)] / name


def _specific_first(kind: str, service: str, severity: str) -> list[str]:
    # Both come from rows: only what could be a file of an operator becomes a path.
    named = service if _SAFE_PART.fullmatch(service) else None
    names = [f"{named}/{kind}.{severity}"] if named and _SAFE_PART.fullmatch(severity) else []
    return [*names, *([f"{named}/{kind}"] if named else []), kind]


def _last_resort(kind: str, values: dict[str, Any], finish: Callable[[Any], str] = finish_for_slack) -> str:
    said = map(values.get("incident", {}).get, ("id", "title", "status"))
    return " · ".join([finish(word) for word in said if word] or [kind])


def _warn(path: Path, problem: Exception) -> None:
    found = finding(path, problem)
    _log.warning("template.broken", file=found.file, line=found.line, problem=found.sentence)


def finding(path: Path, problem: Exception, known: dict[str, Any] | None = None) -> Finding:
    return Finding(str(path), _line(path, problem), _sentence(problem, known or {}))


def _line(path: Path, problem: Exception) -> int:
    if isinstance(problem, TemplateSyntaxError):
        return problem.lineno
    # Jinja rewrites tracebacks so that they show the template's own lines.
    frames = traceback.extract_tb(problem.__traceback__)
    return next((frame.lineno or 1 for frame in reversed(frames) if frame.filename == str(path.resolve())), 1)


def _sentence(problem: Exception, known: dict[str, Any]) -> str:
    own = problem.message if isinstance(problem, TemplateError) else str(problem)
    said = (own or type(problem).__name__).rstrip(".")
    if isinstance(problem, UndefinedError):
        return _undefined(said, known)
    if isinstance(problem, TemplateNotFound):
        return f"There is no template “{problem.name}” to include."
    if isinstance(problem, TemplateSyntaxError):
        return f"This template does not parse: {said}."
    return f"This template does not render: {said}."


def _undefined(said: str, known: dict[str, Any]) -> str:
    top = re.search(r"'(\w+)' is undefined", said)
    inner = re.search(r"has no attribute '(\w+)'", said)
    missing = top or inner
    if not missing:
        return f"This template does not render: {said}."
    words = set(known) if top else {key for value in known.values() if isinstance(value, dict) for key in value}
    return f"There is no value “{missing[1]}”. {hint(missing[1], words)}" if words else f"There is no “{missing[1]}”."
