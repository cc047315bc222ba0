"""What the plan may really look at: the reads that are marked so, done once, with nothing changed and nothing kept;
and whom its e-mails and pages would reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.deps import Deps
from bot.domain.catalogue.runbook import Effect, Kind, Runbook, Step
from bot.domain.errors import Problem
from bot.domain.incidents.incident import Incident
from bot.domain.people.recipients import Recipients
from bot.domain.runs.outcome import Done
from bot.domain.runs.plan import NO, YES, Plan, PlannedStep
from bot.engine.steps import STEPS, Connections, ShellRules, StepContext
from bot.expressions import evaluate
from bot.services.runs import redaction, step_recipients
from bot.store.people import people as people_store

MOST_SECONDS = 5.0
SHOWN = 600


async def looks(deps: Deps, runbook: Runbook, plan: Plan, incident: Incident | None = None) -> dict[str, str]:
    """By step id, masked and short."""
    planned = {one.id: one for one in plan.steps}
    steps = [
        step
        for step in runbook.steps
        if step.in_plan and step.effect is Effect.READ and planned[step.id].runs == YES and not planned[step.id].is_late
    ]
    found = await asyncio.gather(*(_look(deps, runbook, plan, step) for step in steps))
    seen = {step.id: said for step, said in zip(steps, found, strict=True)}
    reaching = [step for step in plan.steps if step.kind.rules.reaches and step.runs != NO]
    told = await asyncio.gather(*(_reach(deps, runbook, step, incident) for step in reaching))
    seen |= {step.id: said for step, said in zip(reaching, told, strict=True) if said}
    return {step: deps.secrets.masker.mask(said)[:SHOWN] for step, said in seen.items()}


async def _reach(deps: Deps, runbook: Runbook, step: PlannedStep, incident: Incident | None) -> str:
    look = step_recipients.of_plan(deps, runbook.service, incident).look
    try:
        async with asyncio.timeout(MOST_SECONDS):
            meant = (await look(str(step.arguments["to"]), step.arguments.get("contact"))).reach
        async with deps.database.reading() as tx:
            names = {
                one.id: one.name for one in await people_store.find_all(tx, [*dict(meant.people), *meant.unreachable])
            }
    except (Problem, TimeoutError):
        return ""
    return _whom(meant, names, step.kind)


def _whom(meant: Recipients, names: Mapping[str, str], kind: Kind) -> str:
    said = [f"PagerDuty {meant.pagerduty_service}"] if kind is Kind.PAGE and meant.pagerduty_service else []
    said += [*meant.written, *(f"{names.get(one, one)} ({address})" for one, address in meant.people)]
    missed = [f"{names.get(one, one)} has no address" for one in meant.unreachable]
    return f"It would reach {', '.join(said) or 'nobody'}.{''.join(f' {one}.' for one in missed)}"


async def _look(deps: Deps, runbook: Runbook, plan: Plan, step: Step) -> str:
    try:
        outcome = await STEPS[step.kind](_arguments(deps, plan, step), _context(deps, runbook, step))
    except Problem as problem:
        return problem.sentence
    return outcome.sentence if not isinstance(outcome, Done) else outcome.output or "Done."


def _arguments(deps: Deps, plan: Plan, step: Step) -> Mapping[str, Any]:
    scope = {"params": redaction.revealed(deps, plan.parameters), "run": {"id": "RUN-n"}, **plan.subject}
    return {name: evaluate.render_all(one, scope) for name, one in step.body.items()}


def _context(deps: Deps, runbook: Runbook, step: Step) -> StepContext:
    return StepContext(
        key=f"tocsin-plan-{runbook.id}-{step.id}",
        timeout_seconds=min(MOST_SECONDS, step.timeout.total_seconds()),
        clock=deps.clock,
        connections=Connections(deps.catalogue.connections, deps.secrets.resolve),
        shell=shell_rules(deps, runbook),
        masker=deps.secrets.masker,
    )


def shell_rules(deps: Deps, runbook: Runbook) -> ShellRules:
    folder = Path(runbook.folder) if runbook.folder else None
    allowed = folder is not None and folder.resolve() in [one.resolve() for one in deps.config.shell_folders]
    return ShellRules(folder if allowed else None, deps.secrets.environment)
