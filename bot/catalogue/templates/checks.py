"""Every template tried out before an incident needs it: compiled, named rightly, rendered with sample values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment

from bot.catalogue.templates import samples
from bot.catalogue.templates.email import MAIL_LIMIT, MAILS, SUBJECT_LIMIT, mail_sandbox
from bot.catalogue.templates.render import BROKEN, KINDS, MARKDOWN_LIMIT, SLACK_LIMIT, finding
from bot.catalogue.templates.sandbox import Sandbox, finish_for_markdown, finish_for_slack, render
from bot.catalogue.yaml.document import Unreadable, read_text
from bot.domain.catalogue.catalogue import Catalogue, Finding
from bot.domain.text.wording import hint
from bot.expressions.language import MAX_TEMPLATE_BYTES


def findings(folders: Sequence[Path], catalogue: Catalogue | None) -> list[Finding]:
    """Without a catalogue the services are not looked up."""
    return [found for folder in folders for found in _folder(folder, folders, catalogue)]


def _folder(folder: Path, folders: Sequence[Path], catalogue: Catalogue | None) -> Iterator[Finding]:
    if not folder.is_dir():
        yield Finding(str(folder), 1, "This folder does not exist. Correct TOCSIN_TEMPLATES.")
        return
    slack = Sandbox(folders, finish_for_slack)
    for path in template_files(folder, "slack", ".txt"):
        yield from _named(path, folder / "slack", catalogue)
        yield from _tried(slack, folder, path, [samples.full(), samples.bare()], SLACK_LIMIT)
    mail = mail_sandbox(folders)
    for path in template_files(folder, "email", ".txt"):
        yield from _named_as_mail(path, folder / "email", catalogue)
        limit = SUBJECT_LIMIT if path.stem == "subject" else MAIL_LIMIT
        yield from _tried(mail, folder, path, [samples.mail_full(), samples.mail_bare()], limit)
    markdown = Sandbox(folders, finish_for_markdown)
    for path in template_files(folder, "postmortem", ".md"):
        yield from _named_after_service(path, catalogue)
        yield from _tried(
            markdown, folder, path, [samples.postmortem_full(), samples.postmortem_bare()], MARKDOWN_LIMIT
        )


def template_files(folder: Path, sort: str, suffix: str) -> list[Path]:
    """In a fixed order. Names that start with `_` are parts for others to include."""
    return sorted(path for path in (folder / sort).rglob(f"*{suffix}") if path.is_file() and path.name[0] not in "._")


def _named(path: Path, slack: Path, catalogue: Catalogue | None) -> Iterator[Finding]:
    *folders, name = path.relative_to(slack).parts
    kind, _, severity = name.removesuffix(".txt").partition(".")
    if len(folders) > 1:
        yield Finding(str(path), 1, "Nothing reads a template this deep. Use slack/<service>/<kind>.txt.")
    elif kind not in KINDS:
        yield Finding(str(path), 1, f"There is no kind “{kind}”. {hint(kind, KINDS)}")
    elif severity and not folders:
        yield Finding(str(path), 1, f"A severity needs a service. Move this to slack/<service>/{name}.")
    elif folders and catalogue:
        yield from _known(path, folders[0], severity, catalogue)


def _named_as_mail(path: Path, email: Path, catalogue: Catalogue | None) -> Iterator[Finding]:
    *folders, name = path.relative_to(email).parts
    kind, _, severity = folders[-1].partition(".") if folders else ("", "", "")
    if len(folders) not in (1, 2) or name not in ("subject.txt", "body.txt"):
        yield Finding(
            str(path),
            1,
            "Nothing reads this. Use email/<kind>/ or email/<service>/<kind>/ with subject.txt and body.txt.",
        )
    elif kind not in MAILS:
        yield Finding(str(path), 1, f"There is no kind “{kind}”. {hint(kind, MAILS)}")
    elif severity and len(folders) == 1:
        yield Finding(str(path), 1, f"A severity needs a service. Move this to email/<service>/{folders[0]}/{name}.")
    elif len(folders) == 2 and catalogue:
        yield from _known(path, folders[0], severity, catalogue)


def _known(path: Path, key: str, severity: str, catalogue: Catalogue) -> Iterator[Finding]:
    service = catalogue.services.get(key)
    if service is None:
        yield Finding(str(path), 1, f"There is no service “{key}”. {hint(key, catalogue.services)}")
    elif severity and severity not in service.severity_keys():
        yield Finding(str(path), 1, service.no_severity(severity))


def _named_after_service(path: Path, catalogue: Catalogue | None) -> Iterator[Finding]:
    if catalogue and path.stem != "default" and path.stem not in catalogue.services:
        yield Finding(str(path), 1, f"There is no service “{path.stem}”. {hint(path.stem, catalogue.services)}")


def _tried(
    sandbox: Environment, folder: Path, path: Path, trials: list[dict[str, Any]], limit: int
) -> Iterator[Finding]:
    if not path.resolve().is_relative_to(folder.resolve()):
        yield Finding(str(path), 1, "This leads out of the templates' folder, so it is not used. Put a copy here.")
        return
    try:
        source = read_text(path, max_bytes=MAX_TEMPLATE_BYTES)
    except Unreadable as problem:
        yield from problem.findings
        return
    found = [_once(sandbox, path, source, values, limit) for values in trials]
    yield from filter(None, dict.fromkeys(found))


def _once(sandbox: Environment, path: Path, source: str, values: dict[str, Any], limit: int) -> Finding | None:
    try:
        code = sandbox.compile(source, path.name, str(path.resolve()))
        template = sandbox.template_class.from_code(sandbox, code, sandbox.make_globals(None))
        text = render(template, values, limit=limit)
    except BROKEN as problem:
        return finding(path, problem, values)
    return None if text else Finding(str(path), 1, "This template renders to nothing. Say something, or remove it.")
