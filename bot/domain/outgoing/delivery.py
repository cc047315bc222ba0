"""What the world is to be told, and what may become of telling it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar

POST = "chat.postMessage"
UPDATE = "chat.update"
EDITS = "edits"  # the rate limit that every edit of a live message passes: so many a minute over all runs


class Payload:
    """What one kind of delivery is about: a frozen dataclass whose fields JSON can hold, as the outbox keeps them.

    `method` is the call that tells it. While the other side takes no more calls of a method, its deliveries wait.
    """

    kind: ClassVar[str]
    method: ClassVar[str]

    def __init_subclass__(cls, *, kind: str | None = None, method: str = POST) -> None:
        super().__init_subclass__()
        if kind:
            cls.kind, cls.method = kind, method

    @classmethod
    def read(cls, kept: dict[str, Any]) -> Self:
        """Raises TypeError where another version with other fields wrote it."""
        return cls(**kept)


@dataclass(frozen=True)
class Movable(Payload):
    """A message with a second place, for when Slack does not take it to the first one: `elsewhere`."""

    elsewhere: bool = field(default=False, kw_only=True)


P = TypeVar("P", bound=Payload)


@dataclass(frozen=True)
class NewDelivery:
    """An intention to tell the world, written in the transaction of the fact. Rendered only when it is sent.

    `rate_limit` names the channel whose one-a-second gate it must pass (None: not paced). `collapse_key`: while a ready
    row with this key waits, a newer delivery is the same delivery. `dedupe_key`: at most one row ever.
    """

    payload: Payload
    subject: str
    rate_limit: str | None = None
    rank: int = 9
    collapse_key: str | None = None
    dedupe_key: str | None = None


@dataclass(frozen=True)
class Delivery(Generic[P]):
    """A claimed delivery on its way. `epoch` fences a late outcome; `token` is what a posted message carries."""

    id: int
    kind: str
    subject: str
    method: str
    payload: P
    rate_limit: str | None
    rank: int
    attempts: int
    lookups: int
    epoch: int
    first_sent_at: float | None  # wall
    unconfirmed: bool = False  # it may have been done: what would be skipped now is looked for first
    collapses: bool = False  # at most one ready row with its collapse key

    @property
    def token(self) -> str:
        return f"d{self.id}"


@dataclass(frozen=True)
class Call:
    """A call to make. `target` is a channel found only now, whose rate limit must be passed as well."""

    arguments: dict[str, Any]
    target: str | None = None


@dataclass(frozen=True)
class Skip:
    """There is nothing to say: the delivery is dropped."""

    reason: str


@dataclass(frozen=True)
class Wait:
    """Not yet: look again after so many seconds of wall time."""

    seconds: float
    reason: str


Plan = Call | Skip | Wait
Fate = dict[str, Any] | Wait | Skip | None


@dataclass(frozen=True)
class Found:
    """A look-up after a lost answer found the effect. `answer` takes the place of the lost one."""

    answer: dict[str, Any]
