"""Runbooks that alerts call for, and how far each may go by itself. Rules only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bot.domain.catalogue import matchers
from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.catalogue.matchers import Matcher
from bot.domain.catalogue.runbook import Runbook, Trigger
from bot.domain.catalogue.severity import Automatic, Severity

Labels = Mapping[str, str]
RUN, ASK, SUGGEST = "run", "ask", "suggest"
ORDER = (RUN, ASK, SUGGEST)  # from most to least


@dataclass(frozen=True)
class Called:
    """A runbook, what is done about it at most, and the labels of the alert that called for it."""

    runbook: str
    do: str
    labels: Labels

    @property
    def by_itself(self) -> bool:
        return self.do != SUGGEST


def any_by_itself(catalogue: Catalogue) -> bool:
    return any(trigger.do != SUGGEST for one in catalogue.runbooks.values() for trigger in one.triggers)


def called(catalogue: Catalogue, severity: Severity, named: str | None, alerts: Sequence[Labels]) -> list[Called]:
    """In the order in which they are offered: the one that the routing names, then those that go furthest.

    `alerts` are the labels of some that fire. What a severity does not allow by itself is suggested, or not even that.
    """
    if severity.automatic is Automatic.NONE:
        return []
    found = {one.runbook: one for one in _triggered(catalogue, severity, alerts)}
    if named and named in catalogue.runbooks and named not in found:
        found[named] = Called(named, SUGGEST, alerts[0] if alerts else {})
    return sorted(found.values(), key=lambda one: (one.runbook != named, ORDER.index(one.do), one.runbook))


def _triggered(catalogue: Catalogue, severity: Severity, alerts: Sequence[Labels]) -> Iterator[Called]:
    for runbook in catalogue.runbooks.values():
        calls = [
            Called(runbook.id, capped(trigger.do, severity.automatic), labels)
            for trigger in _meant(runbook, severity.key)
            for labels in _matching(trigger, alerts)
        ]
        if calls:
            yield min(calls, key=lambda one: ORDER.index(one.do))


def _meant(runbook: Runbook, severity: str) -> Iterable[Trigger]:
    return (one for one in runbook.triggers if not one.severities or severity in one.severities)


def _matching(trigger: Trigger, alerts: Sequence[Labels]) -> Iterator[Labels]:
    for labels in alerts:
        if all(matcher.holds(labels) for matcher in _parsed(trigger.match)):
            yield labels
            return


@lru_cache(maxsize=1_000)
def _parsed(match: tuple[str, ...]) -> tuple[Matcher, ...]:
    return tuple(map(matchers.parse, match))


def capped(do: str, automatic: Automatic) -> str:
    return max(do, automatic.value, key=ORDER.index)
