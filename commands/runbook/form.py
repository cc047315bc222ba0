"""The form of a run: built for a runbook, a choice of runbooks, or a run whose parameters are changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup, number as alert_number
from bot.domain.catalogue.runbook import ApprovalRule, Runbook
from bot.domain.errors import Refused, Unclear
from bot.domain.people.person import Actor
from bot.domain.runs.approval import rule_of_run
from bot.domain.runs.run import number as run_number
from bot.interactions import Modal, Where
from bot.services.incidents import queries as incident_queries
from bot.services.runs import choices, queries as runs, request as run_request, runbooks
from bot.views import runbook as view
from bot.views.runbook import Form
from commands.runbook import arguments
from commands.runbook.arguments import Said

OPENER = "Fill in the form"


@dataclass(frozen=True)
class Carried:
    """What the form remembers: its runbook, or the run that it changes; and the alert on whose card it was opened."""

    runbook: str = ""
    run: int | None = None
    group: int | None = None


def carried(text: str) -> Carried:
    try:
        found = json.loads(text)
        group = alert_number(str(found.get("alert", "")))
        return Carried(str(found["runbook"]), run_number(str(found["run"])), group)
    except (ValueError, KeyError, TypeError):
        return Carried()


async def picker(deps: Deps, by: Actor, where: Where, chosen: str = "", reason: str = "") -> Modal:
    """Raises Unclear where there is none."""
    every = runbooks.matching(deps, "")
    if not every:
        raise Unclear("The catalogue has no runbooks yet. Your operators write them as files: docs/catalogue.md.")
    opener = (OPENER, "runbook.run", "")
    if not chosen:
        return Modal(view.form(Form(pick_from=every)), opener)
    runbook = deps.catalogue.runbook(chosen)
    trouble = await _refusal(deps, runbook, by, where)
    shown = await _form(deps, runbook, Said(runbook.id, reason=reason), where, [trouble] if trouble else [])
    return Modal(view.form(replace(shown, pick_from=every)), opener)


async def _refusal(deps: Deps, runbook: Runbook, by: Actor, where: Where) -> str:
    incident = await incident_queries.living_here(deps, where)
    try:
        await run_request.may_execute(deps, runbook, by, incident.id if incident else None)
    except Refused as problem:
        return problem.sentence
    return ""


async def of(
    deps: Deps, runbook: Runbook, said: Said, by: Actor, where: Where, alert: AlertGroup | None = None
) -> Modal:
    """Raises Refused."""
    await run_request.may_begin(deps, runbook, by, where, alert.id if alert else None)
    shown = replace(await _form(deps, runbook, said, where, []), alert=str(alert) if alert else "")
    return Modal(view.form(shown), (OPENER, "runbook.run", arguments.value(runbook.id, said.given, said.reason)))


async def _form(deps: Deps, runbook: Runbook, said: Said, where: Where, notes: list[str]) -> Form:
    rule = await rule_here(deps, runbook, where)
    return Form(
        runbook=runbook,
        given=said.given,
        choices=await _choices(deps, runbook),
        reason=said.reason,
        must_say_why=rule is not None and rule.reason,
        notes=[*notes, view.may_approve(rule, deps.catalogue.access, runbook)],
    )


async def _choices(deps: Deps, runbook: Runbook) -> dict[str, list[tuple[str, str]]]:
    offered = await choices.offered(deps, runbook)
    return {name: [(one.value, one.label) for one in found] for name, found in offered.items()}


async def rule_here(deps: Deps, runbook: Runbook, where: Where) -> ApprovalRule | None:
    incident = await incident_queries.living_here(deps, where)
    service = deps.catalogue.service_or_default(runbook.service)
    return rule_of_run(runbook, incident.severity if incident else service.default_severity)


async def needs_form(deps: Deps, runbook: Runbook, said: Said, where: Where) -> bool:
    if not arguments.is_whole(runbook, said):
        return True
    return not said.reason and await must_say_why(deps, runbook, where)


async def must_say_why(deps: Deps, runbook: Runbook, where: Where) -> bool:
    rule = await rule_here(deps, runbook, where)
    return rule is not None and rule.reason


async def change(deps: Deps, number: int, by: Actor) -> Modal:
    """Raises Conflict, Missing, Refused."""
    await runs.visible(deps, number, by)
    run, runbook = await run_request.may_change(deps, number, by)
    shown = Form(
        runbook=runbook,
        given=run.parameters,
        choices=await _choices(deps, runbook),
        changes=run.name,
        notes=["What was asked is void then, and asked again. A person who changes a run does not approve it."],
    )
    return Modal(view.form(shown), ("Change parameters", "runbook.plan", run.name))
