from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial

from bot.deps import Deps
from bot.domain.alerts import routing
from bot.domain.alerts.group import AlertGroup
from bot.domain.alerts.silence import Silence, longest
from bot.domain.catalogue.severity import Severity
from bot.ports import Tx
from bot.store.alerts import silences as store
from bot.store.alerts.silences import Firing


async def covering(deps: Deps, tx: Tx, groups: Collection[AlertGroup]) -> dict[int, Silence]:
    silences = await store.in_force(tx, deps.clock.now())
    if not silences or not groups:
        return {}
    firing = _by_group(await store.firing(tx, [group.id for group in groups]))
    found = {
        number: longest(one for one in silences if _covers(deps, one, alerts)) for number, alerts in firing.items()
    }
    return {number: silence for number, silence in found.items() if silence}


async def covered(deps: Deps, tx: Tx, silence: Silence) -> list[int]:
    firing = _by_group(await store.firing(tx, awake_at=silence.ends_at))
    return [number for number, alerts in firing.items() if _covers(deps, silence, alerts)]


def _by_group(firing: Iterable[Firing]) -> dict[int, list[Firing]]:
    found: dict[int, list[Firing]] = {}
    for alert in firing:
        found.setdefault(alert.group, []).append(alert)
    return found


def _covers(deps: Deps, silence: Silence, alerts: Sequence[Firing]) -> bool:
    return all(silence.covers(alert.labels, alert.service, partial(_severity, deps, alert)) for alert in alerts)


def _severity(deps: Deps, alert: Firing) -> Severity:
    """The alert of a missed heartbeat has its own, and no route."""
    if not alert.is_heartbeat:
        return routing.route(deps.catalogue, alert.labels).severity
    service = deps.catalogue.service_or_default(alert.service)
    return service.find_severity(alert.severity) or service.severity(service.default_severity)
