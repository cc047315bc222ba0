"""What a plan would meet: connections that answer, programs that are there. Nothing is changed by looking."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.deps import Deps
from bot.domain.catalogue.runbook import Kind, Runbook
from bot.domain.errors import Misconfigured
from bot.domain.outgoing.mail import is_nowhere
from bot.domain.people import access
from bot.domain.runs.parameters import Reference
from bot.domain.runs.plan import NO, Late, Plan, PlannedStep
from bot.domain.text.wording import hint
from bot.engine import planning
from bot.engine.steps import email, page
from bot.services.runs import choices

KNOCK_SECONDS = 1.5
PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "rediss": 6379, "http": 80, "https": 443}


async def problems(deps: Deps, runbook: Runbook, plan: Plan) -> dict[str, str]:
    """Step id, or `parameter NAME`, -> why it could not work as things are now."""
    found: dict[str, str] = {}
    for name, one in plan.parameters.items():
        if isinstance(one, Reference):
            _resolve(deps, one.source, f"parameter {name}", found)
    found |= await choices.problems(deps, runbook, plan.parameters)
    steps = [step for step in plan.steps if step.runs != NO]
    knocks = {step.id: _reaches(deps, step) for step in steps}
    sentences = await asyncio.gather(*knocks.values())
    found |= {id_: said for id_, said in zip(knocks, sentences, strict=True) if said}
    for step in steps:
        if said := _program(deps, runbook, step) or _nobody_to_reach(deps, runbook, step):
            found.setdefault(step.id, said)
    return found


def _nobody_to_reach(deps: Deps, runbook: Runbook, step: PlannedStep) -> str:
    if not step.kind.rules.reaches:
        return ""
    if step.kind is Kind.EMAIL and deps.mailer is None:
        return email.NOT_SET_UP
    if step.kind is Kind.PAGE and deps.pager is None:
        return page.NOT_SET_UP
    to, contact = str(step.arguments.get("to", "")), step.arguments.get("contact")
    if contact is None:
        return _nobody(deps, runbook, to)
    written = [one for one in contact.get("email", ()) if not is_nowhere(one)]
    if step.kind is Kind.EMAIL and not written and not contact.get("who"):
        return f"The contact “{to}” has placeholders only, which are never written to."
    return ""


def _nobody(deps: Deps, runbook: Runbook, to: str) -> str:
    known = deps.catalogue.service_or_default(runbook.service).contacts
    if access.USER.fullmatch(to) or access.GROUP.fullmatch(to) or to == access.ON_CALL or ":" in to:
        return ""
    return f"There is no contact “{to[:60]}” in {runbook.service}. {hint(to, known) if known else ''}".strip()


def _resolve(deps: Deps, reference: str, name: str, found: dict[str, str]) -> None:
    try:
        deps.secrets.resolve(reference)
    except Misconfigured as problem:
        found[name] = problem.sentence


async def _reaches(deps: Deps, step: PlannedStep) -> str:
    for name in sorted(planning.used_connections(step.arguments)):
        known = deps.catalogue.connections.get(name)
        if known is None:
            return f"There is no connection “{name}”. Add it to org.yml under connections."
        try:
            url = deps.secrets.resolve(known.reference).reveal()
        except Misconfigured as problem:
            return problem.sentence
        if not await _answers(url):
            return f"The connection “{name}” ({known.reference}) does not answer."
    return ""


async def _answers(url: str) -> bool:
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    if scheme == "sqlite":
        return await asyncio.to_thread(Path(url.partition("://")[2].removeprefix("/").partition("?")[0]).is_file)
    if scheme == "unix" or not parts.hostname:
        return True  # not to be knocked at: the step will say
    try:
        port = parts.port or PORTS.get(scheme, 0)
    except ValueError:
        return False
    return not port or await _knock(parts.hostname, port)


async def _knock(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(KNOCK_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _program(deps: Deps, runbook: Runbook, step: PlannedStep) -> str:
    for arguments in _shells(step):
        if said := _missing(deps, runbook, arguments):
            return said
    return ""


def _shells(step: PlannedStep) -> list[Mapping[str, Any]]:
    if step.kind is Kind.SHELL:
        return [step.arguments]
    until = step.arguments.get("until")
    inner = until.get("shell") if isinstance(until, Mapping) else None
    return [inner] if isinstance(inner, Mapping) else []


def _missing(deps: Deps, runbook: Runbook, arguments: Mapping[str, Any]) -> str:
    folder = Path(runbook.folder)
    if folder.resolve() not in [one.resolve() for one in deps.config.shell_folders]:
        return "Programs may not run from this catalogue folder. TOCSIN_ALLOW_SHELL names those that may."
    argv = arguments.get("argv")
    program = argv[0] if isinstance(argv, list) and argv else None
    if not isinstance(program, str) or isinstance(program, Late):
        return ""
    path = _path(deps, arguments)
    at = folder / str(arguments.get("cwd") or ".") / program if "/" in program else None
    if shutil.which(str(at) if at else program, path=path) is None:
        return f"The program {program[:100]} is not there, or may not be run."
    return ""


def _path(deps: Deps, arguments: Mapping[str, Any]) -> str:
    given = deps.secrets.environment.get("PATH") if "PATH" in (arguments.get("env") or ()) else None
    return given or os.defpath
