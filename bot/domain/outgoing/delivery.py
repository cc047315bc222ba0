"""What the world is to be told, and what may become of telling it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class NewDelivery:
    """An intention to tell the world, written in the transaction of the fact. Rendered only when it is sent.

    `rate_limit` names the channel whose one-a-second gate it must pass (None: not paced). `collapse_key`: while a ready
    row with this key waits, a newer delivery is the same delivery. `dedupe_key`: at most one row ever.
    """

    kind: str
    subject: str
    method: str
    payload: dict[str, Any] = field(default_factory=dict)
    rate_limit: str | None = None
    rank: int = 9
    collapse_key: str | None = None
    dedupe_key: str | None = None


@dataclass(frozen=True)
class Delivery:
    """A claimed delivery on its way. `epoch` fences a late outcome; `token` is what a posted message carries."""

    id: int
    kind: str
    subject: str
    method: str
    payload: dict[str, Any]
    rate_limit: str | None
    rank: int
    attempts: int
    lookups: int
    epoch: int
    first_sent_at: float | None  # wall
    unconfirmed: bool = False  # it may have been done: what would be skipped now is looked for first

    @property
    def token(self) -> str:
        return f"d{self.id}"


@dataclass(frozen=True)
class Call:
    """A Web API call to make."""

    arguments: dict[str, Any]
    method: str | None = None  # None: the delivery's own
    target: str | None = None  # a channel found only now, whose rate limit must be passed as well


@dataclass(frozen=True)
class Skip:
    """Nothing to say any more: the delivery is dropped."""

    reason: str


@dataclass(frozen=True)
class Wait:
    """Not yet: look again after so many seconds of wall time."""

    seconds: float
    reason: str


Plan = Call | Skip | Wait


@dataclass(frozen=True)
class Found:
    """A look-up after a lost answer found the effect. `answer` stands in for the lost one."""

    answer: dict[str, Any]


EDITS = "edits"  # the rate limit that every edit of a live message passes: so many a minute over all runs


POST = "chat.postMessage"


UPDATE = "chat.update"
