"""The driver's own promises: what a cancelled task leaves behind."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from bot.store.db.sqlite_driver import OneTripConnection, OneTripCursor, connect


async def execute(connection: OneTripConnection, sql: str) -> list[tuple[int]]:
    cursor = OneTripCursor(connection)
    await cursor.execute(sql)
    return await cursor.fetchall()


async def test_a_statement_cancelled_while_it_waits_is_rolled_back(tmp_path: Path) -> None:
    """A first statement whose task is cancelled before its thread has come to it writes nothing for good."""
    connection = await connect(str(tmp_path / "one.db"), timeout_seconds=1)
    await execute(connection, "CREATE TABLE kept (number INTEGER)")
    busy = threading.Event()
    connection._tx.put_nowait((None, busy.wait))
    connection.begin = "BEGIN IMMEDIATE"
    writing = asyncio.create_task(execute(connection, "INSERT INTO kept VALUES (1)"))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await connection.rollback()
    busy.set()
    assert await execute(connection, "SELECT number FROM kept") == []
    await connection.close()
