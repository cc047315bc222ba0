"""A run without the world: `engine.machine` walked with results that its test says.

Who may ask and approve is no part of it, nor is time: nobody is late, and an approval that was given holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from bot.catalogue.runbook_tests.read import RUN, UNDO as BACK, RunbookCase
from bot.domain.catalogue.runbook import Connection, Runbook, Step
from bot.domain.catalogue.service import Service
from bot.domain.errors import Unclear
from bot.domain.runs import parameters
from bot.domain.runs.approval import UNDO, ApprovalRequest, State, rule_of_run
from bot.domain.runs.run import Phase, Run, Status, StepRun, StepState, undos
from bot.domain.text.masking import Masker
from bot.engine import machine, plan_in_force, planning
from bot.engine.machine import AskApproval, AskWhether, Later, Move, Pause, Perform, Situation
from bot.engine.testing import scripted

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
    """`seen` is what expressions see at its end."""

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
    """Raises Broken where the case does not say what a step meets."""
    return _Simulation(runbook, case, service, connections or {}).go()


class _Simulation:
    def __init__(
        self, runbook: Runbook, case: RunbookCase, service: Service | None, connections: Mapping[str, Connection]
    ) -> None:
        self._runbook = runbook
        self._given = case.parameters
        self._run = _run(runbook, _subject(runbook, case, service), _severity(case, service), connections)
        self._scripts = {name: scripted.Script(ones) for name, ones in case.results.items()}
        self._answers = {name: list(ones) for name, ones in case.answers.items()}
        self._progress: dict[str, StepRun] = {}
        self._approved: list[ApprovalRequest] = []
        self._arguments: dict[str, Mapping[str, Any]] = {}
        self._path: list[Happened] = []

    def go(self) -> Simulated:
        try:
            return self._simulated(self._asked_for() or self._until_it_ends())
        except scripted.Unscripted as problem:
            raise Broken(problem, self._simulated(_End(""))) from None

    def _simulated(self, end: _End) -> Simulated:
        back = undos(self._runbook, self._progress) if self._run.phase is Phase.DO else []
        for step in back:
            self._look_at(step)
        seen = plan_in_force.shown_scope(self._run, self._progress)
        ids = tuple(step.id for step in back)
        return Simulated(tuple(self._path), str(end.status), end.sentence, self._arguments, seen, ids)

    def _look_at(self, step: Step) -> None:
        try:
            self._arguments[step.id] = plan_in_force.step_arguments(self._run, step, self._progress)
        except Unclear:
            self._arguments[step.id] = step.body

    def _asked_for(self) -> _End | None:
        """As `services.runs.request.request` does."""
        runbook = self._runbook
        try:
            self._run = replace(self._run, parameters=parameters.read(runbook, self._given))
            plan = plan_in_force.plan(self._run, runbook)
            if runbook.concurrency:
                planning.slot_key(runbook.concurrency, self._run.parameters, self._run.subject)
        except Unclear as problem:
            return _End(REFUSED, problem.sentence)
        if plan.problems:
            return _End(REFUSED, " ".join(f"Step {step}: {said}" for step, said in plan.problems.items()))
        self._run = replace(self._run, plan_hash=plan.hash)
        return self._asks(RUN) if rule_of_run(runbook, self._run.severity) else None

    def _until_it_ends(self) -> _End:
        while True:
            move = self._made(machine.next_move(self._situation(_stand_ins(self._run.parameters))))
            if isinstance(move.then, Perform):
                move = self._perform(move.then)
            if isinstance(move.then, Pause) and (end := self._answered(move.then)):
                return end

    def _situation(self, values: Mapping[str, Any]) -> Situation:
        return Situation(
            self._runbook, self._run, self._progress, self._approved, scripted.MOMENT, Masker(), lambda: values
        )

    def _perform(self, perform: Perform) -> Move:
        step = perform.step
        self._arguments[step.id] = perform.attempt.arguments
        outcome = scripted.outcome(step, perform.arguments, self._scripts.setdefault(step.id, scripted.Script(())))
        shown = self._situation(planning.shown_parameters(self._run.parameters))
        return self._made(machine.after(shown, step, perform.attempt, outcome))

    def _made(self, move: Move) -> Move:
        self._run = replace(self._run, phase=move.phase or self._run.phase)
        for _, made in move.made:
            self._progress[made.step] = made
            if made.state is not StepState.READY:
                went_as_written = made.state in (StepState.DONE, StepState.SKIPPED) and move.then is None
                fate = "waits" if made.state is StepState.WAITING else made.state.value
                self._path.append(Happened(made.step, fate, "" if went_as_written else made.sentence))
        return move

    # --- what people say ----------------------------------------------------------------------------------------------

    def _answered(self, pause: Pause) -> _End | None:
        """None: the run goes on, without a pause since nobody is late."""
        match pause:
            case Later():
                return None
            case AskApproval():
                return self._approves(pause)
            case AskWhether(made=made):
                return self._tells(made)
        return _End(pause.status, pause.sentence)

    def _approves(self, asked: AskApproval) -> _End | None:
        if step := self._runbook.step(asked.covers):
            self._look_at(step)
        self._approved.append(_approved(asked))
        return self._asks(BACK if asked.covers == UNDO else asked.covers)

    def _asks(self, name: str) -> _End | None:
        self._path.append(Happened(name, ASKS))
        match self._answer(name):
            case "reject":
                return _End(Status.REJECTED, "It was rejected.")
            case "wait":
                return _End(Status.AWAITING, "It waits for approval.")
        return None

    def _tells(self, made: StepRun) -> _End | None:
        match self._answer(made.step):
            case "happened":
                self._progress[made.step] = replace(made, state=StepState.DONE)
            case "redo":
                self._progress[made.step] = StepRun(made.step, made.attempt + 1, StepState.READY, scripted.MOMENT)
            case "stop":
                return _End(Status.FAILED, f"Somebody stopped it; whether step {made.step} happened is not known.")
            case _:
                return _End(Status.UNKNOWN, f"Whether step {made.step} happened is not known.")
        return None

    def _answer(self, name: str) -> str | None:
        return self._answers[name].pop(0) if self._answers.get(name) else None


def _approved(asked: AskApproval) -> ApprovalRequest:
    moment = scripted.MOMENT
    return ApprovalRequest(
        id=0, run=1, covers=asked.covers, round=1, plan_hash=asked.plan_hash, text=asked.text, who=(), quorum=1,
        break_glass=(), valid=asked.rule.expires, state=State.APPROVED, asked_at=moment, expires_at=moment,
        decided_at=moment,
    )  # fmt: skip


def _stand_ins(values: Mapping[str, Any]) -> dict[str, Any]:
    """A secret as one word, as secrets are: the words that say where it comes from would be no URL and no argument."""
    return {name: f"secret-{name}" if isinstance(one, parameters.Reference) else one for name, one in values.items()}


def _subject(runbook: Runbook, case: RunbookCase, service: Service | None) -> dict[str, Any]:
    """As `services.runs.request.subject`."""
    seen: dict[str, Any] = dict.fromkeys(("id", "severity", "service", "title"))
    if case.incident is not None:
        own = {"severity": _severity(case, service), "service": runbook.service}
        seen = {**seen, **case.incident, **own}
    return {"incident": seen, "alert": {"labels": dict(case.labels)}}


def _severity(case: RunbookCase, service: Service | None) -> str | None:
    word = (case.incident or {}).get("severity") or (service.default_severity if service else None)
    level = service.find_severity(word) if service and word else None
    return level.key if level else word


def _run(
    runbook: Runbook, subject: Mapping[str, Any], severity: str | None, connections: Mapping[str, Connection]
) -> Run:
    return Run(
        id=1, runbook=runbook.id, version=runbook.version, service=runbook.service, subject=subject, parameters={},
        connections=connections, plan_hash="", reason="", requested_by="", edited_by=(), source="test", incident=None,
        severity=severity, rank=0, status=Status.RUNNING, sentence="", phase=Phase.DO, state="running", slot_key=None,
        slot_limit=1, has_slot=False, cancelled_by=None, created_at=scripted.MOMENT, started_at=scripted.MOMENT,
        deadline_at=scripted.MOMENT + timedelta(hours=1), ended_at=None, channel=None, ts=None, edited_wall=0.0,
    )  # fmt: skip
