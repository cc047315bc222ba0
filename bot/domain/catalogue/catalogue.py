"""What operators wrote, as values: services, severities, who may do what. Loaded by `bot.catalogue`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.catalogue.matchers import Matcher
from bot.domain.catalogue.runbook import Connection, Runbook
from bot.domain.catalogue.service import Service
from bot.domain.errors import Unclear
from bot.domain.text.wording import hint

GROUP_BY = ("service", "alertname")


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
class Heartbeat:
    """An alert that must keep arriving. `severity` is that of its absence; None: the service's default."""

    every: timedelta
    severity: str | None = None

    def silent_at(self, last_arrival: datetime) -> datetime:
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
    escalation_policy: str | None = None
    runbook: str | None = None
    heartbeat: Heartbeat | None = None


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
    """`version` is a hash of its content."""

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
        """Any case. Raises Unclear with the nearest one."""
        found = self.services.get(key.casefold())
        if found is None:
            raise Unclear(f"There is no service “{key}”. {hint(key, self.services)}")
        return found

    def runbook(self, runbook_id: str) -> Runbook:
        """Any case. Raises Unclear with the nearest one."""
        found = self.runbooks.get(runbook_id.casefold())
        if found is None:
            said = hint(runbook_id, self.runbooks) if self.runbooks else "The catalogue has none yet."
            raise Unclear(f"There is no runbook “{runbook_id}”. {said}")
        return found

    def service_or_default(self, key: str) -> Service:
        """For rows of a service that has since left the catalogue."""
        return self.services.get(key) or self.services[self.default_service]
