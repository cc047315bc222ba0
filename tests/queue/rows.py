"""Looking at rows, as a test does."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, func, select

from bot.ports import Database


async def count(database: Database, table: Table, **equal: Any) -> int:
    """How many rows have these values."""
    where = [table.c[name] == value for name, value in equal.items()]
    async with database.reading() as tx:
        return int((await tx.execute(select(func.count()).select_from(table).where(*where))).scalar_one())


async def rows(database: Database, table: Table, **equal: Any) -> list[Any]:
    """Those rows, by id."""
    where = [table.c[name] == value for name, value in equal.items()]
    async with database.reading() as tx:
        return list((await tx.execute(select(table).where(*where).order_by(*table.primary_key))).all())


async def column(database: Database, table: Table, name: str, **equal: Any) -> list[Any]:
    """One column of those rows."""
    return [getattr(row, name) for row in await rows(database, table, **equal)]
