"""Who must approve what, and what becomes of a vote. Rules only: memberships and the time are handed in.

Four eyes is not a setting: who asked for the run, or had a hand in its parameters, never counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.domain.catalogue.runbook import ApprovalRule, Effect, Kind, Runbook, Step
from bot.domain.errors import Conflict, Refused
from bot.domain.runs.plan import PlannedStep
from bot.domain.text import duration

WHOLE_RUN = "@run"  # no step's id begins with @
UNDO = "@undo"
REVIEW_WITHIN = timedelta(hours=24)


class State(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"  # what was asked about is no more: the parameters changed, the run was cancelled


@dataclass(frozen=True)
class Vote:
    person: str
    verdict: str  # approve | reject
    at: datetime
    reason: str = ""


@dataclass(frozen=True)
class ApprovalRequest:
    """One question for approval, as stored. `plan_hash` is what exactly is approved."""

    id: int
    run: int
    covers: str
    round: int
    plan_hash: str
    text: str
    who: tuple[str, ...]
    quorum: int
    break_glass: tuple[str, ...]
    valid: timedelta
    state: State
    asked_at: datetime
    expires_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None
    glass_broken: bool = False
    review_due_at: datetime | None = None
    reviewed_at: datetime | None = None
    reviewed_by: str | None = None
    channel: str | None = None
    ts: str | None = None
    votes: tuple[Vote, ...] = field(default_factory=tuple)

    @property
    def value(self) -> str:
        return f"RUN-{self.run}" if self.covers == WHOLE_RUN else f"RUN-{self.run}:{self.covers}"

    @property
    def approvals(self) -> tuple[Vote, ...]:
        return tuple(vote for vote in self.votes if vote.verdict == "approve")

    def still_holds(self, now: datetime) -> bool:
        return self.state is State.APPROVED and self.decided_at is not None and now < self.decided_at + self.valid


# --- what needs approval ---------------------------------------------------------------------------------------------


def rule_of_run(runbook: Runbook, severity: str | None) -> ApprovalRule | None:
    """Without a word in the file: one, whenever any step has an effect."""
    if runbook.policy.needs_none:
        return None
    if runbook.policy.approval is not None:
        return runbook.policy.approval.for_severity(severity)
    return ApprovalRule() if runbook.has_effect else None


def rule_of_step(runbook: Runbook, step: Step, severity: str | None, *, is_late: bool) -> ApprovalRule | None:
    if step.kind is Kind.APPROVAL:
        return _asked_by(step.body)
    if step.approval is not None:
        return step.approval
    return rule_of_run(runbook, severity) or ApprovalRule() if step.effect is Effect.ONCE and is_late else None


def _asked_by(body: Mapping[str, Any]) -> ApprovalRule:
    valid = body.get("expires") or ApprovalRule().expires
    lasting = duration.parse(valid) if isinstance(valid, str) else valid
    return ApprovalRule(tuple(body.get("who") or ()), int(body.get("quorum") or 1), lasting)


def rule_of_undo(runbook: Runbook, undos: Collection[PlannedStep], severity: str | None) -> ApprovalRule | None:
    """Taking back is doing something: it needs what the run needs, and one where any of it has an effect."""
    if runbook.policy.needs_none and all(one.effect is not Effect.ONCE for one in undos):
        return None
    if all(one.effect is Effect.READ for one in undos):
        return None
    return rule_of_run(runbook, severity) or ApprovalRule()


def named_for(runbook: Runbook, covers: str, severity: str | None) -> tuple[str, ...]:
    """Empty: `access.approve`."""
    step = runbook.step(covers) if covers not in (WHOLE_RUN, UNDO) else None
    if step is not None and step.kind is Kind.APPROVAL:
        return tuple(step.body.get("who") or ())
    if step is not None and step.approval is not None:
        return step.approval.who
    return (rule_of_run(runbook, severity) or ApprovalRule()).who


# --- what becomes of a vote ------------------------------------------------------------------------------------------


def may_be_decided(asked: ApprovalRequest, now: datetime, *, names: Mapping[str, str]) -> None:
    """Raises Conflict with who was first, or why it is over. `names`: how people are called."""
    if asked.state is State.OPEN and now >= asked.expires_at:
        raise Conflict(f"This question expired at {asked.expires_at:%H:%M} UTC. Ask for the run again.")
    if asked.state is State.OPEN:
        return
    by = names.get(asked.decided_by or "", asked.decided_by or "somebody")
    said = {
        State.APPROVED: f"{by} already approved this.",
        State.REJECTED: f"{by} already rejected this.",
        State.EXPIRED: f"This question expired at {asked.expires_at:%H:%M} UTC. Ask for the run again.",
        State.VOID: "What this question asked about has changed since. Only the newest question counts.",
    }
    raise Conflict(said[asked.state])


def may_vote(asked: ApprovalRequest, person: str, *, involved: Collection[str], is_named: bool, whom: str) -> None:
    """Raises Refused: four eyes, then the list. `involved`: who asked for or changed it. `whom`: the list, spoken."""
    if person in involved:
        raise Refused(f"You asked for this run or changed it, so somebody else must approve it: {whom}.")
    if not is_named:
        raise Refused(f"You are not among those who may approve this: {whom}.")
    if any(vote.person == person for vote in asked.votes):
        raise Conflict("You have approved this already. It waits for somebody else.")


def is_reached(
    asked: ApprovalRequest, voters: Collection[str], *, qualified: Collection[str], involved: Collection[str]
) -> bool:
    counted = {person for person in voters if person in qualified and person not in involved}
    return len(counted) >= asked.quorum


def missing(asked: ApprovalRequest, voters: Collection[str]) -> int:
    return max(0, asked.quorum - len(set(voters)))


def may_break_glass(asked: ApprovalRequest, *, is_named: bool, reason: str) -> None:
    """Raises Refused. Who is named may do it alone, also for a run of their own; somebody else reviews it after."""
    if not asked.break_glass:
        raise Refused("This runbook has no break-glass: nobody may start it without approval.")
    if not is_named:
        raise Refused("You are not among those who may break the glass here.")
    if not is_said(reason):
        raise Refused("Say why it cannot wait: the reason is posted in the channel and reviewed afterwards.")


def is_said(reason: str) -> bool:
    return any(character.isprintable() and not character.isspace() for character in reason)
