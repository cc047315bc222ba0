"""Escalation policies as operators write them: who is told when, and what stops a step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from bot.domain.catalogue.hours import Hours


class Unless(StrEnum):
    """What stops a step that has not gone out. Resolved stops every step."""

    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class EscalationStep:
    """`after` counts from T+0. With `during` it waits for those hours."""

    after: timedelta
    notify: tuple[str, ...]  # targets
    unless: Unless = Unless.ACKNOWLEDGED
    during: Hours | None = None


@dataclass(frozen=True)
class EscalationPolicy:
    """Steps in the order of their `after`, followed once and `repeat` times more.

    A position counts the steps over all rounds, from 0.
    """

    key: str
    steps: tuple[EscalationStep, ...]
    repeat: int = 0

    @property
    def positions(self) -> range:
        return range(len(self.steps) * (self.repeat + 1))

    @property
    def round(self) -> timedelta:
        """From one round to the next: the last gap between two steps is repeated before the first one comes again."""
        moments = sorted({timedelta(0), *(step.after for step in self.steps)})
        gap = moments[-1] - moments[-2] if len(moments) > 1 else timedelta(0)
        return moments[-1] - self.steps[0].after + gap

    def step(self, position: int) -> EscalationStep:
        return self.steps[position % len(self.steps)]

    def offset(self, position: int) -> timedelta:
        """Waiting for hours left aside."""
        return position // len(self.steps) * self.round + self.step(position).after
