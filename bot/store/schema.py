"""The schema's version: bring a database to the newest, and say whether it is there."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, exc, text
from sqlalchemy.pool import NullPool

from bot.domain.errors import Misconfigured
from bot.ports import Database
from bot.store.database import cannot_open, parse

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATE_LOCK = 0x746F6373  # an advisory lock of PostgreSQL: one migrator at a time


def migrate(url: str) -> None:
    """Bring the database at `url` to the newest schema, whole or not at all. Blocks; raises Misconfigured."""
    engine = engine_for(url)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATE_LOCK})
            command.upgrade(alembic_config(connection), "head")
    except exc.DBAPIError as problem:
        raise Misconfigured(cannot_open(parse(url), problem)) from problem
    except CommandError as problem:
        raise Misconfigured("The database was made by a newer version of Tocsin: install that one.") from problem
    finally:
        engine.dispose()


async def migrate_beside(url: str) -> None:
    """`migrate` for async code: in a thread, so that the loop goes on."""
    await asyncio.to_thread(migrate, url)


async def is_current(database: Database) -> bool:
    """Whether the database has exactly the schema this version of the code expects."""
    async with database.reading() as tx:
        return await tx.run_sync(_revision) == newest()


async def must_be_current(database: Database) -> None:
    """Raises Misconfigured when the database's schema is older, newer or absent."""
    if not await is_current(database):
        raise Misconfigured("The database has another schema than this version needs: run `tocsin migrate`.")


@cache
def newest() -> str:
    """The newest revision in the package."""
    return str(ScriptDirectory(str(MIGRATIONS)).get_current_head())


def alembic_config(connection: Connection) -> Config:
    """Alembic without an ini file; `env.py` finds the connection in the attributes."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def engine_for(url: str) -> Engine:
    """A plain blocking engine, for migrations."""
    parsed = parse(url)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    engine = create_engine(parsed, poolclass=NullPool, connect_args={"isolation_level": None, "timeout": 10})
    # The driver would commit before each DDL statement; begun by hand, the whole migration is one transaction.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
