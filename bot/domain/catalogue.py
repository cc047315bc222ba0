"""What operators wrote, as values: services, severities, who may do what. Loaded by `bot.catalogue`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.domain.errors import Unclear
from bot.domain.runbook import Connection, Runbook


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

    def answers_to(self, word: str) -> bool:
        return word.casefold() in {self.key.casefold(), *(alias.casefold() for alias in self.aliases)}


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
class Catalogue:
    """All that operators wrote, in one value. `version` is a hash of its content."""

    services: Mapping[str, Service]
    default_service: str
    teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    access: Access = field(default_factory=Access)
    version: str = ""
    runbooks: Mapping[str, Runbook] = field(default_factory=dict)
    connections: Mapping[str, Connection] = field(default_factory=dict)

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
