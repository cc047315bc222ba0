"""Runs: one execution of a runbook, how far it is, what comes next. Rules only; the time is handed in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.domain.catalogue.runbook import Connection, OnFailure, Runbook, Step
from bot.domain.errors import Conflict

_NAME = re.compile(r"(?:RUN-)?([1-9][0-9]{0,8})", re.ASCII | re.IGNORECASE)


class Status(StrEnum):
    AWAITING = "awaiting_approval"
    QUEUED = "queued"  # another run has its slot
    RUNNING = "running"
    WAITING = "waiting"  # for a time, a check or a person
    UNKNOWN = "unknown"  # whether a `once` step happened: a person is asked
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNDONE = "undone"  # what it did was taken back


OVER = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.REJECTED, Status.EXPIRED, Status.UNDONE)


class StepState(StrEnum):
    READY = "ready"  # to be begun again
    STARTED = "started"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    INTERRUPTED = "interrupted"  # cancelled in mid-effect: whether it happened is not known


class Phase(StrEnum):
    DO = "do"
    UNDO = "undo"


@dataclass(frozen=True)
class StepRun:
    """The newest attempt at one step. Everything in it is masked."""

    step: str
    attempt: int
    state: StepState
    started_at: datetime
    ended_at: datetime | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    saved: Mapping[str, Any] = field(default_factory=dict)
    sentence: str = ""
    output: str = ""
    actor: str | None = None

    @property
    def ok(self) -> bool:
        return self.state is StepState.DONE and self.result.get("ok") is not False

    @property
    def took(self) -> timedelta | None:
        return self.ended_at - self.started_at if self.ended_at else None


@dataclass(frozen=True, kw_only=True)
class NewRun:
    runbook: str
    version: str
    service: str
    subject: Mapping[str, Any]
    parameters: Mapping[str, Any]
    connections: Mapping[str, Connection]  # as they were when it was planned
    plan_hash: str
    reason: str
    requested_by: str
    edited_by: tuple[str, ...]
    source: str
    incident: int | None
    alert_group: int | None = None  # whose alerts or card began it
    severity: str | None
    rank: int
    status: Status
    state: str
    slot_key: str | None
    slot_limit: int
    created_at: datetime
    channel: str | None
    thread: str | None = None  # the message it is posted under, where it has no thread of its own


@dataclass(frozen=True, kw_only=True)
class Run(NewRun):
    id: int
    sentence: str
    phase: Phase
    has_slot: bool
    cancelled_by: str | None
    started_at: datetime | None
    deadline_at: datetime | None
    ended_at: datetime | None
    ts: str | None
    edited_wall: float
    epoch: int = 0
    owner: str | None = None

    @property
    def name(self) -> str:
        return f"RUN-{self.id}"

    def __str__(self) -> str:
        return self.name

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    @property
    def root(self) -> str | None:
        """None while it is not posted."""
        return self.ts and (self.thread or self.ts)

    @property
    def involved(self) -> frozenset[str]:
        """They never approve it."""
        return frozenset({self.requested_by, *self.edited_by})

    @property
    def took(self) -> timedelta | None:
        return self.ended_at - self.started_at if self.started_at and self.ended_at else None


Progress = Mapping[str, StepRun]  # by step id: the newest attempt


def number(text: str) -> int | None:
    found = _NAME.fullmatch(text.strip())
    return int(found.group(1)) if found else None


def step_key(run: Run, step_id: str, attempt: int) -> str:
    """The same after a crash, another when a person says to do it again."""
    return f"{step_name(run, step_id)}-{attempt}"


def step_name(run: Run, step_id: str) -> str:
    """Whatever the attempt: pages and mail under one name reach nobody twice."""
    return f"tocsin-{run.created_at:%Y%m%d%H%M%S}-RUN-{run.id}-{step_id}"


# --- what comes next -------------------------------------------------------------------------------------------------


def steps_of(runbook: Runbook, phase: Phase, progress: Progress) -> list[Step]:
    return list(runbook.steps) if phase is Phase.DO else undos(runbook, progress)


def undos(runbook: Runbook, progress: Progress) -> list[Step]:
    return [step.undo for step in reversed(runbook.steps) if step.undo and _may_have_happened(progress.get(step.id))]


def _may_have_happened(made: StepRun | None) -> bool:
    return made is not None and made.state in (
        StepState.DONE,
        StepState.UNKNOWN,
        StepState.INTERRUPTED,
        StepState.FAILED,
    )


def following(steps: list[Step], progress: Progress) -> Step | None:
    return next((step for step in steps if not is_settled(step, progress.get(step.id))), None)


def is_settled(step: Step, made: StepRun | None) -> bool:
    if made is None:
        return False
    if made.state in (StepState.DONE, StepState.SKIPPED):
        return True
    return made.state is StepState.FAILED and step.on_failure is OnFailure.CONTINUE


def scope(run: Run, parameters: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """`parameters` with their secrets, for the moment of use only."""
    steps = {name: _seen(made) for name, made in progress.items() if "." not in name}
    return {"params": dict(parameters), "steps": steps, "run": {"id": run.name}, **run.subject}


def _seen(made: StepRun) -> dict[str, Any]:
    return {**made.result, "ok": made.ok, **made.saved}


def outcome_of(run: Run, progress: Progress) -> Status:
    if run.cancelled_by:
        return Status.CANCELLED
    bad = (StepState.FAILED, StepState.UNKNOWN, StepState.INTERRUPTED)
    return Status.FAILED if any(made.state in bad for made in progress.values()) else Status.SUCCEEDED


def must_run(run: Run) -> None:
    """Raises Conflict where it is over."""
    if run.is_over:
        raise Conflict(f"{run} {SPOKEN[run.status]} already.")


SPOKEN = {
    Status.AWAITING: "waits for approval",
    Status.QUEUED: "waits for its turn",
    Status.RUNNING: "is running",
    Status.WAITING: "is waiting",
    Status.UNKNOWN: "needs an answer",
    Status.SUCCEEDED: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELLED: "was cancelled",
    Status.REJECTED: "was rejected",
    Status.EXPIRED: "expired",
    Status.UNDONE: "was taken back",
}
