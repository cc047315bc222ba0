"""What operators wrote, as values: services, severities, who may do what. Loaded by `bot.catalogue`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.errors import Unclear
from bot.domain.escalation import Ladder
from bot.domain.hours import Hours
from bot.domain.matchers import Matcher
from bot.domain.oncall import Level
from bot.domain.runbook import Connection, Runbook

GROUP_BY = ("service", "alertname")
NOWHERE = ".invalid"  # what an address ends in that is never written to


class OnAlert(StrEnum):
    """What an alert of a severity does at once."""

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
    """One level of a service. `rank` 0 is the worst; durations absent in the file are None."""

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
    tell: tuple[str, ...] = ()
    on_alert: OnAlert = OnAlert.CARD
    automatic: Automatic = Automatic.SUGGEST
    ladder: str | None = None  # a key of the service's ladders

    def answers_to(self, word: str) -> bool:
        return word.casefold() in {self.key.casefold(), *(alias.casefold() for alias in self.aliases)}


@dataclass(frozen=True)
class Contact:
    """Somebody to reach who need not be in Slack. Placeholders stay what they are."""

    email: tuple[str, ...] = ()
    who: tuple[str, ...] = ()
    phone: str | None = None
    pagerduty_service: str | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those that may be written to."""
        return tuple(address for address in self.email if not address.casefold().endswith(NOWHERE))


@dataclass(frozen=True)
class KnownAlert:
    """What operators know of an alert rule, by its name."""

    severity: str | None = None
    runbook: str | None = None
    mttr_target: timedelta | None = None


@dataclass(frozen=True)
class Objective:
    """A service level: `good` of `total` (PromQL), in percent of `window`."""

    name: str
    percent: float
    window: timedelta
    good: str
    total: str


@dataclass(frozen=True)
class Service:
    """One service. `severities` stand worst first."""

    key: str
    name: str
    severities: tuple[Severity, ...]
    default_severity: str
    timezone: str = "UTC"
    owners: tuple[str, ...] = ()
    alerts_channel: str | None = None  # None: the environment's
    incidents_channel: str | None = None
    components: tuple[str, ...] = ()
    ladders: Mapping[str, Ladder] = field(default_factory=dict)
    hours: Mapping[str, Hours] = field(default_factory=dict)
    oncall: Mapping[str, Level] = field(default_factory=dict)  # in the file's order: the first answers to `oncall`
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    alerts: Mapping[str, KnownAlert] = field(default_factory=dict)
    objectives: tuple[Objective, ...] = ()

    def level(self, who: str) -> Level | None:
        """The level that `oncall` or `oncall:LEVEL` means here."""
        _, named, key = who.partition(":")
        return self.oncall.get(key) if named else next(iter(self.oncall.values()), None)

    def find_severity(self, word: str) -> Severity | None:
        return next((level for level in self.severities if level.answers_to(word)), None)

    def severity(self, word: str) -> Severity:
        """The level of that key or alias, any case. Raises Unclear with the list."""
        found = self.find_severity(word)
        if found is None:
            raise Unclear(f"{self.name} has no severity “{word}”. It has {listing(self.severity_keys())}.")
        return found

    def severity_keys(self) -> list[str]:
        return [level.key for level in self.severities]


@dataclass(frozen=True)
class Access:
    """Who may do what: lists of `who` (catalogue.md). An empty list is nobody."""

    declare: tuple[str, ...] = ("everyone",)
    respond: tuple[str, ...] = ("everyone",)
    execute: tuple[str, ...] = ()
    approve: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something wrong in a file, for `tocsin check` and `/readyz`."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.sentence}"


@dataclass(frozen=True)
class DeadMan:
    """An alert that must keep arriving. `severity` is that of its absence; None: the service's default."""

    every: timedelta
    severity: str | None = None

    def silent_at(self, last_arrival: datetime) -> datetime:
        """When it is missed. It is counted from its first arrival on."""
        return last_arrival + self.every


@dataclass(frozen=True)
class Route:
    """One of org.yml's routes, the first being number 1. What it does not say is None and follows the alert."""

    number: int
    place: str  # org.yml:12
    match: tuple[Matcher, ...] = ()
    service: str | None = None
    severity: str | None = None
    channel: str | None = None
    ladder: str | None = None
    runbook: str | None = None
    dead_man: DeadMan | None = None


@dataclass(frozen=True)
class GenericSource:
    """How `POST /hooks/generic?source=NAME` is read: JMESPath expressions, the same keys as in org.yml."""

    alerts: str | None = None
    fingerprint: str | None = None
    status: str | None = None
    firing: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """All that operators wrote, in one value. `version` is a hash of its content."""

    services: Mapping[str, Service]
    default_service: str
    teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    access: Access = field(default_factory=Access)
    version: str = ""
    runbooks: Mapping[str, Runbook] = field(default_factory=dict)
    connections: Mapping[str, Connection] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    group_by: tuple[str, ...] = GROUP_BY
    generic: Mapping[str, GenericSource] = field(default_factory=dict)

    def service(self, key: str) -> Service:
        """The service of that key, any case. Raises Unclear with the nearest one."""
        found = self.services.get(key.casefold())
        if found is None:
            raise Unclear(f"There is no service “{key}”. {hint(key, self.services)}")
        return found

    def runbook(self, runbook_id: str) -> Runbook:
        """The runbook of that id. Raises Unclear with the nearest one."""
        found = self.runbooks.get(runbook_id.casefold())
        if found is None:
            said = hint(runbook_id, self.runbooks) if self.runbooks else "The catalogue has none yet."
            raise Unclear(f"There is no runbook “{runbook_id}”. {said}")
        return found

    def service_or_default(self, key: str) -> Service:
        """For rows of a service that has since left the catalogue."""
        return self.services.get(key) or self.services[self.default_service]


def listing(words: Iterable[str], joiner: str = "and") -> str:
    """`a, b and c`"""
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {joiner} {items[-1]}" if items else "none"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like this one, if any is alike at all."""
    matches = difflib.get_close_matches(word.casefold(), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def hint(word: str, known: Iterable[str]) -> str:
    """`Did you mean x?` or the list of what there is."""
    names = sorted(known)
    close = nearest(word, names)
    return f"Did you mean “{close}”?" if close else f"There is {listing(names)}."
