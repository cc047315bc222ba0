"""Opens the database and hands out short transactions: SQLite through one writer, PostgreSQL through a pool."""

from __future__ import annotations

import asyncio
import select
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event, exc, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from bot.domain.errors import Misconfigured
from bot.ports import Tx
from bot.store.db.fair_lock import FairLock
from bot.store.db.sqlite_driver import connect

BUSY_SECONDS = 10
SQLITE_READERS = 4
POSTGRES_POOL = 10
_SHAPE = "TOCSIN_DATABASE_URL must look like sqlite:///tocsin.db or postgresql://user:password@host/name."


class SqlDatabase:
    """`ports.Database`: `transaction()` writes, `reading()` sees one moment. Made by `open_database`."""

    def __init__(self, dialect: str, writing: AsyncEngine, reading: AsyncEngine, lock: FairLock | None) -> None:
        self.dialect = dialect
        self._writing = writing
        self._reading = reading
        self._lock = lock  # SQLite's one writer; PostgreSQL has row locks
        self._inside: set[asyncio.Task[Any] | None] = set()

    def transaction(self) -> AbstractAsyncContextManager[Tx]:
        """Commits at the end, rolls back on an exception. One at a time in a task: a second raises RuntimeError."""
        return self._transaction() if self._lock is None else self._alone(self._lock)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        """Every statement inside sees the same moment; a write fails."""
        async with self._reading.connect() as connection:
            yield connection

    async def close(self) -> None:
        await self._reading.dispose()
        await self._writing.dispose()

    @asynccontextmanager
    async def _alone(self, lock: FairLock) -> AsyncIterator[Tx]:
        self._refuse_nesting()
        async with lock, self._transaction() as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Tx]:
        self._refuse_nesting()
        task = asyncio.current_task()
        self._inside.add(task)
        try:
            async with self._writing.begin() as connection:
                yield connection
        finally:
            self._inside.discard(task)

    def _refuse_nesting(self) -> None:
        if asyncio.current_task() in self._inside:
            raise RuntimeError("A transaction was opened inside another one: hand the open one on instead.")


async def open_database(url: str) -> SqlDatabase:
    """`sqlite:///path` or `postgresql://…`. Raises Misconfigured, naming TOCSIN_DATABASE_URL."""
    parsed = parse(url)
    database = _open_sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _open_postgres(parsed)
    try:
        async with database.reading() as tx:
            await tx.exec_driver_sql("SELECT 1")
    except (exc.DBAPIError, _driver_error(parsed), OSError) as problem:
        await database.close()
        raise Misconfigured(cannot_open(parsed, problem)) from problem
    return database


def _driver_error(url: URL) -> type[Exception]:
    if url.get_backend_name() == "sqlite":
        return sqlite3.Error
    import psycopg  # here: start-up on SQLite is quicker without it

    return psycopg.Error


def parse(url: str) -> URL:
    """The URL without a driver. Raises Misconfigured when it names neither SQLite nor PostgreSQL."""
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError) as problem:
        raise Misconfigured(_SHAPE) from problem
    name = {"postgres": "postgresql"}.get(parsed.get_backend_name(), parsed.get_backend_name())
    if name not in ("sqlite", "postgresql") or parsed.database in (None, "", ":memory:"):
        raise Misconfigured(_SHAPE)
    return parsed.set(drivername=name)


def cannot_open(url: URL, problem: Exception) -> str:
    reason = str(getattr(problem, "orig", None) or problem).strip().splitlines()[0]
    shown = url.set(query={}).render_as_string(hide_password=True)
    return f"The database in TOCSIN_DATABASE_URL ({shown}) cannot be opened: {reason}"


# --- SQLite -------------------------------------------------------------------------------------------------------


def _open_sqlite(url: URL) -> SqlDatabase:
    path = Path(str(url.database))
    if not path.parent.is_dir():
        raise Misconfigured(f"TOCSIN_DATABASE_URL names a file in {path.parent}, and that folder does not exist.")
    writer = _sqlite_engine(url, size=1, begin="BEGIN IMMEDIATE", pragmas=("synchronous=FULL",))
    readers = _sqlite_engine(url, size=SQLITE_READERS, begin="BEGIN", pragmas=("query_only=ON",))
    return SqlDatabase("sqlite", writer, readers, FairLock())


def _sqlite_engine(url: URL, *, size: int, begin: str, pragmas: tuple[str, ...]) -> AsyncEngine:
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        pool_size=size,
        max_overflow=0,
        async_creator=partial(connect, str(url.database), timeout_seconds=BUSY_SECONDS),
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Any) -> None:
        connection.connection.driver_connection.begin = begin

    return engine


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


def _open_postgres(url: URL) -> SqlDatabase:
    engine = create_async_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=POSTGRES_POOL,
        max_overflow=POSTGRES_POOL,
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": BUSY_SECONDS, "application_name": "tocsin"},
    )
    event.listen(engine.sync_engine, "checkout", _refuse_dead)
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return SqlDatabase("postgresql", engine, snapshot, None)


def _refuse_dead(connection: Any, _record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    # An idle connection has nothing to read unless the server said goodbye. Looking costs no round trip,
    # where pool_pre_ping costs one in every transaction.
    poll = select.poll()
    poll.register(connection.driver_connection.fileno(), select.POLLIN)
    if poll.poll(0):
        raise exc.DisconnectionError("The server closed this connection.")
