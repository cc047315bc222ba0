"""One target of one step of an escalation: what is promised, sent and met on its own."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from bot.domain.outgoing.delivery import Payload


class StepTarget(NamedTuple):
    """The step of that position, and its n-th target, from 0."""

    escalation: int
    position: int
    number: int

    @property
    def commitment(self) -> str:
        """Also the key of what is sent to the target."""
        return f"escalation:{self.escalation}:{self.position}:{self.number}"


class OfStep(Payload):
    """A payload with a field `step`, which may be None."""

    @classmethod
    def read(cls, kept: dict[str, Any]) -> Self:
        return super().read({**kept, "step": kept["step"] and StepTarget(*kept["step"])})
