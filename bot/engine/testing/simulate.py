"""A run without the world: the same rules from step to step as a real one, with results that its test says.

Who may ask and approve is no part of it, nor is time: nobody is late, and an approval that was given holds.
`bot.services.runs.executor` is the real thing; tests hold the two to one path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from bot.catalogue.runbook_tests.read import RUN, RunbookCase
from bot.catalogue.runbook_tests.read import UNDO as BACK
from bot.domain.catalogue.runbook import Connection, Effect, Kind, OnFailure, Runbook, Step
from bot.domain.catalogue.service import Service
from bot.domain.errors import Unclear
from bot.domain.runs import parameters
from bot.domain.runs.approval import rule_of_run, rule_of_step, rule_of_undo
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown, Waiting
from bot.domain.runs.plan import PlannedStep, digest
from bot.domain.runs.run import Phase, Run, Status, StepRun, StepState, following, scope, steps_of, undos
from bot.engine import planning
from bot.engine.testing import scripted
from bot.expressions import evaluate

REFUSED = "refused"  # it was never a run
ASKS = "asks"


@dataclass(frozen=True)
class Happened:
    """One entry of a path: an attempt at a step, or a question for approval. `why` is a sentence, or nothing."""

    step: str
    fate: str
    why: str = ""


@dataclass(frozen=True)
class Simulated:
    """The whole walk. `seen` is what expressions see at its end."""

    path: tuple[Happened, ...]
    ends: str
    sentence: str
    arguments: Mapping[str, Mapping[str, Any]]
    seen: Mapping[str, Any]
    undo: tuple[str, ...]  # what taking back would do at its end


class Broken(Exception):
    """The case does not say enough to go on. `so_far` is the walk up to there."""

    def __init__(self, problem: scripted.Unscripted, so_far: Simulated) -> None:
        super().__init__(problem.sentence)
        self.sentence = problem.sentence
        self.step = problem.step
        self.scripted_result = problem.scripted_result
        self.so_far = so_far


@dataclass(frozen=True)
class _End:
    status: str
    sentence: str = ""


def simulate(
    runbook: Runbook,
    case: RunbookCase,
    service: Service | None = None,
    connections: Mapping[str, Connection] | None = None,
) -> Simulated:
    """The walk of that case. Raises Broken where the case does not say what a step meets."""
    return _Simulation(runbook, case, service, connections or {}).go()


class _Simulation:
    def __init__(
        self, runbook: Runbook, case: RunbookCase, service: Service | None, connections: Mapping[str, Connection]
    ) -> None:
        self._runbook = runbook
        self._connections = connections
        self._given = case.parameters
        self._run = _run(runbook, _subject(runbook, case, service), _severity(case, service))
        self._scripts = {name: scripted.Script(ones) for name, ones in case.results.items()}
        self._answers = {name: list(ones) for name, ones in case.answers.items()}
        self._progress: dict[str, StepRun] = {}
        self._arguments: dict[str, Mapping[str, Any]] = {}
        self._path: list[Happened] = []
        self._approved: set[str] = set()

    def go(self) -> Simulated:
        try:
            return self._simulated(self._asked_for() or self._until_it_ends())
        except scripted.Unscripted as problem:
            raise Broken(problem, self._simulated(_End(""))) from None

    def _simulated(self, end: _End) -> Simulated:
        back = undos(self._runbook, self._progress) if self._run.phase is Phase.DO else []
        for step in back:
            self._look_at(step)
        ids = tuple(step.id for step in back)
        return Simulated(tuple(self._path), str(end.status), end.sentence, self._arguments, self._scope(), ids)

    def _look_at(self, step: Step) -> None:
        try:
            self._arguments[step.id] = self._rendered(step)
        except Unclear:
            self._arguments[step.id] = step.body

    # --- asking for it ------------------------------------------------------------------------------------------------

    def _asked_for(self) -> _End | None:
        """As `services.runs.request` does: parameters, plan, slot, and the approval of the whole."""
        runbook, subject = self._runbook, self._run.subject
        try:
            values = parameters.read(runbook, self._given)
            self._run = replace(self._run, parameters=values)
            plan = planning.make(runbook, values, subject, self._connections)
            if runbook.concurrency:
                evaluate.render(runbook.concurrency.key, {"params": planning.shown_parameters(values), **subject})
        except Unclear as problem:
            return _End(REFUSED, problem.sentence)
        if plan.problems:
            return _End(REFUSED, " ".join(f"Step {step}: {said}" for step, said in plan.problems.items()))
        return self._asks(RUN) if rule_of_run(runbook, self._run.severity) else None

    def _asks(self, name: str) -> _End | None:
        """A question for approval: approved, unless the case answers otherwise."""
        self._path.append(Happened(name, ASKS))
        match self._answer(name):
            case "reject":
                return _End(Status.REJECTED, "It was rejected.")
            case "wait":
                return _End(Status.AWAITING, "It waits for approval.")
        return None

    def _answer(self, name: str) -> str | None:
        return self._answers[name].pop(0) if self._answers.get(name) else None

    # --- from step to step: see Turn ----------------------------------------------------------------------------------

    def _until_it_ends(self) -> _End:
        while True:
            step = following(steps_of(self._runbook, self._run.phase, self._progress), self._progress)
            end = self._finished() if step is None else self._take(step)
            if end is not None:
                return end

    def _finished(self) -> _End:
        return _End(Status.UNDONE if self._run.phase is Phase.UNDO else Status.SUCCEEDED)

    def _take(self, step: Step) -> _End | None:
        made = self._progress.get(step.id)
        try:
            if made is None and step.when is not None and not evaluate.holds(step.when, self._scope()):
                self._record(StepRun(step.id, 1, StepState.SKIPPED, scripted.MOMENT))
                return None
            end = self._rule(step)
        except Unclear as problem:
            return self._settle(step, self._attempt(step), Failed(problem.sentence, certain=True))
        return end or self._begin(step, self._attempt(step))

    def _attempt(self, step: Step) -> StepRun:
        made = self._progress.get(step.id)
        return replace(made, sentence="") if made else StepRun(step.id, 1, StepState.STARTED, scripted.MOMENT)

    def _rule(self, step: Step) -> _End | None:
        """Its own approval, on what it would do now. What was approved once is not asked again."""
        if not self._wants_approval(step):
            return None
        rendered = self._rendered(step)
        key = digest({"step": step.id, "arguments": rendered})
        if key in self._approved:
            return None
        self._arguments[step.id] = rendered
        end = self._asks(step.id)
        if end is None:
            self._approved.add(key)
        return end

    def _wants_approval(self, step: Step) -> bool:
        if self._run.phase is Phase.UNDO:
            return False  # approved as a whole
        if step.kind is Kind.APPROVAL:
            return True
        late = bool(evaluate.needs(step.body))
        shape = PlannedStep(step.id, 0, step.kind, step.effect, "", "", {}, approval=step.approval, is_late=late)
        return rule_of_step(self._runbook, shape, self._run.severity) is not None

    def _begin(self, step: Step, attempt: StepRun) -> _End | None:
        if step.kind is Kind.APPROVAL:
            return self._settle(step, attempt, Done({"approved_by": []}))
        try:
            self._arguments[step.id] = self._rendered(step)
            performed = self._rendered(step, _stand_ins(self._run.parameters))
        except Unclear as problem:
            return self._settle(step, attempt, Failed(problem.sentence, certain=True))
        return self._settle(step, attempt, scripted.outcome(step, performed, self._script(step)))

    def _rendered(self, step: Step, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """As people are shown it; with `values` as it would be performed. Raises Unclear."""
        seen = self._scope() if values is None else scope(self._run, values, self._progress)
        return {name: evaluate.render_all(one, seen) for name, one in step.body.items()}

    def _script(self, step: Step) -> scripted.Script:
        return self._scripts.setdefault(step.id, scripted.Script(()))

    def _scope(self) -> dict[str, Any]:
        """Secrets stand as the words that say where they come from."""
        return scope(self._run, planning.shown_parameters(self._run.parameters), self._progress)

    # --- its fate -----------------------------------------------------------------------------------------------------

    def _settle(self, step: Step, attempt: StepRun, outcome: Outcome) -> _End | None:
        match outcome:
            case Waiting(sentence=sentence):
                self._record(replace(attempt, state=StepState.WAITING, sentence=sentence))
                return _End(Status.WAITING, sentence)
            case Done():
                return self._done(step, attempt, outcome)
            case Unknown(sentence=sentence) if step.effect is Effect.ONCE:
                return self._unknown(step, replace(attempt, state=StepState.UNKNOWN, sentence=sentence))
            case Unknown(sentence=sentence):
                return self._failed(step, attempt, Failed(sentence))
            case Failed():
                return self._failed(step, attempt, outcome)

    def _done(self, step: Step, attempt: StepRun, outcome: Done) -> _End | None:
        made = replace(attempt, state=StepState.DONE, result=evaluate.plain(outcome.result))
        try:
            seen = {**self._scope(), **made.result}
            saved = {name: evaluate.evaluate(source, seen) for name, source in step.save.items()}
        except Unclear as problem:
            # It has happened, so it is no failure of the step; the run cannot go on.
            self._record(replace(made, sentence=f"It was done, but {problem.sentence}"))
            return _End(Status.FAILED, _named(step, f"It was done, but {problem.sentence}"))
        self._record(replace(made, saved=saved))
        return None

    def _unknown(self, step: Step, made: StepRun) -> _End | None:
        """Parked for a person, whose answer the case may have."""
        self._record(made)
        match self._answer(step.id):
            case "happened":
                self._progress[step.id] = replace(made, state=StepState.DONE)
                return None
            case "redo":
                self._again(made)
                return None
            case "stop":
                return _End(Status.FAILED, f"Somebody stopped it; whether step {step.id} happened is not known.")
        return _End(Status.UNKNOWN, f"Whether step {step.id} happened is not known.")

    def _failed(self, step: Step, attempt: StepRun, outcome: Failed) -> _End | None:
        made = replace(attempt, state=StepState.FAILED, sentence=outcome.sentence, result=outcome.result)
        self._record(made)
        may_retry = made.attempt <= step.retries.max and (step.effect is not Effect.ONCE or outcome.certain)
        if may_retry:
            self._again(made)
            return None
        if step.on_failure is OnFailure.CONTINUE:
            return None
        if step.on_failure is OnFailure.UNDO and self._run.phase is Phase.DO:
            return self._take_back(step, made)
        return _End(Status.FAILED, _named(step, made.sentence))

    def _take_back(self, step: Step, made: StepRun) -> _End | None:
        back, problems = undos(self._runbook, self._progress), dict[str, str]()
        seen = self._scope()
        plan = [planning.undo_plan(one, number, seen, self._connections, problems) for number, one in enumerate(back)]
        if not plan:
            return _End(Status.FAILED, _named(step, made.sentence))
        self._run = replace(self._run, phase=Phase.UNDO)
        return self._asks(BACK) if rule_of_undo(self._runbook, plan, self._run.severity) else None

    def _again(self, made: StepRun) -> None:
        self._progress[made.step] = StepRun(made.step, made.attempt + 1, StepState.READY, scripted.MOMENT)

    def _record(self, made: StepRun) -> None:
        self._progress[made.step] = made
        fate = "waits" if made.state is StepState.WAITING else made.state.value
        self._path.append(Happened(made.step, fate, made.sentence))


def _named(step: Step, sentence: str) -> str:
    return f"Step {step.id} failed: {sentence}"


def _stand_ins(values: Mapping[str, Any]) -> dict[str, Any]:
    """A secret as one word, as secrets are: the words that say where it comes from would be no URL and no argument."""
    return {name: f"secret-{name}" if isinstance(one, parameters.Reference) else one for name, one in values.items()}


def _subject(runbook: Runbook, case: RunbookCase, service: Service | None) -> dict[str, Any]:
    """What expressions see beside the parameters, as `services.runs.subject`."""
    seen: dict[str, Any] = dict.fromkeys(("id", "severity", "service", "title"))
    if case.incident is not None:
        own = {"severity": _severity(case, service), "service": runbook.service}
        seen = {**seen, **case.incident, **own}
    return {"incident": seen, "alert": {"labels": dict(case.labels)}}


def _severity(case: RunbookCase, service: Service | None) -> str | None:
    """By key; without a word, the service's default."""
    word = (case.incident or {}).get("severity") or (service.default_severity if service else None)
    level = service.find_severity(word) if service and word else None
    return level.key if level else word


def _run(runbook: Runbook, subject: Mapping[str, Any], severity: str | None) -> Run:
    """Every simulated run is RUN-1."""
    return Run(
        id=1, runbook=runbook.id, version=runbook.version, service=runbook.service, subject=subject, parameters={},
        connections={}, plan_hash="", reason="", requested_by="", edited_by=(), source="test", incident=None,
        severity=severity, rank=0, status=Status.RUNNING, sentence="", phase=Phase.DO, state="running", slot_key=None,
        slot_limit=1, has_slot=False, cancelled_by=None, created_at=scripted.MOMENT, started_at=scripted.MOMENT,
        deadline_at=scripted.MOMENT + timedelta(hours=1), ended_at=None, channel=None, ts=None, edited_wall=0.0,
    )  # fmt: skip
