"""The plan in force of a run, from what is stored of it: what an approval is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.domain.catalogue.runbook import Runbook, Step
from bot.domain.runs.plan import Plan, PlannedStep, digest
from bot.domain.runs.run import Progress, Run, scope, undos
from bot.engine import planning


def plan(run: Run, runbook: Runbook) -> Plan:
    return planning.make(runbook, run.parameters, run.subject, run.connections)


def shown_scope(run: Run, progress: Progress) -> dict[str, Any]:
    """Secrets as references: for plans and questions."""
    return scope(run, planning.shown_parameters(run.parameters), progress)


def step_arguments(run: Run, step: Step, progress: Progress) -> Mapping[str, Any]:
    """Raises Unclear."""
    seen = shown_scope(run, progress)
    return {name: planning.rendered(one, seen) for name, one in step.body.items()}


def step_hash(run: Run, step: Step, arguments: Mapping[str, Any]) -> str:
    return digest({"plan": run.plan_hash, "step": step.id, "arguments": arguments})


def undo_steps(run: Run, runbook: Runbook, progress: Progress) -> list[PlannedStep]:
    seen, problems = shown_scope(run, progress), dict[str, str]()
    return [
        planning.planned(step, number, seen, run.connections, problems)
        for number, step in enumerate(undos(runbook, progress), start=1)
    ]


def undo_hash(run: Run, steps: list[PlannedStep]) -> str:
    return digest({"plan": run.plan_hash, "undo": [{"id": one.id, "arguments": one.arguments} for one in steps]})
