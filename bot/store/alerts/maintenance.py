"""Statements about maintenance windows, and which groups of alerts are in one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, insert, or_, select, text, update

from bot.domain.alerts.maintenance import Window
from bot.domain.errors import Missing
from bot.ports import Tx
from bot.store.tables.alerts import alert_groups as groups
from bot.store.tables.alerts import maintenance_windows as windows

_OPEN = text("alert_groups.status = 'firing'")  # word for word the partial index


def _window(row: Row[Any]) -> Window:
    return Window(**row._mapping)


async def add(tx: Tx, values: Mapping[str, Any]) -> Window:
    return _window((await tx.execute(insert(windows).returning(windows), dict(values))).one())


async def change(tx: Tx, number: int, **values: Any) -> Window:
    changed = update(windows).where(windows.c.id == number).values(**values).returning(windows)
    return _window((await tx.execute(changed)).one())


async def get(tx: Tx, number: int) -> Window:
    return _window((await tx.execute(select(windows).where(windows.c.id == number))).one())


async def lock(tx: Tx, number: int) -> Window:
    """The window, held until the transaction ends. Raises Missing."""
    row = (await tx.execute(select(windows).where(windows.c.id == number).with_for_update())).one_or_none()
    if row is None:
        raise Missing(f"There is no MNT-{number}. `/incident maintenance` shows what is on.")
    return _window(row)


def _on(now: datetime) -> Select[Any]:
    return select(windows).where(windows.c.ends_at > now, windows.c.begins_at <= now, windows.c.ended_at.is_(None))


async def on(tx: Tx, now: datetime) -> dict[str, Window]:
    """The window that each service is in; the one that ends first stands first."""
    rows = await tx.execute(_on(now).order_by(windows.c.ends_at, windows.c.id))
    return {row.service: _window(row) for row in rows}


async def of_service(tx: Tx, service: str, now: datetime) -> Window | None:
    row = (await tx.execute(_on(now).where(windows.c.service == service).limit(1))).one_or_none()
    return _window(row) if row else None


async def firing_in(tx: Tx) -> dict[int, int]:
    """How many open groups are in each window."""
    mine = select(groups.c.maintenance, func.count()).where(_OPEN, groups.c.maintenance.is_not(None))
    return {row[0]: int(row[1]) for row in await tx.execute(mine.group_by(groups.c.maintenance))}


async def of_storm(tx: Tx, storm: int) -> list[Window]:
    """The windows that open groups of a storm are in."""
    theirs = select(groups.c.maintenance).where(_OPEN, groups.c.storm == storm, groups.c.maintenance.is_not(None))
    rows = await tx.execute(select(windows).where(windows.c.id.in_(theirs.distinct())).order_by(windows.c.id))
    return [_window(row) for row in rows]


async def outside(tx: Tx, window: Window) -> list[int]:
    """The open groups of its service that are not in it, the worst first."""
    other = or_(groups.c.maintenance.is_(None), groups.c.maintenance != window.id)
    mine = select(groups.c.id).where(_OPEN, groups.c.service == window.service, other)
    return list((await tx.execute(mine.order_by(groups.c.rank, groups.c.id))).scalars())


async def inside(tx: Tx, window: Window) -> list[int]:
    """The open groups that are in it, the worst first."""
    mine = select(groups.c.id).where(_OPEN, groups.c.maintenance == window.id)
    return list((await tx.execute(mine.order_by(groups.c.rank, groups.c.id))).scalars())
