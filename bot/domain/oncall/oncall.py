"""Who is on call: rotations, overrides, and when it changes next. Rules only; the time is handed in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from bot.domain.catalogue.levels import Level, Override, Rotation

MOST_CHANGES_LOOKED_AT = 5_000


@dataclass(frozen=True)
class OnCall:
    """Who has a level. `schedule`: PagerDuty knows, and `who` is empty."""

    who: tuple[str, ...]
    schedule: str | None = None
    override: Override | None = None


def on_call(level: Level, at: datetime, taken: Sequence[Override] = ()) -> OnCall:
    """Overrides win, those in `taken` (made in Slack) over those of the file, and a later one over an earlier one."""
    override = _override(level, at, taken)
    if override:
        return OnCall((override.person,), override=override)
    if level.rotations:
        return OnCall((_rotation(level, at).person(at),))
    return OnCall(level.who, level.pagerduty_schedule)


def _override(level: Level, at: datetime, taken: Sequence[Override]) -> Override | None:
    return next((one for one in reversed([*level.overrides, *taken]) if one.holds(at)), None)


def _rotation(level: Level, at: datetime) -> Rotation:
    last = level.rotations[-1]
    return next((one for one in level.rotations if one.hours is None or one.hours.is_open(at)), last)


def next_change(level: Level, at: datetime, taken: Sequence[Override] = ()) -> datetime | None:
    """None: never. What PagerDuty changes is not known here."""
    if len(_everybody(level, at, taken)) == 1:
        return None
    now = on_call(level, at, taken)
    for edge in islice(_edges(level, at, taken), MOST_CHANGES_LOOKED_AT):
        then = on_call(level, edge, taken)
        if (then.who, then.schedule) != (now.who, now.schedule):
            return edge
    return None


def _everybody(level: Level, at: datetime, taken: Sequence[Override]) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = {(one.person,) for one in (*level.overrides, *taken) if one.ends_at > at}
    found.update((person,) for rotation in level.rotations for person in rotation.people)
    return found if level.rotations else {*found, level.who}


def _edges(level: Level, at: datetime, taken: Sequence[Override]) -> Iterator[datetime]:
    edge = _next_edge(level, at, taken)
    while edge is not None:
        yield edge
        edge = _next_edge(level, edge, taken)


def _next_edge(level: Level, at: datetime, taken: Sequence[Override]) -> datetime | None:
    around = [edge for one in (*level.overrides, *taken) for edge in (one.begins_at, one.ends_at) if edge > at]
    if level.rotations and _override(level, at, taken) is None:
        around += _next_handover(level, at)
    return min(around, default=None)


def _next_handover(level: Level, at: datetime) -> list[datetime]:
    current = _rotation(level, at)
    before = level.rotations[: level.rotations.index(current) + 1]
    edges = [one.hours.next_edge(at) for one in before if one.hours]
    return edges if len(set(current.people)) == 1 else [*edges, current.next_handover(at)]
