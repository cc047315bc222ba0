"""sql against real PostgreSQL and SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, strategies as st
from sqlalchemy import make_url

from bot.domain.catalogue.runbook import Kind
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown
from bot.engine.steps import STEPS
from bot.engine.steps.sql import names
from tests.engine.steps.support import NASTY, Wire, cancelled, make_context, wire_to
from tests.support.backends import Postgres

perform = STEPS[Kind.SQL]

TABLE = "CREATE TABLE things (id integer PRIMARY KEY, name text)"


class Things:
    """A database with one table, asked by steps and looked at from outside."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def ask(self, query: str, params: dict[str, Any] | None = None, **more: Any) -> Outcome:
        context = make_context({"db": ("sql", self.url)}, timeout_seconds=more.pop("seconds", 5.0))
        return await perform({"connection": "db", "query": query, "params": params or {}, **more}, context)

    def rows(self) -> list[Any]:
        if self.url.startswith("sqlite"):
            connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
            try:
                return connection.execute("SELECT id, name FROM things ORDER BY id").fetchall()
            finally:
                connection.close()
        with psycopg.connect(self.url) as opened:
            return opened.execute("SELECT id, name FROM things ORDER BY id").fetchall()


@pytest.fixture(scope="module")
def things_url(postgres: Postgres) -> Iterator[str]:
    url = postgres.empty()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
    yield url
    postgres.drop(url)


@pytest.fixture
def on_postgres(things_url: str) -> Things:
    with psycopg.connect(things_url, autocommit=True) as connection:
        connection.execute("TRUNCATE things")
    return Things(things_url)


@pytest.fixture(params=["sqlite", "postgresql"])
def things(request: pytest.FixtureRequest, tmp_path: Path) -> Things:
    if request.param == "postgresql":
        found: Things = request.getfixturevalue("on_postgres")
        return found
    connection = sqlite3.connect(tmp_path / "things.db")
    connection.execute(TABLE)
    connection.close()
    return Things(f"sqlite:///{tmp_path / 'things.db'}")


@pytest.fixture
async def wire(on_postgres: Things) -> AsyncIterator[Wire]:
    url = make_url(on_postgres.url)
    async with wire_to(url.host or "", url.port or 0) as opened:
        yield opened


def through(wire: Wire, things: Things) -> Things:
    url = make_url(things.url).set(port=wire.port)
    return Things(url.render_as_string(hide_password=False) + "?sslmode=disable")


async def test_it_succeeds(things: Things) -> None:
    """A write is committed and counted; a read gives rows by name."""
    added = await things.ask("INSERT INTO things VALUES (1, :name), (2, :name)", {"name": "x"}, write=True)
    assert isinstance(added, Done)
    assert added.result["rowcount"] == 2
    read = await things.ask("SELECT id, name FROM things WHERE id = :id", {"id": 2})
    assert isinstance(read, Done)
    assert read.result == {"rows": [{"id": 2, "name": "x"}], "rowcount": 1}


async def test_it_fails_once(things: Things) -> None:
    """A query that the database refuses is a failure with its words, and leaves nothing behind."""
    outcome = await things.ask("INSERT INTO nothing VALUES (1)", write=True)
    assert isinstance(outcome, Failed)
    assert "nothing" in outcome.sentence
    assert things.rows() == []


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO things VALUES (1, 'x')",
        "DELETE FROM things",
        "DROP TABLE things",
        "CREATE TABLE other (id integer)",
        "COMMIT",
        "SELECT 1; INSERT INTO things VALUES (1, 'x')",
        "COMMIT; INSERT INTO things VALUES (1, 'x')",
        "WITH added AS (INSERT INTO things VALUES (1, 'x') RETURNING id) SELECT id FROM added",
        "SET TRANSACTION READ WRITE; INSERT INTO things VALUES (1, 'x')",
    ],
)
async def test_a_read_only_step_writes_nothing(things: Things, query: str) -> None:
    """Without `write`, the database itself refuses to change anything, and takes one statement only."""
    await things.ask(query)
    assert things.rows() == []
    if "INSERT" in query:
        assert isinstance(await things.ask(query), Failed)


async def test_a_write_is_one_statement(things: Things) -> None:
    """A second statement is refused, with the first."""
    query = "INSERT INTO things VALUES (1, 'x'); INSERT INTO things VALUES (2, 'y')"
    assert isinstance(await things.ask(query, write=True), Failed)
    assert things.rows() == []


async def test_rows_are_limited(things: Things) -> None:
    """Of many rows `max_rows` are kept, and it is said that there are more."""
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000) SELECT i FROM n"
    outcome = await things.ask(many, max_rows=3)
    assert isinstance(outcome, Done)
    assert [row["i"] for row in outcome.result["rows"]] == [1, 2, 3]
    assert "there are more" in outcome.output


async def test_a_write_that_returns_more_rows_is_kept(things: Things) -> None:
    """The limit is on what is shown, not on what is done."""
    query = "INSERT INTO things VALUES (1, 'a'), (2, 'b'), (3, 'c') RETURNING id"
    outcome = await things.ask(query, write=True, max_rows=1)
    assert isinstance(outcome, Done)
    assert len(outcome.result["rows"]) == 1
    assert len(things.rows()) == 3


@pytest.mark.parametrize("text", NASTY)
async def test_one_argument_stays_one(things: Things, text: str) -> None:
    """Whatever a value holds, it is bound: it comes back as it is and nothing else happens."""
    await things.ask("INSERT INTO things VALUES (1, :name)", {"name": text}, write=True)
    assert things.rows() == [(1, text)]
    outcome = await things.ask("SELECT name FROM things WHERE name = :name AND ':name %s' <> name", {"name": text})
    assert isinstance(outcome, Done)
    assert outcome.result["rows"] == [{"name": text}]


async def test_a_missing_value_is_named(things: Things) -> None:
    """A name without a value is found before anything is asked."""
    outcome = await things.ask("SELECT :there, :missing", {"there": 1})
    assert isinstance(outcome, Failed)
    assert outcome.certain
    assert ":missing" in outcome.sentence


async def test_it_times_out_once(things: Things) -> None:
    """A statement that takes too long is stopped where it runs, and rolled back."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    outcome = await things.ask(
        f"INSERT INTO things {endless.replace('max(i)', 'max(i), null')}", write=True, seconds=0.4
    )
    assert isinstance(outcome, Failed)
    assert "0.4 s" in outcome.sentence
    assert things.rows() == []


async def test_postgresql_is_told_the_time(on_postgres: Things) -> None:
    """The limit is set in the server, so that it holds also when this process is gone."""
    outcome = await on_postgres.ask("SELECT current_setting('statement_timeout') AS t", seconds=3)
    assert isinstance(outcome, Done)
    assert outcome.result["rows"] == [{"t": "3s"}]


async def test_a_commit_without_an_answer_is_unknown(on_postgres: Things, wire: Wire) -> None:
    """The connection breaks while the commit is on its way: it may have happened, and here it has."""
    wire.cut_after = b"COMMIT"
    outcome = await through(wire, on_postgres).ask("INSERT INTO things VALUES (1, 'x')", write=True)
    assert isinstance(outcome, Unknown)
    assert len(on_postgres.rows()) <= 1


async def test_a_commit_that_hangs_is_unknown(on_postgres: Things, wire: Wire) -> None:
    """No answer to the commit in time is no answer."""
    wire.silent_after = b"COMMIT"
    outcome = await through(wire, on_postgres).ask("INSERT INTO things VALUES (1, 'x')", write=True, seconds=0.5)
    assert isinstance(outcome, Unknown)


async def test_a_break_before_the_commit_is_a_failure(on_postgres: Things, wire: Wire) -> None:
    """What was never committed did not happen."""
    wire.cut_after = b"INSERT"
    outcome = await through(wire, on_postgres).ask("INSERT INTO things VALUES (1, 'x')", write=True)
    assert isinstance(outcome, Failed)
    assert not outcome.certain
    assert on_postgres.rows() == []


async def test_it_is_killed_in_mid_effect(on_postgres: Things, wire: Wire) -> None:
    """Cancelled while the server works, nothing is committed."""
    wire.silent_after = b"INSERT"
    await cancelled(through(wire, on_postgres).ask("INSERT INTO things VALUES (1, 'x')", write=True), wire.passed)
    assert on_postgres.rows() == []


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "postgresql://u:hidden@127.0.0.1:1/x", "mysql://x"])
async def test_an_unreachable_database_is_certain(url: str) -> None:
    """Nothing left the house, and the password is not in the sentence."""
    outcome = await Things(url).ask("SELECT 1", write=True)
    assert isinstance(outcome, Failed)
    assert outcome.certain
    assert "hidden" not in outcome.sentence


@pytest.mark.parametrize(
    "arguments", [{"params": {"a": [1]}}, {"write": "true"}, {"max_rows": 0}, {"params": {"a": "\0"}}]
)
async def test_what_does_not_fit_is_refused(arguments: dict[str, Any]) -> None:
    """Types that could be taken for something else are refused before the database is asked."""
    outcome = await Things("sqlite:////nowhere.db").ask("SELECT :a", **{"params": {"a": 1}, **arguments})
    assert isinstance(outcome, Failed)
    assert outcome.certain


async def test_other_types_become_plain(on_postgres: Things) -> None:
    """Times, numerics, bytes, arrays and JSON come as JSON can hold them."""
    outcome = await on_postgres.ask(
        "SELECT 1.5::numeric AS n, '2026-11-20T09:00Z'::timestamptz AT TIME ZONE 'UTC' AS t, '\\x01ff'::bytea AS b,"
        " ARRAY[1,2] AS a, '{\"k\": [true]}'::jsonb AS j, 'NaN'::float8 AS nan, 100 % 7 AS rest"
    )
    assert isinstance(outcome, Done)
    assert outcome.result["rows"] == [
        {"n": 1.5, "t": "2026-11-20T09:00:00", "b": "01ff", "a": [1, 2], "j": {"k": [True]}, "nan": None, "rest": 2}
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SELECT :a, ':b', \":c\", x::int -- :d\n, :e /* :f */", {"a", "e"}),
        ("SELECT $$ :a $$, $t$ :b $t$, E'it\\' :c', a[1:2], :d", {"d"}),
        ("SELECT 'it''s :a' WHERE x=:b", {"b"}),
    ],
)
def test_names_stand_in_code_only(query: str, found: set[str]) -> None:
    """A `:name` in a text, a quoted name or a comment is none, nor is a cast."""
    assert names(query) == found


@given(st.text(alphabet=":a'\"-/*$ \n\\E", max_size=40))
def test_any_query_is_read(query: str) -> None:
    """Reading a query never fails, however broken it is."""
    names(query)


async def test_a_locked_file_is_waited_for_in_vain(tmp_path: Path) -> None:
    """Somebody else holds SQLite's one lock: the step fails within its time, and nothing was changed."""
    other = sqlite3.connect(tmp_path / "things.db", isolation_level=None)
    other.execute(TABLE)
    other.execute("BEGIN IMMEDIATE")
    try:
        things = Things(f"sqlite:///{tmp_path / 'things.db'}")
        outcome = await things.ask("INSERT INTO things VALUES (1, 'x')", write=True, seconds=0.5)
    finally:
        other.close()
    assert isinstance(outcome, Failed)
    assert "locked" in outcome.sentence
    assert things.rows() == []
