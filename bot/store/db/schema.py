from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_engine,
    event,
    exc,
    inspect,
    select,
    text,
)
from sqlalchemy.pool import NullPool

from bot.domain.errors import Misconfigured
from bot.ports import Database
from bot.store.db.database import cannot_open, parse
from bot.store.tables import metadata
from bot.store.tables.base import know_postgres

if TYPE_CHECKING:  # where it is used it is imported: a start without a migration is quicker and smaller
    from alembic.config import Config

RETIRED = frozenset({"0001"})  # schemas from before the first release: no migration leads away from them
TOO_OLD = (
    "This database was made before the first release, and no migration leads from it. "
    "Name an empty one in TOCSIN_DATABASE_URL; the old one stays as it is."
)
MIGRATIONS = Path(__file__).parents[1] / "migrations"
MIGRATE_LOCK = 0x746F6373  # an advisory lock of PostgreSQL: one migrator at a time
# As Alembic makes it.
_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def migrate(url: str) -> None:
    """To the newest schema, whole or not at all. Blocks; raises Misconfigured."""
    engine = engine_for(url)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATE_LOCK})
            _bring_up(connection)
    except exc.DBAPIError as problem:
        raise Misconfigured(cannot_open(parse(url), problem)) from problem
    finally:
        engine.dispose()


def _bring_up(connection: Connection) -> None:
    """An empty database gets the tables at once, which is where the migrations lead."""
    revision = _revision(connection)
    if revision == newest():
        return
    if revision in RETIRED:
        raise Misconfigured(TOO_OLD)
    if inspect(connection).get_table_names():
        upgrade(connection)
        return
    metadata.create_all(connection)
    _VERSION.create(connection)
    connection.execute(_VERSION.insert(), {"version_num": newest()})


def upgrade(connection: Connection) -> None:
    """Raises Misconfigured where the schema is newer than the migrations."""
    from alembic import command
    from alembic.util.exc import CommandError

    try:
        command.upgrade(alembic_config(connection), "head")
    except CommandError as problem:
        raise Misconfigured("The database was made by a newer version of Tocsin: install that one.") from problem


async def migrate_beside(url: str) -> None:
    await asyncio.to_thread(migrate, url)


async def is_current(database: Database) -> bool:
    async with database.reading() as tx:
        return await tx.run_sync(_revision) == newest()


async def must_be_current(database: Database) -> None:
    """Raises Misconfigured where it is older, newer or absent."""
    async with database.reading() as tx:
        revision = await tx.run_sync(_revision)
    if revision in RETIRED:
        raise Misconfigured(TOO_OLD)
    if revision != newest():
        raise Misconfigured("The database has another schema than this version needs: run `tocsin migrate`.")


@cache
def newest() -> str:
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def alembic_config(connection: Connection) -> Config:
    """Alembic without an ini file; `env.py` finds the connection in the attributes."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def engine_for(url: str) -> Engine:
    parsed = parse(url)
    if parsed.get_backend_name() == "postgresql":
        know_postgres()
        return create_engine(parsed.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    engine = create_engine(parsed, poolclass=NullPool, connect_args={"isolation_level": None, "timeout": 10})
    # The driver would commit before each DDL statement; begun by hand, the whole migration is one transaction.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(select(_VERSION.c.version_num)).scalar()
