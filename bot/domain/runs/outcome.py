"""What became of a step: it returns its fate. Raising is for surprises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Done:
    """It worked. `result` is what later steps may read (by the kind's result names); `output` is for people.

    `sentence`: what of it did not, such as an address that was refused while others were not.
    """

    result: dict[str, Any] = field(default_factory=dict)
    output: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class Failed:
    """It did not work. `certain`: nothing left the house, so that even a `once` step may be tried again."""

    sentence: str
    certain: bool = False
    result: dict[str, Any] = field(default_factory=dict)
    output: str = ""


@dataclass(frozen=True)
class Unknown:
    """It may have happened: a time-out or reset after the request may have left. For `once` a person is asked."""

    sentence: str
    output: str = ""


@dataclass(frozen=True)
class Waiting:
    """Not over: look again after so many seconds (a wait), or when a person acts (manual, approval: None)."""

    seconds: float | None
    sentence: str


Outcome = Done | Failed | Unknown | Waiting
