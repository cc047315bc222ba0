"""Incidents and alerts seen from outside: filtered lists, and the figures beside them. Never private ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.deps import Deps
from bot.domain.alerts import alert
from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.errors import Missing, Unclear
from bot.domain.incidents import incident as rules
from bot.domain.incidents.incident import WORKING, Incident, Status
from bot.domain.people.person import Actor
from bot.domain.text.wording import listing
from bot.services.alerts import noisy_rules
from bot.services.alerts.noisy_rules import NoisyRules
from bot.services.incidents import queries as incident_queries
from bot.store.alerts import listing as alert_listing
from bot.store.alerts.listing import RecentAlert
from bot.store.incidents import figures, incidents as store

MEASURED_OVER = timedelta(days=30)
MOST_ALERTS = 100

Filters = dict[str, Sequence[str]]


@dataclass(frozen=True)
class Wanted:
    """In people's words: keys or aliases, any case. Empty: all."""

    severity: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    limit: int = 100


@dataclass(frozen=True)
class Overview:
    """`roles` is incident number -> role -> person. The means cover 30 days, in seconds; None: nothing to measure."""

    incidents: list[Incident]
    roles: Mapping[int, Mapping[str, str]]
    open_by_severity: dict[str, int]
    mtta_seconds: float | None
    mttr_seconds: float | None
    alerts: list[RecentAlert]
    fatigue: NoisyRules


async def overview(deps: Deps, wanted: Wanted) -> Overview:
    """Newest first. Raises Unclear for a severity, service or status that does not exist."""
    of_incidents, of_alerts = _filters(deps.catalogue, wanted)
    async with deps.database.reading() as tx:
        found = await store.search(tx, of_incidents, limit=wanted.limit)
        alerts = await alert_listing.newest(tx, of_alerts, MOST_ALERTS)
        held = await store.roles_of_many(tx, [one.id for one in found])
        active = await figures.open_by_severity(tx)
        times = await figures.times_since(tx, deps.clock.now() - MEASURED_OVER)
    return Overview(
        incidents=found,
        roles=held,
        open_by_severity=active,
        mtta_seconds=_mean((one.detected_at, one.acknowledged_at) for one in times),
        mttr_seconds=_mean((one.detected_at, one.resolved_at) for one in times),
        alerts=alerts,
        fatigue=await noisy_rules.figures(deps),
    )


async def one(deps: Deps, name: str, reader: Actor | None) -> tuple[Incident, dict[str, str]]:
    """Raises Missing, also for a private one that is not the reader's."""
    number = rules.number(name)
    if number is None:
        raise Missing(f"“{name}” is no incident's id. It looks like INC-42.")
    if reader is not None:
        incident = await incident_queries.visible(deps, number, reader)
    else:
        async with deps.database.reading() as tx:
            incident = await store.get(tx, number)
        if incident.private:
            raise Missing(f"There is no INC-{number}.")
    return incident, await incident_queries.roles_of(deps, incident)


def _filters(catalogue: Catalogue, wanted: Wanted) -> tuple[Filters, Filters]:
    filters: dict[str, Sequence[str]] = {
        "service": [catalogue.service(word).key for word in wanted.service],
        "severity": sorted({key for word in wanted.severity for key in _severities(catalogue, word)}),
        "source": [word.casefold() for word in wanted.source],
    }
    shared = {column: values for column, values in filters.items() if values}
    if not wanted.status:
        return shared, shared
    meant = [_statuses(word) for word in wanted.status]
    incidents_are = sorted({status.value for either, _ in meant for status in either})
    alerts_are = sorted({status.value for _, either in meant for status in either})
    return shared | {"status": incidents_are}, shared | {"status": alerts_are}


def _severities(catalogue: Catalogue, word: str) -> set[str]:
    """Raises Unclear."""
    every = [level for service in catalogue.services.values() for level in service.severities]
    keys = {level.key for level in every if level.answers_to(word)}
    if not keys:
        known = list(dict.fromkeys(level.key for level in every))
        raise Unclear(f"There is no severity “{word}”. There is {listing(known)}.")
    return keys


def _statuses(word: str) -> tuple[tuple[Status, ...], tuple[alert.Status, ...]]:
    """An open alert is one that fires. Raises Unclear."""
    meant = word.casefold()
    if meant == "open":
        return WORKING, (alert.Status.FIRING,)
    of_incidents = tuple(status for status in Status if status == meant)
    of_alerts = tuple(status for status in alert.Status if status == meant)
    if not of_incidents and not of_alerts:
        raise Unclear(f"“{word}” is no status. There is open, {listing([*Status, alert.Status.FIRING])}.")
    return of_incidents, of_alerts


def _mean(spans: Iterable[tuple[datetime, datetime | None]]) -> float | None:
    seconds = [(end - start).total_seconds() for start, end in spans if end is not None]
    return round(sum(seconds) / len(seconds), 3) if seconds else None
