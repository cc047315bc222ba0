"""Escalation policies: who is told when, what stops a step, and which comes next. Rules only; the time is handed in.

An escalation policy is followed from T+0 on. An escalation that is begun again (somebody took their acknowledgement
back) or further up (somebody escalated by hand) has a number of its own, so that the same step of two escalations is
two promises.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.catalogue.hours import Hours
from bot.domain.catalogue.policy import EscalationPolicy, EscalationStep, Unless
from bot.domain.errors import Conflict


@dataclass(frozen=True)
class EscalationStart:
    """One way up. Steps before `first` are behind it; `by_hand`: somebody asked for the first one now."""

    begins_at: datetime  # T+0
    first: int = 0
    by_hand: bool = False
    number: int = 1


@dataclass(frozen=True)
class ResponseStatus:
    """What has become of the alert: each None until it is so, and again when it is taken back.

    Quiet is an alert that has ended while its incident is open: only steps that wait for the resolution go on.
    """

    acknowledged_at: datetime | None = None
    assigned_at: datetime | None = None
    resolved_at: datetime | None = None
    suppressed_at: datetime | None = None

    def when(self, what: Unless) -> datetime | None:
        at: datetime | None = getattr(self, f"{what.value}_at")
        return at


@dataclass(frozen=True)
class ScheduledStep:
    """A step of an escalation and its moment. `waits_for` are the hours it was put off to."""

    position: int
    step: EscalationStep
    due_at: datetime
    by_hand: bool = False
    waits_for: Hours | None = None


class Fate(StrEnum):
    DUE = "due"  # its moment has come, and nothing had stopped it by then
    WAITING = "waiting"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Planned:
    due: ScheduledStep
    fate: Fate
    why: str


def schedule(policy: EscalationPolicy, start: EscalationStart) -> tuple[ScheduledStep, ...]:
    return tuple(_due(policy, start, position) for position in policy.positions[start.first :])


def _due(policy: EscalationPolicy, start: EscalationStart, position: int) -> ScheduledStep:
    step, at = policy.step(position), start.begins_at + policy.offset(position)
    if start.by_hand and position == start.first:
        return ScheduledStep(position, step, at, by_hand=True)
    due_at = step.during.next_open(at) if step.during else at
    return ScheduledStep(position, step, due_at, waits_for=step.during if due_at > at else None)


def stopped(due: ScheduledStep, response: ResponseStatus) -> Unless | None:
    """Whenever it was due: asked once more just before anything leaves."""
    found = _stop(due, response)
    return found[1] if found else None


def _stop(due: ScheduledStep, response: ResponseStatus) -> tuple[datetime, Unless] | None:
    # Who escalates by hand wants that step out although it is acknowledged.
    words = {Unless.RESOLVED} if due.by_hand else {due.step.unless, Unless.RESOLVED}
    found = [(at, word) for word in sorted(words) if (at := response.when(word))]
    if response.suppressed_at and not due.by_hand and due.step.unless is not Unless.RESOLVED:
        found.append((response.suppressed_at, Unless.RESOLVED))
    return min(found, default=None)


def plan(
    policy: EscalationPolicy, start: EscalationStart, response: ResponseStatus, now: datetime
) -> tuple[Planned, ...]:
    return tuple(_planned(due, response, now) for due in schedule(policy, start))


def _planned(due: ScheduledStep, response: ResponseStatus, now: datetime) -> Planned:
    stop = _stop(due, response)
    if due.due_at <= now and (stop is None or due.due_at < stop[0]):
        return Planned(due, Fate.DUE, "Somebody escalated by hand." if due.by_hand else "Its time has come.")
    if stop:
        return Planned(due, Fate.SKIPPED, f"It was {stop[1].value} before this step was due.")
    return Planned(due, Fate.WAITING, _waiting(due))


def _waiting(due: ScheduledStep) -> str:
    until = f" It waits for the hours “{due.waits_for.name}”." if due.waits_for else ""
    return f"It goes out unless the alert is {due.step.unless.value} by then.{until}"


def next_step(
    policy: EscalationPolicy, start: EscalationStart, response: ResponseStatus, now: datetime
) -> ScheduledStep | None:
    waiting = [one.due for one in plan(policy, start, response, now) if one.fate is Fate.WAITING]
    return min(waiting, key=lambda due: (due.due_at, due.position), default=None)


def reached(policy: EscalationPolicy, start: EscalationStart, response: ResponseStatus, now: datetime) -> int | None:
    return max((one.due.position for one in plan(policy, start, response, now) if one.fate is Fate.DUE), default=None)


def higher(
    policy: EscalationPolicy, start: EscalationStart, response: ResponseStatus, now: datetime
) -> EscalationStart:
    """The step above the highest so far goes out now, the others follow at their distance.

    Raises Conflict where there is none above, and once it is resolved.
    """
    if response.resolved_at:
        raise Conflict("It is resolved, so nobody else is told. Page somebody by name if they should know.")
    so_far = reached(policy, start, response, now)
    position = start.first if so_far is None else so_far + 1
    if position not in policy.positions:
        raise Conflict(f"The escalation policy “{policy.key}” has no step above this one. Page somebody by name.")
    return EscalationStart(now - policy.offset(position), position, by_hand=True, number=start.number + 1)


def again(start: EscalationStart, now: datetime) -> EscalationStart:
    return EscalationStart(now, number=start.number + 1)
