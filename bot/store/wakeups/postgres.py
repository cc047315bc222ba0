"""Wake-ups through PostgreSQL: a file of its own, since an installation on SQLite starts without its driver."""

from __future__ import annotations

import psycopg
from psycopg import AsyncConnection

from bot.store.db.database import parse
from bot.store.wakeups.local import CHANNEL, RETRY_SECONDS, SharedWakeups


class PostgresWakeups(SharedWakeups):
    """LISTEN and NOTIFY, outside of every business transaction: NOTIFY inside one would queue all commits."""

    lost = (psycopg.Error, OSError)

    def __init__(self, url: str, retry_seconds: float = RETRY_SECONDS) -> None:
        super().__init__(retry_seconds)
        self._url = parse(url).render_as_string(hide_password=False)

    async def _hear(self) -> None:
        async with await self._connect() as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self._rouse()  # there may have been wake-ups while nobody listened
            async for notice in connection.notifies():
                self._heard(notice.payload)

    async def _tell(self) -> None:
        async with await self._connect() as connection:
            while await self._to_tell.wait():
                self._to_tell.clear()
                await connection.execute(f"NOTIFY {CHANNEL}, '{self._name}'")

    async def _connect(self) -> AsyncConnection:
        return await AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=10, keepalives_idle=30, application_name="tocsin hints"
        )
