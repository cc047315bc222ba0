"""aiosqlite with one trip to its thread for each statement. By itself it makes four: cursor, execute, fetch, close."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Self

import aiosqlite

Rows = list[Any]
Done = tuple[sqlite3.Cursor, Rows]


class OneTripCursor(aiosqlite.Cursor):
    """Fetches while it executes; everything asked of it afterwards is answered from memory."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._conn = connection
        self._rows: Rows = []
        self._done: sqlite3.Cursor | None = None

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Self:
        return await self._remember(partial(self._perform, sql, tuple(parameters or ())))

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        return await self._remember(partial(self._perform_many, sql, parameters))

    async def fetchall(self) -> Rows:
        rows, self._rows = self._rows, []
        return rows

    async def fetchmany(self, size: int | None = None) -> Rows:
        count = size or 1
        rows, self._rows = self._rows[:count], self._rows[count:]
        return rows

    async def fetchone(self) -> Any:
        return self._rows.pop(0) if self._rows else None

    async def close(self) -> None:
        """It was closed where it was made."""

    @property
    def description(self) -> Any:
        return self._done.description if self._done else None

    @property
    def rowcount(self) -> int:
        return self._done.rowcount if self._done else -1

    @property
    def lastrowid(self) -> int | None:
        return self._done.lastrowid if self._done else None

    async def _remember(self, work: Callable[[], Done]) -> Self:
        self._done, self._rows = await self._execute(work)  # type: ignore[no-untyped-call]  # aiosqlite's, in its thread
        return self

    def _perform(self, sql: str, parameters: tuple[Any, ...]) -> Done:
        cursor = self._conn._conn.execute(sql, parameters)
        return cursor, cursor.fetchall()

    def _perform_many(self, sql: str, parameters: Any) -> Done:
        return self._conn._conn.executemany(sql, parameters), []


class OneTripConnection(aiosqlite.Connection):
    def cursor(self) -> Any:
        return OneTripCursor(self)


async def connect(path: str, *, timeout_seconds: float) -> OneTripConnection:
    """A connection that never begins a transaction by itself, for `create_async_engine(async_creator=…)`."""

    def open_file() -> sqlite3.Connection:
        return sqlite3.connect(path, timeout=timeout_seconds, isolation_level=None)

    connection = OneTripConnection(open_file, iter_chunk_size=64)
    connection._thread.daemon = True  # a forgotten one must not keep the process alive
    await connection
    return connection
