"""One run from move to move: what comes next, and what an outcome means. Pure: it awaits, reads and writes nothing.

A `Situation` is all that a run's next move depends on; a `Move` is what to write down, and what to do then.
`services.runs.executor` makes the moves happen; `engine.testing.simulate` walks them with scripted outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from bot.domain.catalogue.runbook import ApprovalRule, Effect, Kind, OnFailure, Runbook, Step
from bot.domain.errors import Problem, Unclear
from bot.domain.runs.approval import UNDO, ApprovalRequest, rule_of_run, rule_of_step, rule_of_undo
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown, Waiting
from bot.domain.runs.run import (
    Phase,
    Progress,
    Run,
    Status,
    StepRun,
    StepState,
    following,
    outcome_of,
    scope,
    steps_of,
)
from bot.domain.text.masking import Masker
from bot.engine import plan_in_force
from bot.engine.steps import bounds
from bot.expressions import evaluate

_LOST = "The worker was lost while it was under way."
_OTHER_PLAN = "Its plan is not the one that was asked for. Ask for the run again."


@dataclass(frozen=True)
class Situation:
    """`values`: the run's parameters with every secret in place; raises Problem where one is not to be found."""

    runbook: Runbook
    run: Run
    progress: Progress
    approved: Sequence[ApprovalRequest]
    now: datetime
    masker: Masker
    values: Callable[[], Mapping[str, Any]]
    cancelled_by: str | None = None
    is_late: bool = False  # a step was ended because the run's deadline came
    is_stopping: bool = False  # the process ends: nothing begins

    @property
    def steps(self) -> list[Step]:
        return steps_of(self.runbook, self.run.phase, self.progress)

    def scope(self) -> dict[str, Any]:
        """Raises Problem."""
        return scope(self.run, self.values(), self.progress)


# --- moves ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Perform:
    """`arguments` hold secrets, for the step alone; `attempt.arguments` are what people may see."""

    step: Step
    attempt: StepRun
    arguments: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pause:
    """The run is left: `ready` for later, `parked` for a person or a timer, or `over`."""

    state: ClassVar[str] = "parked"
    status: Status = Status.WAITING
    sentence: str = ""


@dataclass(frozen=True, kw_only=True)
class Later(Pause):
    """It goes on in so many seconds: another look, or another attempt."""

    state: ClassVar[str] = "ready"
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Sleep(Pause):
    """A timer wakes it in so many seconds, also when the clock jumps."""

    made: StepRun
    seconds: float


@dataclass(frozen=True, kw_only=True)
class AskToDo(Pause):
    """A person does the step and ticks it."""

    made: StepRun


@dataclass(frozen=True, kw_only=True)
class AskWhether(Pause):
    """A person says whether the step happened."""

    status: Status = Status.UNKNOWN
    made: StepRun


@dataclass(frozen=True, kw_only=True)
class AskApproval(Pause):
    """`covers`: a step's id, or UNDO. `text` is what an approval step wants to be read."""

    status: Status = Status.AWAITING
    covers: str
    rule: ApprovalRule
    plan_hash: str
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Finish(Pause):
    state: ClassVar[str] = "over"


@dataclass(frozen=True)
class Move:
    """`made`: attempts to write down, in order. `then` None: on to the next move. `phase`: from now on."""

    made: tuple[tuple[Step, StepRun], ...] = ()
    then: Perform | Pause | None = None
    phase: Phase | None = None


# --- what comes next --------------------------------------------------------------------------------------------------


def next_move(s: Situation) -> Move:
    if not _is_as_asked(s):
        return _over(Status.FAILED, _OTHER_PLAN)
    if left := _left_under_way(s):
        return _interrupted(s, *left, Unknown(_LOST)) if s.cancelled_by else _unknown(s, *left, _LOST)
    if s.cancelled_by:
        status = outcome_of(s.run, s.progress) if s.run.phase is Phase.UNDO else Status.CANCELLED
        return _over(status, f"<@{s.cancelled_by}> cancelled it.")
    if s.is_late or (s.run.deadline_at and s.now >= s.run.deadline_at):
        return _over(Status.FAILED, "It took longer than its deadline allows.")
    if s.is_stopping:
        return Move(then=Later(status=Status.RUNNING))
    step = following(s.steps, s.progress)
    return _take(s, step) if step else _all_done(s)


def _is_as_asked(s: Situation) -> bool:
    """Before the run begins, the plan is worked out once more from what is stored."""
    if not s.progress:
        asks = rule_of_run(s.runbook, s.run.severity) is not None
        return not asks or plan_in_force.plan(s.run, s.runbook).hash == s.run.plan_hash
    if s.run.phase is Phase.DO or any(step.id in s.progress for step in s.steps):
        return True
    back = plan_in_force.undo_steps(s.run, s.runbook, s.progress)
    if rule_of_undo(s.runbook, back, s.run.severity) is None:
        return True
    hash_ = plan_in_force.undo_hash(s.run, back)
    return any(one.covers == UNDO and one.plan_hash == hash_ for one in s.approved)


def _left_under_way(s: Situation) -> tuple[Step, StepRun] | None:
    for step in s.steps:
        made = s.progress.get(step.id)
        if made and made.state is StepState.STARTED and step.effect is Effect.ONCE:
            return step, made
    return None


def _all_done(s: Situation) -> Move:
    if s.run.phase is Phase.UNDO:
        return _over(Status.UNDONE, "What it did has been taken back.")
    failed = [one.step for one in s.progress.values() if one.state is StepState.FAILED]
    return _over(Status.SUCCEEDED, f"It went on after {', '.join(failed)} failed." if failed else "")


def _take(s: Situation, step: Step) -> Move:
    made = s.progress.get(step.id)
    if made and made.state in (StepState.UNKNOWN, StepState.INTERRUPTED):
        return _unknown(s, step, made, made.sentence)
    if made and made.state is StepState.FAILED:
        return Move(then=_finish(made))
    attempt = replace(made, state=StepState.STARTED) if made else StepRun(step.id, 1, StepState.STARTED, s.now)
    has_begun = made is not None and made.state is not StepState.READY
    try:
        if not has_begun and step.when is not None and not evaluate.holds(step.when, _shown(s)):
            return _made(step, replace(attempt, state=StepState.SKIPPED, ended_at=s.now, sentence="Not needed."))
        if question := _own_question(s, step):
            return Move(then=question)
        if step.kind is Kind.APPROVAL:
            by = [one.decided_by for one in s.approved if one.covers == step.id and one.decided_by]
            return after(s, step, attempt, Done({"approved_by": by}, sentence="Approved."))
        return Move(then=_performance(s, step, attempt))
    except Problem as problem:
        return after(s, step, attempt, Failed(problem.sentence, certain=True))


def _performance(s: Situation, step: Step, attempt: StepRun) -> Perform:
    """Raises Problem."""
    seen = s.scope()
    arguments = {name: evaluate.render_all(one, seen) for name, one in step.body.items()}
    return Perform(step, replace(attempt, arguments=_kept(s, _shown_arguments(s, step))), arguments)


def _shown(s: Situation) -> dict[str, Any]:
    return plan_in_force.shown_scope(s.run, s.progress)


def _shown_arguments(s: Situation, step: Step) -> Mapping[str, Any]:
    """What cannot be worked out without its secrets stays as written."""
    try:
        return plan_in_force.step_arguments(s.run, step, s.progress)
    except Unclear:
        return step.body


def _own_question(s: Situation, step: Step) -> AskApproval | None:
    """None where the approval is there, or none is needed. Raises Unclear."""
    if s.run.phase is Phase.UNDO:
        return None  # approved as a whole
    rule = rule_of_step(s.runbook, step, s.run.severity, is_late=bool(evaluate.needs(step.body)))
    if rule is None:
        return None
    arguments = plan_in_force.step_arguments(s.run, step, s.progress)
    hash_ = plan_in_force.step_hash(s.run, step, arguments)
    if any(one.covers == step.id and one.plan_hash == hash_ and one.still_holds(s.now) for one in s.approved):
        return None
    text = str(arguments.get("text") or "") if step.kind is Kind.APPROVAL else ""
    sentence = f"Step {step.id} waits for approval."
    return AskApproval(sentence=sentence, covers=step.id, rule=rule, plan_hash=hash_, text=text)


# --- what an outcome means --------------------------------------------------------------------------------------------


def after(s: Situation, step: Step, attempt: StepRun, outcome: Outcome) -> Move:
    match outcome:
        case Waiting():
            return _wait(s, step, attempt, outcome)
        case Done():
            return _done(s, step, attempt, outcome)
        case Unknown() if s.cancelled_by:
            return _interrupted(s, step, attempt, outcome)
        case Unknown() if step.effect is Effect.ONCE:
            made = _ended(s, attempt, StepState.UNKNOWN, outcome.sentence, outcome.output)
            return _unknown(s, step, made, made.sentence)
        case Unknown():
            return _failed(s, step, attempt, Failed(outcome.sentence, output=outcome.output))
        case Failed():
            return _failed(s, step, attempt, outcome)


def after_a_bug(s: Situation) -> Move:
    """A `once` step that was under way may have happened."""
    if left := _left_under_way(s):
        return _unknown(s, *left, "Something went wrong on my side while it was under way; the log names it.")
    return _over(Status.FAILED, "Something went wrong on my side; the log names it. I began nothing more.")


def _wait(s: Situation, step: Step, attempt: StepRun, outcome: Waiting) -> Move:
    sentence = s.masker.mask(outcome.sentence)
    made = replace(attempt, state=StepState.WAITING, sentence=sentence)
    if outcome.seconds is None:
        return _made(step, made, AskToDo(sentence=sentence, made=made))
    if "for" in step.body:
        return _made(step, made, Sleep(sentence=sentence, made=made, seconds=outcome.seconds))
    return _made(step, made, Later(sentence=sentence, seconds=outcome.seconds))


def _done(s: Situation, step: Step, attempt: StepRun, outcome: Done) -> Move:
    made = _ended(s, attempt, StepState.DONE, outcome.sentence, outcome.output)
    made = replace(made, result=_kept(s, outcome.result))
    try:
        seen = {**s.scope(), **outcome.result} if step.save else {}  # whole: nothing goes on with half a value
        saved = {name: evaluate.evaluate(source, seen) for name, source in step.save.items()}
    except Problem as problem:
        # It has happened: saying that it failed would invite somebody to do it again.
        made = replace(made, sentence=f"It was done, but {problem.sentence}")
        return _made(step, made, _finish(made))
    return _made(step, replace(made, saved=s.masker.mask_all(saved)))


def _interrupted(s: Situation, step: Step, attempt: StepRun, outcome: Unknown) -> Move:
    if step.effect is not Effect.ONCE:
        return _made(step, _ended(s, attempt, StepState.FAILED, outcome.sentence, outcome.output))
    sentence = f"{outcome.sentence} Whether it happened is not known."
    return _made(step, _ended(s, attempt, StepState.INTERRUPTED, sentence, outcome.output))


def _unknown(s: Situation, step: Step, made: StepRun, why: str) -> Move:
    made = replace(made, state=StepState.UNKNOWN, sentence=why, ended_at=made.ended_at or s.now)
    return _made(step, made, AskWhether(sentence=f"Whether step {step.id} happened is not known.", made=made))


def _failed(s: Situation, step: Step, attempt: StepRun, outcome: Failed) -> Move:
    made = _ended(s, attempt, StepState.FAILED, outcome.sentence, outcome.output)
    made = replace(made, result=_kept(s, outcome.result))
    if s.cancelled_by or s.is_late:
        return _made(step, made)
    if made.attempt <= step.retries.max and (step.effect is not Effect.ONCE or outcome.certain):
        again = StepRun(step.id, made.attempt + 1, StepState.READY, s.now, sentence="It is tried again.")
        pause = Later(sentence=_named(made), seconds=step.retries.backoff.total_seconds())
        return Move(((step, made), (step, again)), pause)
    if step.on_failure is OnFailure.CONTINUE:
        return _made(step, made)
    if step.on_failure is OnFailure.UNDO and s.run.phase is Phase.DO:
        return _take_back(replace(s, progress={**s.progress, step.id: made}), step, made)
    return _made(step, made, _finish(made))


def _take_back(s: Situation, step: Step, made: StepRun) -> Move:
    back = plan_in_force.undo_steps(s.run, s.runbook, s.progress)
    if not back:
        return _made(step, made, _finish(made))
    rule = rule_of_undo(s.runbook, back, s.run.severity)
    if rule is None:
        return _made(step, made, phase=Phase.UNDO)
    sentence = f"{_named(made)} Taking back waits for approval."
    question = AskApproval(sentence=sentence, covers=UNDO, rule=rule, plan_hash=plan_in_force.undo_hash(s.run, back))
    return _made(step, made, question, Phase.UNDO)


def _made(step: Step, made: StepRun, then: Pause | None = None, phase: Phase | None = None) -> Move:
    return Move(((step, made),), then, phase)


def _over(status: Status, sentence: str) -> Move:
    return Move(then=Finish(status=status, sentence=sentence))


def _finish(made: StepRun) -> Finish:
    return Finish(status=Status.FAILED, sentence=_named(made))


def _named(made: StepRun) -> str:
    return f"Step {made.step} failed: {made.sentence}"


def _ended(s: Situation, attempt: StepRun, state: StepState, sentence: str, output: str) -> StepRun:
    return replace(
        attempt,
        state=state,
        ended_at=s.now,
        sentence=s.masker.mask(sentence)[:1_000],
        output=s.masker.mask(output)[: bounds.MAX_OUTPUT],
    )


def _kept(s: Situation, value: Mapping[str, Any]) -> Any:
    return s.masker.mask_all(bounds.result(evaluate.plain(value)))
