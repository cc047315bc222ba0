"""A runbook walked step by step as a run does it, with nothing but the steps themselves: no worker, no database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.domain.catalogue.runbook import Kind, OnFailure, Runbook, Step
from bot.domain.runs.outcome import Done, Outcome, Waiting
from bot.domain.runs.parameters import read
from bot.engine.steps import STEPS, StepContext
from bot.expressions import evaluate

PATIENCE_SECONDS = 30.0  # other processes take their own time; the clock of promises does not move meanwhile


class Walk:
    """`given`: parameters. `hands`: step id -> what a person does in that manual step, with the text they read."""

    def __init__(
        self,
        runbook: Runbook,
        context: StepContext,
        given: Mapping[str, Any] | None = None,
        hands: Mapping[str, Callable[[str], None]] | None = None,
    ) -> None:
        self._runbook = runbook
        self._context = context
        self._hands = hands or {}
        self._scope: dict[str, Any] = {"params": read(runbook, given or {}), "steps": {}, "run": {"id": "RUN-1"}}
        self.outcomes: dict[str, Outcome] = {}

    def set(self, name: str, value: Any) -> None:
        """A parameter beyond its bounds, so that a test need not wait for what an operator would."""
        self._scope["params"][name] = value

    @property
    def done(self) -> list[str]:
        """The steps that were performed and not left out, in their order."""
        return list(self.outcomes)

    def seen(self, step_id: str) -> dict[str, Any]:
        """What later steps see of this one."""
        found: dict[str, Any] = self._scope["steps"][step_id]
        return found

    async def go(self, *, after: str | None = None) -> Outcome:
        """Every step, or those after one, until the end or until one fails and nothing is to be done about it."""
        ids = [step.id for step in self._runbook.steps]
        for step in self._runbook.steps[ids.index(after) + 1 if after else 0 :]:
            outcome = await self.step(step.id)
            if outcome is not None and not isinstance(outcome, Done) and step.on_failure is not OnFailure.CONTINUE:
                return await self._give_up(step, outcome)
        return Done()

    async def step(self, step_id: str) -> Outcome | None:
        """One step, to its end. None: its condition does not hold."""
        step = self._runbook.step(step_id)
        assert step is not None
        if step.when is not None and not evaluate.holds(step.when, self._scope):
            self._scope["steps"][step.id] = {"ok": False}
            return None
        outcome = await self._perform(step)
        self.outcomes[step.id] = outcome
        self._keep(step, outcome)
        return outcome

    async def look(self, step_id: str, *, since: datetime) -> Outcome:
        """One look of a wait that began then."""
        step = self._runbook.step(step_id)
        assert step is not None
        return await STEPS[step.kind](self.arguments(step), replace(self._context, started_at=since))

    def arguments(self, step: Step) -> dict[str, Any]:
        rendered: dict[str, Any] = evaluate.render_all(step.body, self._scope)
        return rendered

    async def _give_up(self, step: Step, outcome: Outcome) -> Outcome:
        """What was begun is taken back, last first, where the step says so."""
        if step.on_failure is OnFailure.UNDO:
            for one in reversed(self._runbook.steps):
                if one.undo is not None and one.id in self.outcomes:
                    self.outcomes[one.undo.id] = await self._perform(one.undo)
        return outcome

    async def _perform(self, step: Step) -> Outcome:
        context = replace(self._context, key=f"RUN-1-{step.id}-1", timeout_seconds=step.timeout.total_seconds())
        outcome = await STEPS[step.kind](self.arguments(step), context)
        return await self._by_hand(step, outcome) if step.kind is Kind.MANUAL else await self._over(step, outcome)

    async def _by_hand(self, step: Step, outcome: Outcome) -> Outcome:
        assert isinstance(outcome, Waiting)
        await asyncio.to_thread(self._hands[step.id], outcome.sentence)
        return Done({"evidence": "done by hand"})

    async def _over(self, step: Step, outcome: Outcome) -> Outcome:
        """A wait looks again and again. It is given the time that the world outside needs, and its clock none."""
        context = replace(self._context, key=f"RUN-1-{step.id}-1", started_at=self._context.clock.now())
        deadline = time.monotonic() + PATIENCE_SECONDS
        while isinstance(outcome, Waiting) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            outcome = await STEPS[step.kind](self.arguments(step), context)
        return outcome

    def _keep(self, step: Step, outcome: Outcome) -> None:
        if not isinstance(outcome, Done):
            self._scope["steps"][step.id] = {"ok": False}
            return
        result = dict(outcome.result)
        seen = {**self._scope, **result}
        saved = {name: evaluate.evaluate(text, seen) for name, text in step.save.items()}
        self._scope["steps"][step.id] = {**result, "ok": result.get("ok") is not False, **saved}
