"""What tables share: the metadata, aware UTC times, and the columns of a lease."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Utc(TypeDecorator[datetime]):
    """An aware UTC datetime in both dialects; SQLite keeps it as sortable text."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone was about to be stored.")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """PostgreSQL is told by `know_postgres`: its dialect costs start-up time, which SQLite does without."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), info={"where": text(where)})


def know_postgres() -> None:
    """The conditions of partial indexes, for PostgreSQL's DDL."""
    for index in (index for table in metadata.tables.values() for index in table.indexes if "where" in index.info):
        index.dialect_kwargs["postgresql_where"] = index.info["where"]


def lease() -> list[Column[Any]]:
    """The columns every claimed row has: who holds it, until when (wall), and how often it changed hands."""
    return [
        Column("owner", String(64)),
        Column("epoch", Integer, nullable=False, server_default="0"),
        Column("lease_until", Float),
    ]
