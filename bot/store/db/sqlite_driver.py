"""aiosqlite with one trip to its thread for each statement. By itself it makes four: cursor, execute, fetch, close.
BEGIN goes along with the first statement, and nobody waits for ROLLBACK.
"""

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

    def __init__(self, connection: OneTripConnection) -> None:
        self._conn: OneTripConnection = connection
        self._rows: Rows = []
        self._done: sqlite3.Cursor | None = None

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Self:
        return await self._remember(partial(self._perform, self._conn.take_begin(), sql, tuple(parameters or ())))

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        return await self._remember(partial(self._perform_many, self._conn.take_begin(), sql, parameters))

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

    def _perform(self, begin: str, sql: str, parameters: tuple[Any, ...]) -> Done:
        cursor = self._begun(begin).execute(sql, parameters)
        return cursor, cursor.fetchall()

    def _perform_many(self, begin: str, sql: str, parameters: Any) -> Done:
        return self._begun(begin).executemany(sql, parameters), []

    def _begun(self, begin: str) -> sqlite3.Connection:
        if begin:
            self._conn._conn.execute(begin)
        return self._conn._conn


class OneTripConnection(aiosqlite.Connection):
    begin = ""  # the BEGIN that is due with the next statement

    def take_begin(self) -> str:
        """In the loop's thread: a statement whose task is cancelled is queued with its BEGIN, or not at all."""
        begin, self.begin = self.begin, ""
        return begin

    def cursor(self) -> Any:
        return OneTripCursor(self)

    async def commit(self) -> None:
        if not self.take_begin():
            await super().commit()

    async def rollback(self) -> None:
        if not self.take_begin() and self._connection:
            self._tx.put_nowait((None, self._connection.rollback))  # what comes next waits behind it


async def connect(path: str, *, timeout_seconds: float) -> OneTripConnection:
    """It never begins a transaction by itself, as `create_async_engine(async_creator=…)` needs it."""

    def open_file() -> sqlite3.Connection:
        return sqlite3.connect(path, timeout=timeout_seconds, isolation_level=None)

    connection = OneTripConnection(open_file, iter_chunk_size=64)
    connection._thread.daemon = True  # a forgotten one must not keep the process alive
    await connection
    return connection
