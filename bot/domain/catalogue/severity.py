"""A severity: what it promises, and what an alert of it does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class OnAlert(StrEnum):
    DECLARE = "declare"  # an incident, and a card
    CARD = "card"
    LOG = "log"


class Automatic(StrEnum):
    """The most that a runbook's trigger may do, from most to least."""

    RUN = "run"
    ASK = "ask"
    SUGGEST = "suggest"
    NONE = "none"


@dataclass(frozen=True)
class Severity:
    """`rank` 0 is the worst; durations absent in the file are None."""

    key: str
    name: str
    rank: int
    aliases: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    respond_within: timedelta | None = None
    channel: bool = True
    update_every: timedelta | None = None
    remind_before: timedelta = timedelta(minutes=5)
    watch: timedelta | None = None
    postmortem_due: timedelta | None = None
    invite: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    on_alert: OnAlert = OnAlert.CARD
    automatic: Automatic = Automatic.SUGGEST
    escalation_policy: str | None = None  # a key of the service's escalation policies

    def answers_to(self, word: str) -> bool:
        return word.casefold() in {self.key.casefold(), *(alias.casefold() for alias in self.aliases)}
