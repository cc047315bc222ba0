"""What a run would do, worked out before it does anything, and the hash that an approval is bound to. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.domain.catalogue.runbook import ApprovalRule, Effect, Kind

YES, NO, LATE = "yes", "no", "late"


@dataclass(frozen=True)
class Late:
    """An argument that needs earlier results. It is hashed as its source, and worked out when its step comes."""

    source: str
    steps: tuple[str, ...]  # whose results it needs


@dataclass(frozen=True)
class PlannedStep:
    """One step as it would be done. `runs` is yes, no (its condition does not hold) or late (known when it comes)."""

    id: str
    number: int  # from 1
    kind: Kind
    effect: Effect
    title: str
    target: str  # a host, a connection and where its address comes from, a program, a person
    arguments: Mapping[str, Any]  # rendered; a Late where a result is needed
    runs: str = YES
    condition: str = ""
    approval: ApprovalRule | None = None  # an approval of its own
    is_late: bool = False  # some argument is
    undo: PlannedStep | None = None

    @property
    def needs_own_approval(self) -> bool:
        return self.approval is not None or (self.effect is Effect.ONCE and self.is_late)


@dataclass(frozen=True)
class Plan:
    """The whole of it. `parameters` holds secrets as references, `subject` what expressions see in addition."""

    runbook: str
    version: str
    parameters: Mapping[str, Any]
    subject: Mapping[str, Any]
    steps: tuple[PlannedStep, ...]
    problems: Mapping[str, str] = field(default_factory=dict)  # step id -> why it could not work; no part of the hash

    @property
    def hash(self) -> str:
        """sha256; secrets by reference only."""
        return digest(
            {
                "runbook": self.runbook,
                "version": self.version,
                "parameters": {name: _parameter(value) for name, value in self.parameters.items()},
                "subject": self.subject,
                "steps": [_hashed(step) for step in self.steps],
            }
        )

    def step(self, step_id: str) -> PlannedStep | None:
        every = (one for step in self.steps for one in (step, step.undo) if one)
        return next((one for one in every if one.id == step_id), None)


def digest(value: Any) -> str:
    """sha256 of a canonical text that keeps types apart: 1, 1.0, true and "1" are four values."""
    text = json.dumps(_canonical(value), separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _parameter(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else {"reference": str(value)}


def _hashed(step: PlannedStep) -> dict[str, Any]:
    return {
        "id": step.id,
        "kind": step.kind.value,
        "effect": step.effect.value,
        "target": step.target,
        "arguments": step.arguments,
        "runs": step.runs,
        "condition": step.condition,
        "undo": _hashed(step.undo) if step.undo else None,
    }


def _canonical(value: Any) -> Any:
    """No two different values are written alike."""
    match value:
        case None:
            return ["none"]
        case bool():
            return ["bool", value]
        case int():
            return ["int", str(value)]
        case float():
            return ["float", value.hex()]
        case str():
            return ["text", value]
        case Late(source=source):
            return ["late", source]
        case Mapping():
            return ["map", sorted([str(key), _canonical(one)] for key, one in value.items())]
        case list() | tuple():
            return ["list", [_canonical(one) for one in value]]
    raise TypeError(f"{type(value).__name__} has no place in a plan.")
