"""Single alerts as programs list them: the newest of those that opened a group, or joined one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select

from bot.domain.alerts.alert import Status
from bot.ports import Tx
from bot.store.db.rows import read_all, reader
from bot.store.tables.alerts import alert_groups as groups, alerts
from bot.store.tables.incidents import incidents


@dataclass(frozen=True)
class RecentAlert:
    """`group` is the number of its ALR-n, whose service and severity it has."""

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
    """`filters`: service, severity, status, source to the values allowed. Never an alert of a private incident."""
    joined = alerts.join(groups, groups.c.id == alerts.c.alert_group)
    public = (
        select(
            *(alerts.c.fingerprint, alerts.c.status, alerts.c.name, alerts.c.labels, alerts.c.source),
            *(groups.c.id.label("group"), groups.c.service, groups.c.severity, alerts.c.starts_at),
            func.coalesce(alerts.c.ends_at, alerts.c.resolved_at).label("ends_at"),
        )
        .select_from(joined.outerjoin(incidents, incidents.c.id == groups.c.incident))
        .where(or_(incidents.c.id.is_(None), incidents.c.private.is_(False)))
    )
    wanted = (_COLUMNS[name].in_(list(values)) for name, values in filters.items())
    found = public.where(*wanted).order_by(alerts.c.id.desc()).limit(limit)
    return await read_all(tx, found, reader(RecentAlert, status=Status))
