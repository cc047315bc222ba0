"""The few things that SQLite and PostgreSQL must be asked differently, or in exactly these words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import ColumnElement, Table, literal_column, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.selectable import NamedFromClause

from bot.ports import Tx

Insert: TypeAlias = "sqlite.Insert | postgresql.Insert"

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert_into(tx: Tx, table: Table) -> Insert:
    """An INSERT that knows ON CONFLICT, which both dialects spell alike and SQLAlchemy keeps apart."""
    if tx.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # here: start-up on SQLite is quicker without it

    return postgresql.insert(table)


class Inserting:
    """An INSERT made once for each dialect, since making it costs more than asking it; rows come as parameters."""

    def __init__(self, table: Table, finish: Callable[[Insert], Any]) -> None:
        self._table, self._finish = table, finish
        self._made: dict[str, Any] = {}

    def on(self, tx: Tx) -> Any:
        name = tx.dialect.name
        if name not in self._made:
            self._made[name] = self._finish(insert_into(tx, self._table))
        return self._made[name]


def state_is(table: NamedFromClause, *states: str) -> ColumnElement[bool]:
    """`state = 'x'` with the word spelt out: a bound parameter would hide the partial index from both planners."""
    words: list[ColumnElement[str]] = [literal_column(f"'{state}'") for state in states]
    return table.c.state == words[0] if len(words) == 1 else table.c.state.in_(words)


async def prefer_indexes(tx: Tx) -> None:
    """Keep PostgreSQL, for this transaction, from gathering a whole partial index to find its first rows.

    Its statistics are always behind on tables that live by the minute; read in order, an index is never wrong here.
    """
    if tx.dialect.name == "postgresql":
        await tx.execute(text("SET LOCAL enable_bitmapscan = off"))
