"""People, and who is acting."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

BOT = "tocsin"  # the actor's name where the bot itself acts


class Kind(StrEnum):
    MEMBER = "member"
    GUEST = "guest"
    BOT = "bot"
    STRANGER = "stranger"  # the other side of a shared channel
    DEACTIVATED = "deactivated"


@dataclass(frozen=True)
class Person:
    """Somebody in the workspace. `id` is Slack's, `tz` an IANA zone or None."""

    id: str
    name: str
    kind: Kind = Kind.MEMBER
    tz: str | None = None
    email: str | None = None

    @property
    def is_full_member(self) -> bool:
        return self.kind is Kind.MEMBER

    def __str__(self) -> str:
        return self.name


AT_PAGERDUTY = (
    " at PagerDuty"  # what ends the id of a person who acts there, so that it is read wherever they are named
)
LONGEST_NAME = 40


def at_pagerduty(person: Person | None, name: str) -> Person:
    called = " ".join((person.name if person else name).split())[:LONGEST_NAME] or "Somebody"
    if person is None and called.isalnum() and called.isupper():
        called = f"“{called}”"  # a name there that looks like an id here is nobody's id
    return Person(f"{person.id if person else called}{AT_PAGERDUTY}", f"{called}{AT_PAGERDUTY}", Kind.STRANGER)


@dataclass(frozen=True)
class Actor:
    """Who asks, and the key of the request: the same key twice is the same request and is done once."""

    person: Person
    key: str | None = None
    source: str = "slack"  # slack | api | pagerduty
    channel: str | None = None  # where they act: who acts in a private channel is in it

    @property
    def id(self) -> str:
        return self.person.id
