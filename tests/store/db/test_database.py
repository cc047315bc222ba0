"""Transactions keep their promises on both dialects."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import exc, func, insert, select, text

from bot.domain.errors import Misconfigured
from bot.store.db.database import SqlDatabase, open_database
from bot.store.tables.queue import rate_limits
from tests.support.backends import Server


async def names(database: SqlDatabase) -> list[str]:
    async with database.reading() as tx:
        return list((await tx.execute(select(rate_limits.c.name).order_by(rate_limits.c.name))).scalars())


async def add(database: SqlDatabase, *names: str) -> None:
    async with database.transaction() as tx:
        for name in names:
            await tx.execute(insert(rate_limits).values(name=name, next_at=0))


async def test_a_transaction_commits(database: SqlDatabase) -> None:
    """What was written is there for the next reader."""
    await add(database, "a")
    assert await names(database) == ["a"]


async def test_an_exception_rolls_back(database: SqlDatabase) -> None:
    """A transaction that raises leaves nothing behind, and the next one works."""
    with pytest.raises(exc.IntegrityError):
        await add(database, "a", "a")
    await add(database, "b")
    assert await names(database) == ["b"]


async def test_a_cancelled_transaction_rolls_back(database: SqlDatabase) -> None:
    """A task cancelled inside a transaction leaves nothing behind and does not keep the writer."""
    reached = asyncio.Event()

    async def stall() -> None:
        async with database.transaction() as tx:
            await tx.execute(insert(rate_limits).values(name="a", next_at=0))
            reached.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stall())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await add(database, "b")
    assert await names(database) == ["b"]


async def test_a_cancelled_statement_rolls_back(database: SqlDatabase) -> None:
    """A task cancelled while its statement runs leaves nothing behind and does not keep the writer."""
    for turns in range(1, 12):
        task = asyncio.create_task(add(database, f"lost {turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    before = await names(database)
    await add(database, "b")
    assert await names(database) == sorted([*before, "b"])


async def test_reading_sees_one_moment(database: SqlDatabase) -> None:
    """A reader keeps seeing the moment it began in, while others commit."""
    async with database.reading() as tx:
        count = select(func.count()).select_from(rate_limits)
        assert (await tx.execute(count)).scalar_one() == 0
        await add(database, "a")
        assert (await tx.execute(count)).scalar_one() == 0


async def test_reading_cannot_write(database: SqlDatabase) -> None:
    """A write through the reading side is an error, not a surprise later."""
    async with database.reading() as tx:
        with pytest.raises(exc.DBAPIError):
            await tx.execute(insert(rate_limits).values(name="a", next_at=0))
    await add(database, "b")
    assert await names(database) == ["b"]


async def test_nesting_is_refused(database: SqlDatabase) -> None:
    """A transaction inside another one of the same task raises at once instead of waiting for itself."""
    async with database.transaction():
        with pytest.raises(RuntimeError, match="inside another"):
            await add(database, "a")
    await add(database, "b")
    assert await names(database) == ["b"]


async def test_many_writers_at_once(database: SqlDatabase) -> None:
    """Fifty tasks that write at the same moment all succeed."""
    await asyncio.gather(*(add(database, f"{n:02}") for n in range(50)))
    assert await names(database) == [f"{n:02}" for n in range(50)]


async def test_two_processes_write_beside_each_other(sqlite_url: str) -> None:
    """A second opening of the same SQLite file waits for the first one's transaction."""
    first, second = await open_database(sqlite_url), await open_database(sqlite_url)
    await asyncio.gather(*(add(first, f"a{n}") for n in range(5)), *(add(second, f"b{n}") for n in range(5)))
    assert len(await names(second)) == 10
    await first.close()
    await second.close()


async def test_sqlite_keeps_what_it_promised(sqlite_url: str) -> None:
    """The writer survives a power cut, checks foreign keys and lets readers read."""
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    database = await open_database(sqlite_url)
    async with database.transaction() as tx:
        found = {name: (await tx.execute(text(f"PRAGMA {name}"))).scalar_one() for name in expected}
    assert found == expected
    await database.close()


async def test_postgres_comes_back(own_postgres: Server) -> None:
    """After the server was killed and started again the first transaction works, without an error in between."""
    database = await open_database(own_postgres.url)
    async with database.transaction() as tx:
        await tx.execute(text("SELECT 1"))
    own_postgres.kill()
    await asyncio.to_thread(own_postgres.start)
    async with database.transaction() as tx:
        assert (await tx.execute(text("SELECT 2"))).scalar_one() == 2
    await database.close()


@pytest.mark.parametrize("url", ["", "tocsin.db", "mysql://host/name", "sqlite://", "sqlite:///:memory:", "http://x"])
async def test_a_wrong_url_is_a_sentence(url: str) -> None:
    """A URL that names neither SQLite nor PostgreSQL is explained, with the variable's name."""
    with pytest.raises(Misconfigured, match="TOCSIN_DATABASE_URL must look like"):
        await open_database(url)


async def test_a_silent_server_is_a_sentence() -> None:
    """A server that does not answer is named, and the password is not."""
    with pytest.raises(Misconfigured, match="TOCSIN_DATABASE_URL") as problem:
        await open_database("postgresql://ann:hunter2@127.0.0.1:1/tocsin?password=hunter2")
    assert "hunter2" not in problem.value.sentence


async def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    """A SQLite file in a folder that does not exist is explained."""
    with pytest.raises(Misconfigured, match="does not exist"):
        await open_database(f"sqlite:///{tmp_path}/nowhere/tocsin.db")


async def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    """A file that holds something else is explained, and left alone."""
    path = tmp_path / "notes.txt"
    path.write_text("Not a database." * 100)
    with pytest.raises(Misconfigured, match="not a database"):
        await open_database(f"sqlite:///{path}")
    assert path.read_text().startswith("Not a database.")


async def test_a_statement_answers_in_every_way(database: SqlDatabase) -> None:
    """Rows come one, some or all at a time, streamed or not; counts and new keys are told."""
    rows = [{"name": f"g{n}", "next_at": n} for n in range(150)]
    async with database.transaction() as tx:
        await tx.execute(insert(rate_limits), rows)
        changed = await tx.execute(rate_limits.update().where(rate_limits.c.next_at < 10).values(next_at=0))
        assert changed.rowcount == 10
        returned = await tx.execute(
            rate_limits.delete().where(rate_limits.c.next_at == 0).returning(rate_limits.c.name)
        )
        assert len(returned.all()) == 10
    async with database.reading() as tx:
        query = select(rate_limits.c.name).order_by(rate_limits.c.next_at)
        assert (await tx.execute(query)).first() == ("g10",)
        assert (await tx.execute(query)).fetchmany(2) == [("g10",), ("g11",)]
        async with tx.stream(query.execution_options(yield_per=7)) as stream:
            assert [row.name async for row in stream] == [f"g{n}" for n in range(10, 150)]
        assert (await tx.execute(query.where(rate_limits.c.next_at > 1000))).one_or_none() is None
