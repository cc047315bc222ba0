"""Migrations lead to the tables the code knows, whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from bot.domain.errors import Misconfigured
from bot.store.db.database import open_database
from bot.store.db.schema import (
    MIGRATIONS,
    alembic_config,
    engine_for,
    is_current,
    migrate,
    migrate_beside,
    must_be_current,
    newest,
    upgrade,
)
from bot.store.tables import metadata
from tests.support.backends import Postgres

# What the database itself says: Alembic's comparison is blind to conditions of indexes, and to defaults in SQLite.
CATALOG = {
    "sqlite": [
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "SELECT m.name, c.* FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
    ],
    "postgresql": [
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        """SELECT table_name, column_name, ordinal_position, data_type, character_maximum_length, is_nullable,
        column_default FROM information_schema.columns WHERE table_schema = 'public'""",
    ],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, once on each dialect."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.empty()
    yield url
    postgres.drop(url)


@pytest.fixture
def engine(empty_url: str) -> Iterator[Engine]:
    """A blocking engine on the empty database."""
    made = engine_for(empty_url)
    yield made
    made.dispose()


def catalog(engine: Engine) -> set[tuple[Any, ...]]:
    with engine.connect() as connection:
        rows = [tuple(row) for query in CATALOG[engine.dialect.name] for row in connection.execute(text(query))]
    return {row for row in rows if "alembic_version" not in str(row)}


def test_migrations_lead_to_the_tables(empty_url: str, engine: Engine) -> None:
    """A migrated database is what tables.py says; if not, run `python -m bot.store.migrations`."""
    with engine.begin() as connection:
        upgrade(connection)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrate(empty_url)  # nothing to do
    migrated = catalog(engine)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    assert migrated == catalog(engine)


def test_an_empty_database_is_where_the_migrations_lead(empty_url: str, engine: Engine) -> None:
    """What is made at once counts as migrated: Alembic finds the newest revision, and nothing to do."""
    migrate(empty_url)
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == ScriptDirectory(str(MIGRATIONS)).get_current_head() == newest()
        upgrade(connection)
        assert compare_metadata(context, metadata) == []


def test_migrating_twice_is_harmless(empty_url: str) -> None:
    """A second migration finds nothing to do."""
    migrate(empty_url)
    migrate(empty_url)


async def test_two_migrations_at_once(empty_url: str) -> None:
    """Two replicas that migrate at the same moment both succeed."""
    await asyncio.gather(migrate_beside(empty_url), migrate_beside(empty_url))


def test_a_failed_migration_leaves_nothing(empty_url: str, engine: Engine) -> None:
    """A migration that fails in the middle can be run again after the obstacle is gone."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE updates (id int)"))
    with pytest.raises(Misconfigured, match="updates"):
        migrate(empty_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE updates"))
    migrate(empty_url)


def test_a_downgrade_leaves_an_empty_database(empty_url: str, engine: Engine) -> None:
    """The first revision takes everything back."""
    migrate(empty_url)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert catalog(engine) == set()


async def test_the_schema_is_checked(empty_url: str) -> None:
    """An empty database is refused with the command to run; a migrated one is taken."""
    database = await open_database(empty_url)
    assert not await is_current(database)
    with pytest.raises(Misconfigured, match="tocsin migrate"):
        await must_be_current(database)
    await migrate_beside(empty_url)
    await must_be_current(database)
    await database.close()


def test_a_newer_schema_is_a_sentence(empty_url: str, engine: Engine) -> None:
    """A database that a newer version made is refused, not damaged."""
    migrate(empty_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Misconfigured, match="newer version"):
        migrate(empty_url)


async def test_a_schema_from_before_the_first_release_is_a_sentence(empty_url: str, engine: Engine) -> None:
    """A database from before the first release is refused by every command, and left as it is."""
    migrate(empty_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(Misconfigured, match="before the first release"):
        migrate(empty_url)
    database = await open_database(empty_url)
    with pytest.raises(Misconfigured, match="Name an empty one in TOCSIN_DATABASE_URL"):
        await must_be_current(database)
    await database.close()


def test_a_silent_server_is_a_sentence() -> None:
    """A server that does not answer is named, and the password is not."""
    with pytest.raises(Misconfigured, match="TOCSIN_DATABASE_URL") as problem:
        migrate("postgresql://ann:hunter2@127.0.0.1:1/tocsin")
    assert "hunter2" not in problem.value.sentence
