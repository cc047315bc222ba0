"""A run walked by the machine alone: what steps come to is said beforehand, and so is what people answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.catalogue.runbook import ApprovalRule, Effect, Kind, Policy, Runbook, Step
from bot.domain.runs.approval import UNDO, ApprovalRequest, State
from bot.domain.runs.outcome import Done, Outcome
from bot.domain.runs.run import Phase, Run, Status, StepRun, StepState
from bot.domain.text.masking import Masker
from bot.engine import machine, plan_in_force
from bot.engine.machine import AskApproval, AskWhether, Move, Pause, Perform, Situation

T0 = datetime(2026, 11, 20, 9, tzinfo=UTC)
NO_APPROVAL = Policy(needs_none=True)


def step(name: str, effect: Effect = Effect.READ, **more: Any) -> Step:
    """A request to `/name`, unless it says otherwise."""
    return Step(name, **{"kind": Kind.HTTP, "body": {"url": f"/{name}"}, "effect": effect, **more})


def undo_of(name: str, effect: Effect = Effect.REPEATABLE, **more: Any) -> Step:
    return step(f"{name}.undo", effect, **more)


def runbook(*steps: Step, policy: Policy = NO_APPROVAL, **more: Any) -> Runbook:
    return Runbook("trip", "shop", "A trip", steps, policy=policy, version="v1", **more)


def run_of(book: Runbook, **more: Any) -> Run:
    """RUN-1 of this runbook, begun at T0, as it is stored."""
    values: dict[str, Any] = {
        "id": 1, "runbook": book.id, "version": book.version, "service": book.service, "subject": {}, "parameters": {},
        "connections": {}, "plan_hash": "", "reason": "", "requested_by": "U0ADA", "edited_by": (), "source": "slack",
        "incident": None, "severity": "P2", "rank": 2, "status": Status.RUNNING, "sentence": "", "phase": Phase.DO,
        "state": "running", "slot_key": None, "slot_limit": 1, "has_slot": False, "cancelled_by": None,
        "created_at": T0, "started_at": T0, "deadline_at": T0 + book.deadline, "ended_at": None, "channel": None,
        "ts": None, "edited_wall": 0.0,
    }  # fmt: skip
    made = Run(**values | more)
    return replace(made, plan_hash=plan_in_force.plan(made, book).hash)


@dataclass
class Walk:
    """`outcomes`: of a step, in order; the last counts for whatever follows, and without any it is done.

    Performances are numbered from 1: while that one is under way, the run is cancelled, is over its time, or loses its
    worker.
    """

    book: Runbook
    outcomes: Mapping[str, Sequence[Outcome]] = field(default_factory=dict)
    cancel_at: int | None = None
    late_at: int | None = None
    lose_at: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    masker: Masker = field(default_factory=Masker)
    now: datetime = T0

    def __post_init__(self) -> None:
        self.run = run_of(self.book)
        self.progress: dict[str, StepRun] = {}
        self.approved: list[ApprovalRequest] = []
        self.path: list[tuple[str, str]] = []  # step and state of each attempt that came to something
        self.performed: list[Perform] = []
        self.redone: list[str] = []  # by a person's word
        self.cancelled_by: str | None = None
        self.is_late = False
        self.is_stopping = False
        self._left = {name: list(ones) for name, ones in self.outcomes.items()}

    @property
    def did(self) -> list[str]:
        """The steps that were performed, in order."""
        return [one.step.id for one in self.performed]

    def go(self) -> Pause:
        """Until the run is left."""
        while True:
            move = self._made(machine.next_move(self.situation()))
            if isinstance(move.then, Perform):
                move = self._perform(move.then)
            if isinstance(move.then, Pause):
                return move.then

    def situation(self) -> Situation:
        return Situation(
            self.book, self.run, self.progress, self.approved, self.now, self.masker, lambda: self.values,
            cancelled_by=self.cancelled_by, is_late=self.is_late, is_stopping=self.is_stopping,
        )  # fmt: skip

    def _perform(self, perform: Perform) -> Move:
        self.performed.append(perform)
        number = len(self.performed)
        if number == self.cancel_at:
            self.cancelled_by = "U0BEN"
        self.is_late = self.is_late or number == self.late_at
        if number == self.lose_at:
            if perform.step.effect is not Effect.READ:  # whose intent was written down
                self.progress[perform.step.id] = perform.attempt
            return Move()
        outcome = self._outcome(perform.step.id)
        return self._made(machine.after(self.situation(), perform.step, perform.attempt, outcome))

    def _outcome(self, name: str) -> Outcome:
        left = self._left.get(name) or [Done()]
        return left.pop(0) if len(left) > 1 else left[0]

    def _made(self, move: Move) -> Move:
        self.run = replace(self.run, phase=move.phase or self.run.phase)
        for _, made in move.made:
            self.progress[made.step] = made
            if made.state is not StepState.READY:
                self.path.append((made.step, made.state.value))
        return move

    # --- what people and time do --------------------------------------------------------------------------------------

    def approve(self, asked: Pause, by: str = "U0BEN") -> Walk:
        assert isinstance(asked, AskApproval)
        self.approved.append(
            ApprovalRequest(
                id=1, run=1, covers=asked.covers, round=1, plan_hash=asked.plan_hash, text=asked.text, who=(), quorum=1,
                break_glass=(), valid=asked.rule.expires, state=State.APPROVED, asked_at=self.now, expires_at=self.now,
                decided_at=self.now, decided_by=by,
            )
        )  # fmt: skip
        return self

    def happened(self, asked: Pause) -> Walk:
        assert isinstance(asked, AskWhether)
        return self.done_by_hand(asked.made.step)

    def redo(self, asked: Pause) -> Walk:
        assert isinstance(asked, AskWhether)
        return self.again(asked.made.step)

    def again(self, name: str) -> Walk:
        """A person has a step begun again."""
        self.redone.append(name)
        self.progress[name] = StepRun(name, self.progress[name].attempt + 1, StepState.READY, self.now)
        return self

    def done_by_hand(self, name: str) -> Walk:
        self.progress[name] = replace(self.progress[name], state=StepState.DONE)
        return self

    def take_back(self) -> Walk:
        """A person asks for it, and it is approved."""
        back = plan_in_force.undo_steps(self.run, self.book, self.progress)
        asked = plan_in_force.undo_hash(self.run, back)
        self.run = replace(self.run, phase=Phase.UNDO)
        return self.approve(AskApproval(covers=UNDO, rule=ApprovalRule(), plan_hash=asked))

    def later(self, **much: float) -> Walk:
        self.now += timedelta(**much)
        return self
