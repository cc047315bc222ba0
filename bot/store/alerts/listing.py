"""Single alerts as programs list them: the newest of those that opened a group, or joined one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, or_, select

from bot.domain.alerts.alert import Status
from bot.ports import Tx
from bot.store.tables.alerts import alert_groups as groups
from bot.store.tables.alerts import alerts
from bot.store.tables.incidents import incidents


@dataclass(frozen=True)
class RecentAlert:
    """One alert. `group` is the number of its ALR-n, whose service and severity it has."""

    fingerprint: str
    status: Status
    name: str
    labels: Mapping[str, str]
    source: str
    group: int
    service: str
    severity: str
    starts_at: datetime | None
    ends_at: datetime | None


_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "service": groups.c.service,
    "severity": groups.c.severity,
    "status": alerts.c.status,
    "source": func.lower(alerts.c.source),
}


async def newest(tx: Tx, filters: Mapping[str, Sequence[str]], limit: int) -> list[RecentAlert]:
    """`filters`: service, severity, status, source to the values allowed. Never one of a private incident."""
    joined = alerts.join(groups, groups.c.id == alerts.c.alert_group)
    joined = joined.outerjoin(incidents, incidents.c.id == groups.c.incident)
    query: Select[Any] = select(
        *(alerts.c.fingerprint, alerts.c.status, alerts.c.name, alerts.c.labels, alerts.c.source, alerts.c.alert_group),
        *(groups.c.service, groups.c.severity, alerts.c.starts_at, alerts.c.ends_at, alerts.c.resolved_at),
    ).select_from(joined)
    query = query.where(or_(incidents.c.id.is_(None), incidents.c.private.is_(False)))
    for name, values in filters.items():
        query = query.where(_COLUMNS[name].in_(list(values)))
    return [_recent(row) for row in await tx.execute(query.order_by(alerts.c.id.desc()).limit(limit))]


def _recent(row: Row[Any]) -> RecentAlert:
    return RecentAlert(
        fingerprint=row.fingerprint,
        status=Status(row.status),
        name=row.name,
        labels=row.labels,
        source=row.source,
        group=row.alert_group,
        service=row.service,
        severity=row.severity,
        starts_at=row.starts_at,
        ends_at=row.ends_at or row.resolved_at,
    )
