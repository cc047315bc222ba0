"""Ladders: who is told when, what stops a step, and which comes next. Rules only; the time is handed in.

A ladder is climbed from T+0 on. A climb that is begun anew (somebody took their acknowledgement back) or further up
(somebody escalated by hand) has a number of its own, so that the same step of two climbs is two promises.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.catalogue.hours import Hours
from bot.domain.catalogue.policy import Ladder, LadderStep, Unless
from bot.domain.errors import Conflict


@dataclass(frozen=True)
class Climb:
    """One way up. Steps before `first` are behind it; `by_hand`: somebody asked for the first one now."""

    begins_at: datetime  # T+0
    first: int = 0
    by_hand: bool = False
    number: int = 1


@dataclass(frozen=True)
class Standing:
    """What has become of the alert: each None until it is so, and again when it is taken back.

    Quiet is an alert that has ended while its incident is open: only steps that wait for the resolution go on.
    """

    acknowledged_at: datetime | None = None
    assigned_at: datetime | None = None
    resolved_at: datetime | None = None
    quiet_at: datetime | None = None

    def when(self, what: Unless) -> datetime | None:
        at: datetime | None = getattr(self, f"{what.value}_at")
        return at


@dataclass(frozen=True)
class Due:
    """A step of a climb and its moment. `waits_for` are the hours it was put off to."""

    position: int
    step: LadderStep
    due_at: datetime
    by_hand: bool = False
    waits_for: Hours | None = None


class Fate(StrEnum):
    DUE = "due"  # its moment has come, and nothing had stopped it by then
    WAITING = "waiting"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Planned:
    """A step with what becomes of it, and why in one sentence."""

    due: Due
    fate: Fate
    why: str


def schedule(ladder: Ladder, climb: Climb) -> tuple[Due, ...]:
    """Every step from the climb's first on, whatever stops it later."""
    return tuple(_due(ladder, climb, position) for position in ladder.positions[climb.first :])


def _due(ladder: Ladder, climb: Climb, position: int) -> Due:
    step, at = ladder.step(position), climb.begins_at + ladder.offset(position)
    if climb.by_hand and position == climb.first:
        return Due(position, step, at, by_hand=True)
    due_at = step.during.next_open(at) if step.during else at
    return Due(position, step, due_at, waits_for=step.during if due_at > at else None)


def stopped(due: Due, standing: Standing) -> Unless | None:
    """What stands in the way of sending it now, whenever it was due: asked once more just before anything leaves."""
    found = _stop(due, standing)
    return found[1] if found else None


def _stop(due: Due, standing: Standing) -> tuple[datetime, Unless] | None:
    # Who escalates by hand wants that step out although it is acknowledged.
    words = {Unless.RESOLVED} if due.by_hand else {due.step.unless, Unless.RESOLVED}
    found = [(at, word) for word in sorted(words) if (at := standing.when(word))]
    if standing.quiet_at and not due.by_hand and due.step.unless is not Unless.RESOLVED:
        found.append((standing.quiet_at, Unless.RESOLVED))
    return min(found, default=None)


def plan(ladder: Ladder, climb: Climb, standing: Standing, now: datetime) -> tuple[Planned, ...]:
    """Each step: due, waiting or skipped."""
    return tuple(_planned(due, standing, now) for due in schedule(ladder, climb))


def _planned(due: Due, standing: Standing, now: datetime) -> Planned:
    stop = _stop(due, standing)
    if due.due_at <= now and (stop is None or due.due_at < stop[0]):
        return Planned(due, Fate.DUE, "Somebody escalated by hand." if due.by_hand else "Its time has come.")
    if stop:
        return Planned(due, Fate.SKIPPED, f"It was {stop[1].value} before this step was due.")
    return Planned(due, Fate.WAITING, _waiting(due))


def _waiting(due: Due) -> str:
    until = f" It waits for the hours “{due.waits_for.name}”." if due.waits_for else ""
    return f"It goes out unless the alert is {due.step.unless.value} by then.{until}"


def next_step(ladder: Ladder, climb: Climb, standing: Standing, now: datetime) -> Due | None:
    """The one that goes out next if nothing more happens; of several at once the first."""
    waiting = [one.due for one in plan(ladder, climb, standing, now) if one.fate is Fate.WAITING]
    return min(waiting, key=lambda due: (due.due_at, due.position), default=None)


def reached(ladder: Ladder, climb: Climb, standing: Standing, now: datetime) -> int | None:
    """The highest position whose moment has come, or None."""
    return max((one.due.position for one in plan(ladder, climb, standing, now) if one.fate is Fate.DUE), default=None)


def higher(ladder: Ladder, climb: Climb, standing: Standing, now: datetime) -> Climb:
    """Escalated by hand: the step above the highest so far goes out now, the others follow at their distance.

    Raises Conflict where there is none above, and once it is resolved.
    """
    if standing.resolved_at:
        raise Conflict("It is resolved, so nobody else is told. Page somebody by name if they should know.")
    so_far = reached(ladder, climb, standing, now)
    position = climb.first if so_far is None else so_far + 1
    if position not in ladder.positions:
        raise Conflict(f"The ladder “{ladder.key}” has no step above this one. Page somebody by name.")
    return Climb(now - ladder.offset(position), position, by_hand=True, number=climb.number + 1)


def again(climb: Climb, now: datetime) -> Climb:
    """The acknowledgement was taken back: the whole ladder once more, from its first step, with T+0 now."""
    return Climb(now, number=climb.number + 1)
