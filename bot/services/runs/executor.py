"""One claimed run in one worker's hands: the machine decides, this does it and has it written, until the run rests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from bot.deps import Deps
from bot.domain.catalogue.runbook import Effect, Kind, Runbook, Step
from bot.domain.runs.approval import ApprovalRequest
from bot.domain.runs.outcome import Done, Failed, Outcome
from bot.domain.runs.run import Run, Status, StepRun, step_key, step_name
from bot.engine import machine
from bot.engine.machine import Move, Pause, Perform, Situation
from bot.engine.performing import Performance
from bot.engine.steps import STEPS, Connections, StepContext
from bot.services.runs import deliveries, finish, preview, redaction, step_recipients
from bot.services.runs.writer import Put, Writer
from bot.store.db.claim import Claim, LeaseLost
from bot.store.db.errors import DatabaseTrouble
from bot.store.runs import runs as store
from bot.telemetry import Event, get_logger

log = get_logger()


class Executor:
    """Raises LeaseLost from `go` when the run has changed hands."""

    def __init__(
        self,
        deps: Deps,
        run: Run,
        claim: Claim,
        runbook: Runbook,
        progress: Mapping[str, StepRun],
        approved: list[ApprovalRequest],
        put: Put,
    ) -> None:
        self._deps = deps
        self._runbook = runbook
        self._progress = dict(progress)
        self._approved = approved
        self._writer = Writer(deps, run, claim, put)
        self._cancelled_by = run.cancelled_by
        self._is_late = False
        self._is_lost = False
        self._is_stopping = False
        self._under_way: Performance | None = None
        if run.started_at is None:
            now = deps.clock.now()
            self._writer.run = replace(run, started_at=now, deadline_at=now + runbook.deadline)
            self._writer.note(
                "run.started", {"runbook": run.runbook, "version": run.version, "plan_hash": run.plan_hash}
            )

    # --- from outside -------------------------------------------------------------------------------------------------

    @property
    def claim(self) -> Claim:
        return self._writer.claim

    @property
    def is_long(self) -> bool:
        return self._under_way is not None and self._under_way.is_long

    def renewed(self, lease_until: float) -> None:
        self._writer.lease_until = lease_until

    def stop(self) -> None:
        self._is_stopping = True

    def cancel(self, by: str) -> None:
        self._cancelled_by = by
        self._end_step("the run was cancelled")

    def deadline_passed(self) -> None:
        self._is_late = True
        self._end_step("the run's deadline came")

    def lease_lost(self) -> None:
        self._is_lost = True
        self._end_step("the run changed hands")

    def _end_step(self, why: str) -> None:
        if self._under_way is not None:
            self._under_way.stop(why)

    # --- the trip -----------------------------------------------------------------------------------------------------

    async def go(self) -> None:
        try:
            move = await self._until_paused()
        except (LeaseLost, DatabaseTrouble, OSError):
            raise  # the database is out of reach: the lease tells the next
        except Exception as problem:
            log.error(Event.WORK_LOST, run=self._writer.run.name, error=repr(problem), exc_info=problem)
            move = self._made(machine.after_a_bug(self._situation()))
        if isinstance(move.then, Pause):
            await self._leave(move.then)

    async def _until_paused(self) -> Move:
        while True:
            move = self._made(machine.next_move(self._situation()))
            if isinstance(move.then, Perform):
                move = await self._perform(move.then)
            if isinstance(move.then, Pause):
                return move
            if asyncio.get_running_loop().time() - self._writer.written > self._deps.config.lease_seconds / 6:
                await self._flush()  # many quick steps in a row: hold on to it, and hear who cancelled

    def _situation(self) -> Situation:
        return Situation(
            runbook=self._runbook,
            run=self._writer.run,
            progress=self._progress,
            approved=self._approved,
            now=self._deps.clock.now(),
            masker=self._deps.secrets.masker,
            values=lambda: redaction.revealed(self._deps, self._writer.run.parameters),
            cancelled_by=self._cancelled_by,
            is_late=self._is_late,
            is_stopping=self._is_stopping,
        )

    def _made(self, move: Move) -> Move:
        if move.phase:
            self._writer.run = replace(self._writer.run, phase=move.phase)
        for step, made in move.made:
            self._progress[made.step] = made
            self._writer.ended(step, made)
        return move

    async def _flush(self) -> None:
        self._cancelled_by = await self._writer.flush() or self._cancelled_by

    async def _leave(self, pause: Pause) -> None:
        """Somebody who cancelled the run in the very moment in which it came to rest is heard."""
        by = await self._writer.leave(pause)
        if not by or pause.state != "parked":
            return
        async with self._deps.database.transaction() as tx:
            run = await store.lock(tx, self._writer.run.id)
            if run.state == "parked" and not run.is_over:
                await finish.end(self._deps, tx, run, Status.CANCELLED, f"<@{by}> cancelled it.", by=by)

    # --- one step -----------------------------------------------------------------------------------------------------

    async def _perform(self, perform: Perform) -> Move:
        step, attempt = perform.step, perform.attempt
        if step.effect is not Effect.READ:
            await self._intend(attempt)
        outcome = await self._outcome(perform)
        move = self._made(machine.after(self._situation(), step, attempt, outcome))
        if step.kind is Kind.MESSAGE and isinstance(outcome, Done) and move.then is None:
            to, text = str(outcome.result["to"]), self._deps.secrets.masker.mask(str(outcome.result["text"]))
            self._writer.tell(deliveries.message(self._writer.run, step.id, attempt.attempt, to, text))
        return move

    async def _intend(self, attempt: StepRun) -> None:
        """Committed before the effect."""
        self._begun(attempt)
        self._writer.note("step.started", {"step": attempt.step, "attempt": attempt.attempt})
        await self._flush()
        if self._deps.clock.wall() >= self._writer.lease_until:
            raise LeaseLost(f"{self._writer.run} was held up until its lease was over")

    def _begun(self, attempt: StepRun) -> None:
        self._progress[attempt.step] = attempt
        self._writer.record(attempt)

    async def _outcome(self, perform: Perform) -> Outcome:
        if self._cancelled_by or self._is_late:
            return Failed("It was cancelled before it began.", certain=True)
        redaction.know(self._deps, self._writer.run)
        step, attempt = perform.step, perform.attempt
        deps = self._deps
        performance = self._under_way = Performance(deps.secrets.masker, deps.config.edit_interval_seconds)

        async def show() -> None:
            if performance.has_news or self._progress.get(attempt.step) != attempt:
                self._begun(replace(attempt, output=performance.output()))
                await self._flush()

        work = STEPS[step.kind](perform.arguments, self._context(step, attempt, performance))
        try:
            outcome = await performance.outcome(work, step.timeout.total_seconds(), show)
        finally:
            self._under_way = None
        if self._is_lost:
            raise LeaseLost(f"{self._writer.run} changed hands while step {step.id} was under way")
        return outcome

    def _context(self, step: Step, attempt: StepRun, performance: Performance) -> StepContext:
        deps, run = self._deps, self._writer.run
        return StepContext(
            key=_key(run, step, attempt),
            timeout_seconds=step.timeout.total_seconds(),
            clock=deps.clock,
            connections=Connections(run.connections, deps.secrets.resolve),
            write=performance.write,
            masker=deps.secrets.masker,
            shell=preview.shell_rules(deps, self._runbook),
            started_at=attempt.started_at,
            recipients=step_recipients.of_run(deps, run, step.id),
        )


def _key(run: Run, step: Step, attempt: StepRun) -> str:
    """Nobody is woken or written to twice for one step, however often it is tried."""
    if step.kind.rules.reaches:
        return step_name(run, step.id)
    return step_key(run, step.id, attempt.attempt)
