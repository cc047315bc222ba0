"""One run in one worker's hands: from step to step, until it rests or is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from bot.deps import Deps
from bot.domain.catalogue.runbook import ApprovalRule, Effect, Kind, OnFailure, Runbook, Step
from bot.domain.errors import Misconfigured, Problem, Unclear
from bot.domain.people.person import BOT
from bot.domain.runs.approval import UNDO, ApprovalRequest, rule_of_run, rule_of_step, rule_of_undo
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown, Waiting
from bot.domain.runs.parameters import Reference
from bot.domain.runs.plan import PlannedStep
from bot.domain.runs.run import (
    Phase,
    Run,
    Status,
    StepRun,
    StepState,
    following,
    outcome_of,
    scope,
    step_key,
    step_name,
    steps_of,
)
from bot.domain.text import duration
from bot.engine.steps import STEPS, Connections, StepContext
from bot.engine.steps.bounds import HeadAndTail
from bot.expressions import evaluate
from bot.ports import Tx
from bot.queue import audit, outbox, timers
from bot.services.runs import approvals, finish, plan_in_force, preview, step_recipients
from bot.services.runs import deliveries as run_deliveries
from bot.store.db.claim import Claim, LeaseLost
from bot.store.db.errors import DatabaseTrouble
from bot.store.runs import runs as store
from bot.telemetry import Event, get_logger

QUICK_SECONDS = 0.15  # a read that is over by then is written down with what follows
LIVE_SECONDS = 3.0  # between two looks at a step's output
GRACE_SECONDS = 10.0  # beyond a step's own time, before it is given up
MAX_OUTPUT = 1_000_000
MAX_RESULT = 200_000
DEADLINE = "run.deadline"
WAKE = "run.wake"

log = get_logger()
Then = Callable[[Tx], Awaitable[None]]


@dataclass
class Write:
    """What one run wants written: its steps, where it stands, and what follows, in one transaction with others'."""

    claim: Claim
    name: str
    rank: int
    row: dict[str, Any]
    steps: list[dict[str, Any]]
    audit: list[dict[str, Any]]
    then: list[Then]
    shows: bool
    is_over: bool = False

    @property
    def wakes(self) -> bool:
        return self.shows or bool(self.then)


@dataclass(frozen=True)
class Pause:
    """Where a run is left: ready for later, parked for a person, or over."""

    state: str  # ready | parked | over
    status: Status
    sentence: str = ""
    next_wall: float | None = None
    phase: Phase | None = None
    then: Then | None = None


class Executor:
    """Carries one claimed run. `put` commits a Write and says who has cancelled the run, if anybody."""

    def __init__(
        self,
        deps: Deps,
        run: Run,
        claim: Claim,
        runbook: Runbook,
        progress: dict[str, StepRun],
        approved: list[ApprovalRequest],
        put: Callable[[Write], Awaitable[str | None]],
    ) -> None:
        self._deps = deps
        self._run = run
        self.claim = claim
        self.lease_until = claim.until
        self._runbook = runbook
        self._progress = dict(progress)
        self._approved = approved
        self._put = put
        self._steps: list[dict[str, Any]] = []  # outcomes not yet written
        self._audit: list[dict[str, Any]] = []
        self._then: list[Then] = []
        self._cancelled_by = run.cancelled_by
        self._is_late = False
        self._is_lost = False
        self._is_stopping = False
        self._task: asyncio.Task[Outcome] | None = None
        self._written = asyncio.get_running_loop().time()
        self.is_long = False  # a step is under way for longer than a moment
        if run.started_at is None:
            now = deps.clock.now()
            self._run = replace(run, started_at=now, deadline_at=now + runbook.deadline)
            self._note("run.started", {"runbook": run.runbook, "version": run.version, "plan_hash": run.plan_hash})

    # --- from outside -------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """No further step: the process ends."""
        self._is_stopping = True

    def cancel(self, by: str) -> None:
        self._cancelled_by = by
        self._end_step()

    def deadline_passed(self) -> None:
        self._is_late = True
        self._end_step()

    def lease_lost(self) -> None:
        self._is_lost = True
        self._end_step()

    def _end_step(self) -> None:
        if self._task is not None:
            self._task.cancel()

    # --- the trip -----------------------------------------------------------------------------------------------------

    async def go(self) -> None:
        """Until it rests. Raises LeaseLost when the run has changed hands."""
        try:
            rest = await self._until_paused()
        except (LeaseLost, DatabaseTrouble, OSError):
            raise  # the database is out of reach: the lease tells the next
        except Exception as problem:
            log.error(Event.WORK_LOST, run=self._run.name, error=repr(problem), exc_info=problem)
            rest = self._after_a_bug()
        await self._write_pause(rest)

    def _after_a_bug(self) -> Pause:
        left = self._left_under_way()
        if left is not None:
            return self._unknown(*left, "Something went wrong on my side while it was under way; the log names it.")
        return self._over(Status.FAILED, "Something went wrong on my side; the log names it. I began nothing more.")

    def _left_under_way(self) -> tuple[Step, StepRun] | None:
        """A `once` step that was begun and of which no outcome is written."""
        for step in self._steps_now():
            made = self._progress.get(step.id)
            if made is not None and made.state is StepState.STARTED and step.effect is Effect.ONCE:
                return step, made
        return None

    async def _until_paused(self) -> Pause:
        if not self._progress and self._broken_plan():
            return self._over(Status.FAILED, "Its plan is not the one that was asked for. Ask for the run again.")
        while True:
            rest = self._interruption()
            if rest is not None:
                return rest
            step = following(self._steps_now(), self._progress)
            if step is None:
                return self._finished()
            rest = await self._take(step)
            if rest is not None:
                return rest
            if self._loop_time() - self._written > self._deps.config.lease_seconds / 6:
                await self._flush()  # many quick steps in a row: hold on to it, and hear who cancelled

    def _loop_time(self) -> float:
        return asyncio.get_running_loop().time()

    def _broken_plan(self) -> bool:
        """What was approved is what is done: the plan is worked out once more from what is stored."""
        if rule_of_run(self._runbook, self._run.severity) is None:
            return False
        return plan_in_force.plan(self._run, self._runbook).hash != self._run.plan_hash

    def _steps_now(self) -> list[Step]:
        return steps_of(self._runbook, self._run.phase, self._progress)

    def _interruption(self) -> Pause | None:
        is_late = self._is_late or (self._run.deadline_at and self._deps.clock.now() >= self._run.deadline_at)
        left = self._left_under_way() if self._cancelled_by or is_late else None
        if left is not None and not self._cancelled_by:
            return self._unknown(*left, "The worker was lost while it was under way.")
        if left is not None:
            self._interrupted(*left, Unknown("The worker was lost while it was under way."))
        if self._cancelled_by:
            return self._over(Status.CANCELLED, f"<@{self._cancelled_by}> cancelled it.")
        if is_late:
            return self._over(Status.FAILED, "It took longer than its deadline allows.")
        if self._is_stopping:
            return Pause("ready", Status.RUNNING)
        return None

    def _finished(self) -> Pause:
        if self._run.phase is Phase.UNDO:
            return self._over(Status.UNDONE, "What it did has been taken back.")
        failed = [one.step for one in self._progress.values() if one.state is StepState.FAILED]
        note = f"It went on after {', '.join(failed)} failed." if failed else ""
        return self._over(Status.SUCCEEDED, note)

    def _over(self, status: Status, sentence: str) -> Pause:
        return Pause("over", status, sentence)

    # --- one step -----------------------------------------------------------------------------------------------------

    async def _take(self, step: Step) -> Pause | None:
        """One step as far as it goes. None: on to the next."""
        made = self._progress.get(step.id)
        if made is not None and made.state is StepState.STARTED and step.effect is Effect.ONCE:
            return self._unknown(step, made, "The worker was lost while it was under way.")
        if made is not None and made.state in (StepState.UNKNOWN, StepState.INTERRUPTED):
            return self._unknown(step, made, made.sentence)
        if made is not None and made.state is StepState.FAILED:
            return self._over(Status.FAILED, self._named(step, made.sentence))
        try:
            if made is None and step.when is not None and not evaluate.holds(step.when, self._shown()):
                self._record(StepRun(step.id, 1, StepState.SKIPPED, self._now(), self._now(), sentence="Not needed."))
                return None
            rule = self._rule(step)
        except Unclear as problem:
            return await self._settle(step, self._attempt(step, made), Failed(problem.sentence, certain=True))
        if rule is not None:
            return rule
        return await self._begin(step, self._attempt(step, made))

    def _now(self) -> Any:
        return self._deps.clock.now()

    def _shown(self) -> dict[str, Any]:
        return plan_in_force.shown_scope(self._run, self._progress)

    def _attempt(self, step: Step, made: StepRun | None) -> StepRun:
        """The attempt to make: the first, one begun before and to be looked at again, or the next."""
        if made is None:
            return StepRun(step.id, 1, StepState.STARTED, self._now())
        return replace(made, state=StepState.STARTED)

    def _rule(self, step: Step) -> Pause | None:
        """Where it needs an approval of its own that is not there: the rest in which it waits for it."""
        wanted = self._wanted(step)
        if wanted is None:
            return None
        hash_ = plan_in_force.step_hash(self._run, step, self._progress)
        now = self._now()
        if any(one.covers == step.id and one.plan_hash == hash_ and one.still_holds(now) for one in self._approved):
            return None
        arguments = plan_in_force.step_arguments(self._run, step, self._progress)
        text = str(arguments.get("text") or "") if step.kind is Kind.APPROVAL else ""

        async def then(tx: Tx) -> None:
            run = await store.get(tx, self._run.id)
            await approvals.ask(self._deps, tx, run, step.id, wanted, plan_hash=hash_, text=text)

        return Pause("parked", Status.AWAITING, f"Step {step.id} waits for approval.", then=then)

    def _wanted(self, step: Step) -> ApprovalRule | None:
        if self._run.phase is Phase.UNDO:
            return None  # approved as a whole
        if step.kind is Kind.APPROVAL:
            return _rule_of_approval_step(step)
        source = _planned_shape(step)
        return rule_of_step(self._runbook, source, self._run.severity)

    async def _begin(self, step: Step, attempt: StepRun) -> Pause | None:
        if step.kind is Kind.APPROVAL:
            by = [one.decided_by for one in self._approved if one.covers == step.id]
            return await self._settle(step, attempt, Done({"approved_by": by}, "Approved."))
        try:
            arguments = self._arguments(step)
        except Problem as problem:
            return await self._settle(step, attempt, Failed(problem.sentence, certain=True))
        seen = planned_arguments(self._run, step, self._progress)
        attempt = replace(attempt, arguments=self._masked(_bounded(seen)))
        if step.effect is not Effect.READ:
            await self._intend(attempt)
        outcome = await self._perform(step, attempt, arguments)
        return await self._settle(step, attempt, outcome)

    def _arguments(self, step: Step) -> dict[str, Any]:
        """Rendered with every secret and result in place. Raises Problem."""
        seen = scope(self._run, self._parameters(), self._progress)
        return {name: evaluate.render_all(one, seen) for name, one in step.body.items()}

    def _parameters(self) -> dict[str, Any]:
        return {
            name: self._deps.secrets.resolve(one.source).reveal() if isinstance(one, Reference) else one
            for name, one in self._run.parameters.items()
        }

    # --- the effect ---------------------------------------------------------------------------------------------------

    async def _intend(self, attempt: StepRun) -> None:
        """Committed before the effect. Raises LeaseLost."""
        self._record(attempt)
        self._note("step.started", {"step": attempt.step, "attempt": attempt.attempt})
        await self._flush()
        if self._deps.clock.wall() >= self.lease_until:
            raise LeaseLost(f"{self._run} was held up until its lease was over")

    async def _perform(self, step: Step, attempt: StepRun, arguments: Mapping[str, Any]) -> Outcome:
        if self._cancelled_by or self._is_late:
            return Failed("It was cancelled before it began.", certain=True)
        tail = _Tail(self._deps)
        self._know_secrets()
        context = self._context(step, attempt, tail)
        self._task = asyncio.create_task(_performed(STEPS[step.kind](arguments, context)))
        until = asyncio.get_running_loop().time() + step.timeout.total_seconds() + GRACE_SECONDS
        try:
            return await self._watched(step, attempt, self._task, tail, until)
        finally:
            self.is_long = False
            if not self._task.done():
                self._task.cancel()
                await asyncio.wait({self._task})
            self._task = None

    async def _watched(
        self, step: Step, attempt: StepRun, task: asyncio.Task[Outcome], tail: _Tail, until: float
    ) -> Outcome:
        done, _ = await asyncio.wait({task}, timeout=QUICK_SECONDS)
        while not done:
            self.is_long = True
            await self._show_progress(attempt, tail)
            done, _ = await asyncio.wait({task}, timeout=LIVE_SECONDS)
            if not done and asyncio.get_running_loop().time() > until:
                return Unknown("It did not come to an end in its time and was given up.", tail.end())
        if self._is_lost:
            raise LeaseLost(f"{self._run} changed hands while step {step.id} was under way")
        if task.cancelled():
            why = "the run was cancelled" if self._cancelled_by else "the run's deadline came"
            return Unknown(f"It was interrupted: {why}.", tail.end())
        return _with_stream(task.result(), tail.end())

    async def _show_progress(self, attempt: StepRun, tail: _Tail) -> None:
        """A step that takes its time is shown, with what it says."""
        if tail.has_news or self._progress.get(attempt.step) != attempt:
            self._record(replace(attempt, output=tail.text))
            self._cancelled_by = await self._flush() or self._cancelled_by

    def _know_secrets(self) -> None:
        """So that they are hidden in whatever comes back. One that cannot be found cannot come back either."""
        for one in self._run.parameters.values():
            if isinstance(one, Reference):
                self._try(one.source)
        for connection in self._run.connections.values():
            self._try(connection["reference"])

    def _try(self, reference: str) -> None:
        try:
            self._deps.secrets.resolve(reference)
        except Misconfigured:
            return

    def _context(self, step: Step, attempt: StepRun, tail: _Tail) -> StepContext:
        deps = self._deps
        return StepContext(
            key=_key(self._run, step, attempt),
            timeout_seconds=step.timeout.total_seconds(),
            clock=deps.clock,
            connections=Connections(store.connections_of(self._run), deps.secrets.resolve),
            write=tail.write,
            masker=deps.secrets.masker,
            shell=preview.shell_rules(deps, self._runbook),
            started_at=attempt.started_at,
            recipients=step_recipients.of_run(deps, self._run, step.id),
        )

    # --- its fate -----------------------------------------------------------------------------------------------------

    async def _settle(self, step: Step, attempt: StepRun, outcome: Outcome) -> Pause | None:
        """Write down what became of it, and say whether the run goes on."""
        match outcome:
            case Waiting():
                return self._wait(step, attempt, outcome)
            case Done():
                return self._done(step, attempt, outcome)
            case Unknown() if self._cancelled_by:
                return self._interrupted(step, attempt, outcome)
            case Unknown() if step.effect is Effect.ONCE:
                made = self._ended(attempt, StepState.UNKNOWN, outcome.sentence, outcome.output)
                return self._unknown(step, made, outcome.sentence)
            case Unknown():
                return await self._failed(step, attempt, Failed(outcome.sentence, output=outcome.output))
            case Failed():
                return await self._failed(step, attempt, outcome)

    def _done(self, step: Step, attempt: StepRun, outcome: Done) -> Pause | None:
        made = self._ended(attempt, StepState.DONE, outcome.sentence, outcome.output)
        result = _bounded(outcome.result)
        try:
            saved = self._saved(step, outcome.result)  # whole: nothing goes on with half a value
        except Unclear as problem:
            # It has happened: saying that it failed would invite somebody to do it again.
            made = replace(made, result=self._masked(result), sentence=f"It was done, but {problem.sentence}")
            self._finish_step(made, step)
            return self._over(Status.FAILED, self._named(step, made.sentence))
        self._finish_step(replace(made, result=self._masked(result), saved=self._masked(saved)), step)
        if step.kind is Kind.MESSAGE:
            self._say(step, made, outcome.result)
        return None

    def _saved(self, step: Step, result: Mapping[str, Any]) -> dict[str, Any]:
        if not step.save:
            return {}
        seen = {**scope(self._run, self._parameters(), self._progress), **result}
        return {name: evaluate.evaluate(source, seen) for name, source in step.save.items()}

    def _say(self, step: Step, made: StepRun, result: Mapping[str, Any]) -> None:
        masker = self._deps.secrets.masker
        to, text = str(result["to"]), masker.mask(str(result["text"]))
        new = run_deliveries.message(self._run, step.id, made.attempt, to, text)

        async def then(tx: Tx) -> None:
            await outbox.enqueue(self._deps, tx, new)

        self._then.append(then)

    def _wait(self, step: Step, attempt: StepRun, outcome: Waiting) -> Pause:
        masked = self._deps.secrets.masker.mask(outcome.sentence)
        made = replace(attempt, state=StepState.WAITING, sentence=masked)
        self._record(made)
        if outcome.seconds is not None and "for" in step.body:
            return self._sleep(made, outcome.seconds)
        if outcome.seconds is not None:
            return Pause("ready", Status.WAITING, masked, self._wall_in(outcome.seconds), then=self._arm_deadline)
        new = run_deliveries.manual(self._run, step.id, made.attempt)

        async def then(tx: Tx) -> None:
            await outbox.enqueue(self._deps, tx, new)
            await self._arm_deadline(tx)

        return Pause("parked", Status.WAITING, masked, then=then)

    def _sleep(self, made: StepRun, seconds: float) -> Pause:
        """A wait for a time is a promise like any other: a timer ends it, also when the clock jumps."""
        due_at = self._now() + timedelta(seconds=max(seconds, 0.001))

        async def then(tx: Tx) -> None:
            key = f"{WAKE}:{self._run.id}:{made.step}:{made.attempt}:{due_at.isoformat()}"
            await timers.schedule(tx, kind=WAKE, subject=self._run.name, due_at=due_at, dedupe_key=key)
            await self._arm_deadline(tx)

        return Pause("parked", Status.WAITING, made.sentence, then=then)

    def _wall_in(self, seconds: float) -> float:
        return max(self._deps.clock.wall() + 0.02, self._deps.clock.wall_in(seconds))

    async def _arm_deadline(self, tx: Tx) -> None:
        """Nobody looks at a run that rests, so its deadline becomes a timer."""
        if self._run.deadline_at:
            key = f"{DEADLINE}:{self._run.id}"
            await timers.schedule(
                tx, kind=DEADLINE, subject=self._run.name, due_at=self._run.deadline_at, dedupe_key=key
            )

    def _interrupted(self, step: Step, attempt: StepRun, outcome: Unknown) -> Pause | None:
        is_sure = step.effect is not Effect.ONCE
        state = StepState.FAILED if is_sure else StepState.INTERRUPTED
        said = outcome.sentence if is_sure else f"{outcome.sentence} Whether it happened is not known."
        self._finish_step(self._ended(attempt, state, said, outcome.output), step)
        return None

    def _unknown(self, step: Step, made: StepRun, why: str) -> Pause:
        made = replace(made, state=StepState.UNKNOWN, sentence=why, ended_at=made.ended_at or self._now())
        self._finish_step(made, step)
        new = run_deliveries.question(self._run, step.id, made.attempt)

        async def then(tx: Tx) -> None:
            await outbox.enqueue(self._deps, tx, new)

        return Pause("parked", Status.UNKNOWN, f"Whether step {step.id} happened is not known.", then=then)

    async def _failed(self, step: Step, attempt: StepRun, outcome: Failed) -> Pause | None:
        made = self._ended(attempt, StepState.FAILED, outcome.sentence, outcome.output)
        made = replace(made, result=self._masked(_bounded(outcome.result)))
        self._finish_step(made, step)
        may_retry = made.attempt <= step.retries.max and (step.effect is not Effect.ONCE or outcome.certain)
        if self._cancelled_by or self._is_late:
            return None
        if may_retry:
            return self._retry(step, made)
        if step.on_failure is OnFailure.CONTINUE:
            return None
        if step.on_failure is OnFailure.UNDO and self._run.phase is Phase.DO:
            return self._take_back(step, made)
        return self._over(Status.FAILED, self._named(step, made.sentence))

    def _retry(self, step: Step, made: StepRun) -> Pause:
        again = StepRun(step.id, made.attempt + 1, StepState.READY, self._now(), sentence="It is tried again.")
        self._record(again)
        seconds = step.retries.backoff.total_seconds()
        return Pause("ready", Status.WAITING, self._named(step, made.sentence), self._wall_in(seconds))

    def _take_back(self, step: Step, made: StepRun) -> Pause | None:
        """`on_failure: undo`: the plan of taking back is asked for, where it needs approval."""
        back = plan_in_force.undo_steps(self._run, self._runbook, self._progress)
        if not back:
            return self._over(Status.FAILED, self._named(step, made.sentence))
        wanted = rule_of_undo(self._runbook, back, self._run.severity)
        if wanted is None:
            self._run = replace(self._run, phase=Phase.UNDO)
            return None
        hash_ = plan_in_force.undo_hash(self._run, back)

        async def then(tx: Tx) -> None:
            run = await store.get(tx, self._run.id)
            await approvals.ask(self._deps, tx, run, UNDO, wanted, plan_hash=hash_, text="")

        said = f"{self._named(step, made.sentence)} Taking back waits for approval."
        return Pause("parked", Status.AWAITING, said, phase=Phase.UNDO, then=then)

    def _named(self, step: Step, sentence: str) -> str:
        return f"Step {step.id} failed: {sentence}"

    def _ended(self, attempt: StepRun, state: StepState, sentence: str, output: str) -> StepRun:
        masker = self._deps.secrets.masker
        return replace(
            attempt,
            state=state,
            ended_at=self._now(),
            sentence=masker.mask(sentence)[:1_000],
            output=masker.mask(output)[:MAX_OUTPUT],
        )

    def _finish_step(self, made: StepRun, step: Step) -> None:
        self._record(made)
        detail = {"step": made.step, "attempt": made.attempt, "effect": step.effect.value}
        self._note(f"step.{made.state.value}", detail | ({"why": made.sentence[:300]} if made.sentence else {}))

    def _masked(self, value: Any) -> Any:
        return self._deps.secrets.masker.mask_all(value)

    # --- writing ------------------------------------------------------------------------------------------------------

    def _record(self, made: StepRun) -> None:
        self._progress[made.step] = made
        self._steps.append(store.step_row(self._run.id, made))

    def _note(self, action: str, detail: dict[str, Any]) -> None:
        self._audit.append(audit.row(self._deps.clock, BOT, action, self._run.name, detail))

    async def _flush(self) -> str | None:
        """What has gathered, and that it goes on. Raises LeaseLost."""
        until = self._deps.clock.wall() + self._deps.config.lease_seconds
        row = self._row("running", Status.RUNNING, "", self.claim.owner, until, None)
        found = await self._put(self._write(row))
        self.lease_until = until
        self._written = self._loop_time()
        self._cancelled_by = found or self._cancelled_by
        return found

    async def _write_pause(self, rest: Pause) -> None:
        """The last write of this turn: where it rests. Somebody who cancelled meanwhile is heard first."""
        run = replace(self._run, phase=rest.phase or self._run.phase)
        if rest.state == "over" and run.phase is Phase.UNDO and rest.status is Status.CANCELLED:
            rest = replace(rest, status=outcome_of(run, self._progress))
        ended_at = self._now() if rest.state == "over" else None
        self._run = replace(run, ended_at=ended_at, status=rest.status, sentence=rest.sentence)
        if rest.then:
            self._then.append(rest.then)
        if rest.state == "over":
            self._end(rest)
        next_at = rest.next_wall or self._deps.clock.wall()
        row = self._row(rest.state, rest.status, rest.sentence, None, None, next_at)
        cancelled = await self._put(self._write(row, is_over=rest.state == "over"))
        if cancelled and rest.state == "parked":
            await _cancel_parked(self._deps, self._run.id, cancelled)

    def _end(self, rest: Pause) -> None:
        self._note(f"run.{rest.status.value}", {"sentence": rest.sentence[:500]})
        run = self._run

        async def then(tx: Tx) -> None:
            await finish.follow(self._deps, tx, run, had_slot=bool(run.slot_key))

        self._then.append(then)

    def _row(
        self, state: str, status: Status, sentence: str, owner: str | None, until: float | None, next_at: float | None
    ) -> dict[str, Any]:
        run = self._run
        return {
            "run_id": run.id,
            "state_": state,
            "status_": status.value,
            "phase_": run.phase.value,
            "sentence_": sentence[:1_000],
            "owner_": owner,
            "lease_until_": until,
            "next_at_": next_at if next_at is not None else self._deps.clock.wall(),
            "started_at_": run.started_at,
            "deadline_at_": run.deadline_at,
            "ended_at_": run.ended_at,
            "has_slot_": bool(run.slot_key) and state != "over",
        }

    def _write(self, row: dict[str, Any], *, is_over: bool = False) -> Write:
        steps = list({(one["step"], one["attempt"]): one for one in self._steps}.values())
        write = Write(
            claim=self.claim,
            name=self._run.name,
            rank=self._run.rank,
            row=row,
            steps=steps,
            audit=self._audit,
            then=self._then,
            shows=True,
            is_over=is_over,
        )
        self._steps, self._audit, self._then = [], [], []
        return write


def _key(run: Run, step: Step, attempt: StepRun) -> str:
    """Nobody is woken or written to twice for one step, however often it is tried."""
    if step.kind in (Kind.EMAIL, Kind.PAGE):
        return step_name(run, step.id)
    return step_key(run, step.id, attempt.attempt)


async def _cancel_parked(deps: Deps, run_id: int, by: str) -> None:
    """It was cancelled at the very moment in which it came to rest."""
    async with deps.database.transaction() as tx:
        run = await store.lock(tx, run_id)
        if run.state == "parked" and not run.is_over:
            await finish.end(deps, tx, run, Status.CANCELLED, f"<@{by}> cancelled it.", by=by)


def planned_arguments(run: Run, step: Step, progress: Mapping[str, StepRun]) -> Mapping[str, Any]:
    """What people may see of its arguments: secrets as references. What cannot be worked out stays as written."""
    try:
        return plan_in_force.step_arguments(run, step, progress)
    except Unclear:
        return step.body


def _rule_of_approval_step(step: Step) -> ApprovalRule:
    body = step.body
    valid = body.get("expires")
    lasting = valid if isinstance(valid, timedelta) else ApprovalRule().expires
    if isinstance(valid, str):
        lasting = duration.parse(valid)
    return ApprovalRule(tuple(body.get("who") or ()), int(body.get("quorum") or 1), lasting)


def _planned_shape(step: Step) -> PlannedStep:
    late = bool(evaluate.needs(step.body))
    return PlannedStep(step.id, 0, step.kind, step.effect, "", "", {}, approval=step.approval, is_late=late)


def _bounded(value: Any) -> Any:
    """A result as it is kept: plain, and not larger than what later steps can sensibly want."""
    left = [MAX_RESULT]  # every name of a result stays: an expression may ask for it
    return {name: _cut(one, left) for name, one in evaluate.plain(value).items()}


def _cut(value: Any, left: list[int]) -> Any:
    match value:
        case str():
            kept = value[: max(0, left[0])]
            left[0] -= len(kept)
            return kept
        case dict():
            return {name: _cut(one, left) for name, one in value.items() if left[0] > 0}
        case list():
            return [_cut(one, left) for one in value if left[0] > 0]
    left[0] -= 8
    return value


async def _performed(work: Awaitable[Outcome]) -> Outcome:
    """A step that raises what it should not may have done something before: nobody knows."""
    try:
        return await work
    except Exception as problem:
        log.error(Event.WORK_LOST, error=repr(problem), exc_info=problem)
        return Unknown("It broke off on my side; the log names the reason.")


def _with_stream(outcome: Outcome, streamed: str) -> Outcome:
    """The longer of what it says at the end and what it said as it went."""
    if isinstance(outcome, Waiting) or len(streamed) <= len(outcome.output):
        return outcome
    return replace(outcome, output=streamed)


class _Tail:
    """What a step says as it goes, masked and bounded: its beginning and its end."""

    def __init__(self, deps: Deps) -> None:
        self._stream = deps.secrets.masker.stream()
        self._kept = HeadAndTail(MAX_OUTPUT - 100)  # room for the line that says what is left out
        self.has_news = False

    def write(self, text: str) -> None:
        self._add(self._stream.feed(text))

    def _add(self, text: str) -> None:
        if text:
            self._kept.add(text.encode())
            self.has_news = True

    @property
    def text(self) -> str:
        self.has_news = False
        return self._kept.text()

    def end(self) -> str:
        self._add(self._stream.end())
        return self.text
