"""The database as a process opens it: to work on it, or to look into it beside a running bot."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.settings import Settings
from bot.store.db.clock import DatabaseClock
from bot.store.db.database import SqlDatabase, open_database
from bot.store.db.process_lock import only_process
from bot.store.db.schema import migrate_beside, must_be_current


@asynccontextmanager
async def opened(settings: Settings, *, beside: bool = False) -> AsyncIterator[SqlDatabase]:
    """With the current schema. `beside`: another process may be working on it, so nothing is migrated.

    Raises Misconfigured.
    """
    url = settings.database_url.reveal()
    with contextlib.nullcontext() if beside else only_process(url):
        if settings.on_sqlite and not beside:
            await migrate_beside(url)
        database = await open_database(url)
        try:
            await must_be_current(database)
            yield database
        finally:
            await database.close()


@dataclass(frozen=True)
class Opened:
    database: SqlDatabase
    clock: DatabaseClock


@asynccontextmanager
async def clocked(settings: Settings) -> AsyncIterator[Opened]:
    async with opened(settings, beside=True) as database:
        clock = DatabaseClock(database, settings.clock_speed)
        await clock.join()
        yield Opened(database, clock)
