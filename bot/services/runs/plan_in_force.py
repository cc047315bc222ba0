"""The plan in force of a run, worked out anew from what is stored: what an approval is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.domain.catalogue.runbook import Runbook, Step
from bot.domain.errors import Unclear
from bot.domain.runs.approval import UNDO, WHOLE_RUN, ApprovalRequest
from bot.domain.runs.plan import Plan, PlannedStep, digest
from bot.domain.runs.run import Progress, Run, undos
from bot.engine import planning
from bot.ports import Tx
from bot.store.runs import runs as store


async def hash_in_force(tx: Tx, run: Run, asked: ApprovalRequest) -> str:
    """The hash of what would be done if this question were approved now."""
    runbook = await store.version(tx, run.version)
    if asked.covers == WHOLE_RUN:
        return plan(run, runbook).hash
    progress = await store.progress(tx, run.id)
    if asked.covers == UNDO:
        return undo_hash(run, undo_steps(run, runbook, progress))
    step = runbook.step(asked.covers)
    return step_hash(run, step, progress) if step else ""


def plan(run: Run, runbook: Runbook) -> Plan:
    return planning.make(runbook, run.parameters, run.subject, store.connections_of(run))


def shown_scope(run: Run, progress: Progress) -> dict[str, Any]:
    """What expressions see, with secrets as references: for plans and questions."""
    steps = {name: {**made.result, "ok": made.ok, **made.saved} for name, made in progress.items() if "." not in name}
    shown = planning.shown_parameters(run.parameters)
    return {"params": shown, "steps": steps, "run": {"id": run.name}, **run.subject}


def step_arguments(run: Run, step: Step, progress: Progress) -> Mapping[str, Any]:
    """One step's arguments with every result in place. Raises Unclear."""
    scope = shown_scope(run, progress)
    return {name: planning.rendered(one, scope) for name, one in step.body.items()}


def step_hash(run: Run, step: Step, progress: Progress) -> str:
    """Of a step with a gate of its own: the plan it belongs to, and what it would do now."""
    try:
        arguments = step_arguments(run, step, progress)
    except Unclear as problem:
        return f"cannot be worked out: {problem.sentence}"[:64]
    return digest({"plan": run.plan_hash, "step": step.id, "arguments": arguments})


def undo_steps(run: Run, runbook: Runbook, progress: Progress) -> list[PlannedStep]:
    """What taking back would do, in order."""
    scope, connections = shown_scope(run, progress), store.connections_of(run)
    problems: dict[str, str] = {}
    return [
        planning.undo_plan(step, number, scope, connections, problems)
        for number, step in enumerate(undos(runbook, progress), start=1)
    ]


def undo_hash(run: Run, steps: list[PlannedStep]) -> str:
    return digest({"plan": run.plan_hash, "undo": [{"id": one.id, "arguments": one.arguments} for one in steps]})
