"""A service: its severities, escalation policies, on-call, contacts and objectives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.domain.catalogue.hours import Hours
from bot.domain.catalogue.levels import Level
from bot.domain.catalogue.policy import EscalationPolicy
from bot.domain.catalogue.severity import Severity
from bot.domain.errors import Unclear
from bot.domain.text.wording import hint, listing

NOWHERE = ".invalid"  # what an address ends in that is never written to


@dataclass(frozen=True)
class Contact:
    """Somebody to reach who need not be in Slack. Placeholders stay what they are."""

    email: tuple[str, ...] = ()
    who: tuple[str, ...] = ()
    phone: str | None = None
    pagerduty_service: str | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(address for address in self.email if not address.casefold().endswith(NOWHERE))


@dataclass(frozen=True)
class KnownAlert:
    """What operators know of an alert rule, by its name."""

    severity: str | None = None
    runbook: str | None = None
    mttr_target: timedelta | None = None


@dataclass(frozen=True)
class Objective:
    """`good` of `total` (PromQL), in percent of `window`."""

    name: str
    percent: float
    window: timedelta
    good: str
    total: str


@dataclass(frozen=True)
class Service:
    """`severities`: worst first."""

    key: str
    name: str
    severities: tuple[Severity, ...]
    default_severity: str
    timezone: str = "UTC"
    owners: tuple[str, ...] = ()
    alerts_channel: str | None = None  # None: the environment's
    incidents_channel: str | None = None
    components: tuple[str, ...] = ()
    escalation_policies: Mapping[str, EscalationPolicy] = field(default_factory=dict)
    hours: Mapping[str, Hours] = field(default_factory=dict)
    oncall: Mapping[str, Level] = field(default_factory=dict)  # in the file's order: the first answers to `oncall`
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    alerts: Mapping[str, KnownAlert] = field(default_factory=dict)
    objectives: tuple[Objective, ...] = ()

    def level(self, who: str) -> Level | None:
        _, named, key = who.partition(":")
        return self.oncall.get(key) if named else next(iter(self.oncall.values()), None)

    def find_severity(self, word: str) -> Severity | None:
        return next((level for level in self.severities if level.answers_to(word)), None)

    def severity(self, word: str) -> Severity:
        """A key or alias, any case. Raises Unclear with the list."""
        found = self.find_severity(word)
        if found is None:
            raise Unclear(f"{self.name} has no severity “{word}”. It has {listing(self.severity_keys())}.")
        return found

    def no_severity(self, word: str) -> str:
        return f"{self.name} has no severity “{word}”. {hint(word, self.severity_keys())}"

    def severity_keys(self) -> list[str]:
        return [level.key for level in self.severities]
