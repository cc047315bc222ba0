"""Each function deletes one batch of what ended before a moment, never what is open or linked, and returns how many
rows that were.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from itertools import accumulate
from typing import Any

from sqlalchemy import ColumnElement, String, Table, cast, delete, exists, literal, or_, select

from bot.domain.alerts.alert import Status
from bot.ports import Tx
from bot.store.alerts.groups import OPEN
from bot.store.db.dialect import state_is
from bot.store.tables.alerts import (
    alert_groups as groups,
    alert_marks as marks,
    alert_storms as storms,
    alerts,
    heartbeats,
    silences,
)
from bot.store.tables.escalation import escalations, pages
from bot.store.tables.people import oncall_overrides
from bot.store.tables.runs import runs

MOST_GROUPS = 100  # in one batch: nobody who clicks waits for more
MOST_ALERTS = 2_000  # in one batch, unless a single group has more: a group is forgotten whole
MOST_ROWS = 500


async def forget_groups(tx: Tx, before: datetime) -> int:
    chosen = await _forgettable(tx, before)
    if not chosen:
        return 0
    numbers = [number for number, _ in chosen]
    inside = alerts.c.alert_group.in_(numbers)
    await tx.execute(delete(marks).where(marks.c.alert.in_(select(alerts.c.id).where(inside))))
    await tx.execute(delete(alerts).where(inside))
    await tx.execute(delete(escalations).where(escalations.c.alert_group.in_(numbers)))
    await tx.execute(delete(pages).where(pages.c.subject.in_([f"ALR-{number}" for number in numbers])))
    return (await tx.execute(delete(groups).where(groups.c.id.in_(numbers)))).rowcount


async def _forgettable(tx: Tx, before: datetime) -> list[tuple[int, int]]:
    """Number and alert count of each, locked until the transaction ends."""
    old = (groups.c.opened_at < before, groups.c.status == Status.RESOLVED.value, groups.c.resolved_at < before)
    query = select(groups.c.id, groups.c.total).where(*old, groups.c.incident.is_(None), ~_is_linked())
    query = query.order_by(groups.c.opened_at).limit(MOST_GROUPS).with_for_update(of=groups, skip_locked=True)
    found = [(row.id, row.total) for row in await tx.execute(query)]
    fitting = sum(alerts_until <= MOST_ALERTS for alerts_until in accumulate(total for _, total in found))
    return found[: max(1, fitting)]


def _is_linked() -> ColumnElement[bool]:
    named = literal("ALR-") + cast(groups.c.id, String)
    waiting = state_is(pages, "sending", "open", "acknowledged")
    return or_(
        exists().where(runs.c.alert_group == groups.c.id),
        exists().where(
            escalations.c.alert_group == groups.c.id,
            or_(escalations.c.ended_at.is_(None), escalations.c.incident.is_not(None)),
        ),
        exists().where(pages.c.subject == named, waiting),
    )


async def forget_alerts(tx: Tx, before: datetime) -> int:
    """Alerts that were over before they were heard of are in no group."""
    over = (alerts.c.alert_group.is_(None), alerts.c.status == Status.RESOLVED.value, alerts.c.last_at < before)
    found = select(alerts.c.id).where(*over).order_by(alerts.c.last_at).limit(MOST_ALERTS)
    numbers = list((await tx.execute(found.with_for_update(skip_locked=True))).scalars())
    if not numbers:
        return 0
    await tx.execute(delete(marks).where(marks.c.alert.in_(numbers)))
    return (await tx.execute(delete(alerts).where(alerts.c.id.in_(numbers)))).rowcount


async def forget_storms(tx: Tx, before: datetime) -> int:
    is_shown = exists().where(groups.c.storm == storms.c.id)
    return await _forget(tx, storms, storms.c.id, storms.c.began_at < before, ~is_shown)


async def forget_silences(tx: Tx, before: datetime) -> int:
    ended = or_(silences.c.ends_at < before, silences.c.ended_at < before)
    is_named = exists().where(groups.c.silence == silences.c.id)
    return await _forget(tx, silences, silences.c.id, ended, ~is_named)


async def forget_overrides(tx: Tx, before: datetime) -> int:
    return await _forget(tx, oncall_overrides, oncall_overrides.c.id, oncall_overrides.c.ends_at < before)


async def forget_heartbeats(tx: Tx, before: datetime) -> int:
    is_missed = exists().where(OPEN, groups.c.heartbeat == heartbeats.c.key)
    return await _forget(tx, heartbeats, heartbeats.c.key, heartbeats.c.last_at < before, ~is_missed)


async def _forget(tx: Tx, table: Table, key: ColumnElement[Any], *old: ColumnElement[bool]) -> int:
    found: Collection[Any] = (await tx.execute(select(key).where(*old).limit(MOST_ROWS))).scalars().all()
    return (await tx.execute(delete(table).where(key.in_(found)))).rowcount if found else 0
