from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, insert, or_, select, update

from bot.domain.alerts.maintenance import Window
from bot.ports import Tx
from bot.store.alerts.groups import OPEN, open_numbers
from bot.store.db.rows import or_missing, read_all, read_first, read_one, reader
from bot.store.tables.alerts import alert_groups as groups, maintenance_windows as windows

_window = reader(Window)


async def add(tx: Tx, values: Mapping[str, Any]) -> Window:
    return await read_one(tx, insert(windows).returning(windows), _window, values)


_CHANGE = update(windows).where(windows.c.id == bindparam("number")).returning(windows)


async def move(tx: Tx, number: int, *, ends_at: datetime, reason: str) -> Window:
    return await read_one(tx, _CHANGE, _window, {"number": number, "ends_at": ends_at, "reason": reason})


async def end(tx: Tx, number: int, *, at: datetime, by: str) -> Window:
    return await read_one(tx, _CHANGE, _window, {"number": number, "ended_at": at, "ended_by": by})


async def get(tx: Tx, number: int) -> Window:
    return await read_one(tx, select(windows).where(windows.c.id == number), _window)


async def lock(tx: Tx, number: int) -> Window:
    """Raises Missing."""
    found = await read_first(tx, select(windows).where(windows.c.id == number).with_for_update(), _window)
    return or_missing(found, f"There is no MNT-{number}. `/incident maintenance` shows what is on.")


def _on(now: datetime) -> Select[Any]:
    return select(windows).where(windows.c.ends_at > now, windows.c.begins_at <= now, windows.c.ended_at.is_(None))


async def on(tx: Tx, now: datetime) -> dict[str, Window]:
    found = await read_all(tx, _on(now).order_by(windows.c.ends_at, windows.c.id), _window)
    return {one.service: one for one in found}


async def of_service(tx: Tx, service: str, now: datetime) -> Window | None:
    return await read_first(tx, _on(now).where(windows.c.service == service).limit(1), _window)


async def firing_in(tx: Tx) -> dict[int, int]:
    mine = select(groups.c.maintenance, func.count()).where(OPEN, groups.c.maintenance.is_not(None))
    return {row[0]: row[1] for row in await tx.execute(mine.group_by(groups.c.maintenance))}


async def of_storm(tx: Tx, storm: int) -> list[Window]:
    theirs = select(groups.c.maintenance).where(OPEN, groups.c.storm == storm, groups.c.maintenance.is_not(None))
    return await read_all(
        tx, select(windows).where(windows.c.id.in_(theirs.distinct())).order_by(windows.c.id), _window
    )


async def outside(tx: Tx, window: Window) -> list[int]:
    other = or_(groups.c.maintenance.is_(None), groups.c.maintenance != window.id)
    return await open_numbers(tx, groups.c.service == window.service, other)


async def inside(tx: Tx, window: Window) -> list[int]:
    return await open_numbers(tx, groups.c.maintenance == window.id)
