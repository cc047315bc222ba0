"""sql {connection, query, params, write=false, max_rows=100} -> rows rowcount. PostgreSQL and SQLite, binds `:name`"""

from __future__ import annotations

import asyncio
import json
import math
import re
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from bot.domain.errors import Misconfigured, Unclear
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown
from bot.domain.text.masking import Masker
from bot.engine.steps import arguments as read
from bot.engine.steps.bounds import MAX_OUTPUT, within
from bot.engine.steps.context import StepContext

if TYPE_CHECKING:
    from psycopg import AsyncConnection

MAX_CELL = 10_000

# Texts, quoted names and comments are passed over: a `:name` in them is none.
_PIECES = re.compile(
    r"""(?P<kept>[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/
        | \$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$ | ::)
      | (?<![\w:]):(?P<name>[A-Za-z_][A-Za-z0-9_]*)""",
    re.DOTALL | re.VERBOSE | re.ASCII,
)


class _Refused(Exception):
    """By PostgreSQL. `is_undone`: the change itself was refused, so it was not committed."""

    def __init__(self, sentence: str, *, is_undone: bool) -> None:
        super().__init__(sentence)
        self.is_undone = is_undone


@dataclass
class _Work:
    query: str
    values: dict[str, Any]
    is_write: bool
    max_rows: int
    seconds: float
    masker: Masker
    stage: str = "connecting"  # connecting, running, committing, over
    rows: list[dict[str, Any]] = field(default_factory=list)
    rowcount: int = 0
    is_cut: bool = False
    size: int = 0

    def keep(self, row: Mapping[str, Any]) -> bool:
        plain = {name: _plain(value, self.masker) for name, value in row.items()}
        self.size += len(json.dumps(plain, ensure_ascii=False))
        self.is_cut = len(self.rows) >= self.max_rows or self.size > MAX_OUTPUT
        if not self.is_cut:
            self.rows.append(plain)
        return not self.is_cut


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    """One statement in a transaction of its own: read-only, and held so by the database, unless `write`."""
    work = _work(arguments, context)
    url = context.connections.address(read.text(arguments, "connection"), "sql").reveal()
    run = _runner(url)
    try:
        await within(context.timeout_seconds, run(url, work))
    except (_Refused, sqlite3.Error, OSError, TimeoutError, ValueError, OverflowError) as problem:
        if work.stage != "over":  # else only the goodbye took too long
            return _broken(problem, work)
    return _done(work, context)


def _work(arguments: Mapping[str, Any], context: StepContext) -> _Work:
    query, values = statement(arguments)
    write = read.flag(arguments, "write", False)
    most = read.whole(arguments, "max_rows", 100, 10_000)
    return _Work(query, values, write, most, context.timeout_seconds, context.masker)


def statement(arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Raises Unclear."""
    values = {name: _bindable(name, value) for name, value in read.mapping(arguments, "params").items()}
    query = read.text(arguments, "query")
    if missing := sorted(names(query) - values.keys()):
        raise Unclear(f"The query binds :{missing[0]}, and params has no {missing[0]}. Add it there.")
    return query, values


def names(query: str) -> set[str]:
    return {found["name"] for found in _PIECES.finditer(query) if found["name"]}


def _bindable(name: str, value: Any) -> Any:
    if value is not None and not isinstance(value, str | int | float):
        raise Unclear(f"The parameter {name} must be a text, a number, true, false or nothing.")
    if isinstance(value, str) and "\0" in value:
        raise Unclear(f"The parameter {name} has a character in it that no database takes.")
    return value


def _runner(url: str) -> Any:
    scheme = url.partition(":")[0].partition("+")[0].lower()
    if scheme in ("postgresql", "postgres"):
        return _on_postgres
    if scheme == "sqlite":
        return _on_sqlite
    raise Misconfigured("This connection's URL begins neither with postgresql:// nor with sqlite:///. Correct it.")


def _done(work: _Work, context: StepContext) -> Done:
    count = f"{work.rowcount:,} row{'' if work.rowcount == 1 else 's'}"
    said = f"The first {len(work.rows):,} rows; there are more." if work.is_cut else f"{count}."
    listed = "\n".join(json.dumps(row, ensure_ascii=False) for row in work.rows)
    output = "\n".join(part for part in (said, context.shown(listed)) if part)
    context.write(output + "\n")
    return Done({"rows": work.rows, "rowcount": work.rowcount}, output)


def _broken(problem: Exception, work: _Work) -> Outcome:
    reason = _reason(problem, work)
    match work.stage:
        case "connecting":
            return Failed(f"The database was not reached: {reason}.", certain=True)
        case "committing" if not (isinstance(problem, sqlite3.Error) or getattr(problem, "is_undone", False)):
            return Unknown(f"The change may have been committed: {reason}.")
    undone = " Nothing was changed: it was rolled back." if work.is_write else ""
    return Failed(f"The query failed: {reason}.{undone}")


def _reason(problem: Exception, work: _Work) -> str:
    if isinstance(problem, TimeoutError):
        return f"no answer within {work.seconds:g} s"
    masked = work.masker.mask(str(problem) or type(problem).__name__)
    return masked.strip().splitlines()[0].rstrip(".")[:300]


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


async def _on_postgres(url: str, work: _Work) -> None:
    import psycopg  # here: start-up on SQLite is quicker without it

    try:
        await _through_postgres(url, work)
    except psycopg.errors.QueryCanceled as problem:
        raise TimeoutError from problem
    except psycopg.Error as problem:
        is_undone = isinstance(problem, psycopg.errors.IntegrityError)
        said = problem.diag.message_primary or str(problem) or type(problem).__name__
        raise _Refused(said, is_undone=is_undone) from problem


async def _through_postgres(url: str, work: _Work) -> None:
    from psycopg import AsyncConnection
    from psycopg.rows import dict_row

    connection = await AsyncConnection.connect(
        re.sub(r"^postgres(ql)?(\+\w+)?:", "postgresql:", url),
        autocommit=True,  # each BEGIN and COMMIT is sent here, so that it is known what was sent
        connect_timeout=max(2, math.ceil(work.seconds)),
        application_name="tocsin",
        row_factory=dict_row,
    )
    try:
        work.stage = "running"
        await connection.execute("BEGIN" if work.is_write else "BEGIN READ ONLY")
        milliseconds = str(max(1, int(work.seconds * 1000)))
        await connection.execute("SELECT set_config('statement_timeout', %s, true)", [milliseconds])
        await (_change if work.is_write else _look)(connection, work)
    finally:
        await connection.close()


async def _look(connection: AsyncConnection[dict[str, Any]], work: _Work) -> None:
    """Row by row, so that a large table is neither fetched nor kept. Closing the connection rolls back."""
    async with connection.cursor() as cursor:
        # One statement only: stream() uses the protocol's form that takes no second one.
        stream = cursor.stream(_for_psycopg(work.query).encode(), work.values)
        try:
            async for row in stream:
                if not work.keep(row):
                    break
        finally:
            await stream.aclose()  # type: ignore[attr-defined]  # an async generator, declared as its lesser
    work.rowcount = len(work.rows)


async def _change(connection: AsyncConnection[dict[str, Any]], work: _Work) -> None:
    async with connection.cursor() as cursor:
        # Prepared, since a plain text without values may hold several statements.
        await cursor.execute(_for_psycopg(work.query).encode(), work.values, prepare=True)
        work.rowcount = max(0, cursor.rowcount)
        if cursor.description:
            async for row in cursor:
                if not work.keep(row):
                    break
    work.stage = "committing"
    await connection.execute("COMMIT")
    work.stage = "over"


def _for_psycopg(query: str) -> str:
    pieces, at = [], 0
    for found in _PIECES.finditer(query):
        if found["name"]:
            pieces += [query[at : found.start()].replace("%", "%%"), f"%({found['name']})s"]
            at = found.end()
    return "".join([*pieces, query[at:].replace("%", "%%")])


# --- SQLite -------------------------------------------------------------------------------------------------------


async def _on_sqlite(url: str, work: _Work) -> None:
    path = unquote(url.partition("://")[2].removeprefix("/").partition("?")[0])
    address = f"file:{quote(path)}?mode={'rw' if work.is_write else 'ro'}"
    stop = threading.Event()
    running = asyncio.ensure_future(asyncio.to_thread(_in_thread, address, work, stop))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({running})
        raise


def _in_thread(address: str, work: _Work, stop: threading.Event) -> None:
    # Shorter than the step's own time, since a wait for a lock cannot be interrupted.
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=work.seconds * 0.8)
    connection.row_factory = sqlite3.Row
    connection.set_progress_handler(stop.is_set, 10_000)
    try:
        _transact(connection, work, stop)
    finally:
        connection.close()


def _transact(connection: sqlite3.Connection, work: _Work, stop: threading.Event) -> None:
    connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
    work.stage = "running"
    connection.execute("BEGIN IMMEDIATE" if work.is_write else "BEGIN")
    bound = {name: value for name, value in work.values.items() if name in names(work.query)}
    cursor = connection.execute(work.query, bound)
    for row in cursor:
        if not work.keep({name: row[name] for name in row.keys()}):  # noqa: SIM118 a Row iterates over its values
            break
    work.rowcount = max(cursor.rowcount, len(work.rows))
    cursor.close()
    if stop.is_set():
        raise sqlite3.OperationalError("interrupted")
    work.stage = "committing"
    connection.execute("COMMIT" if work.is_write else "ROLLBACK")
    work.stage = "over"


# --- values -------------------------------------------------------------------------------------------------------


def _plain(value: Any, masker: Masker) -> Any:
    """A cell as JSON can hold it. Masked before it is cut."""
    match value:
        case None | bool() | int():
            return value
        case float() | Decimal():
            return float(value) if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | memoryview():
            return masker.mask(bytes(value).hex())[:MAX_CELL]
        case list() | tuple():
            return [_plain(one, masker) for one in value]
        case dict():
            return {str(name): _plain(one, masker) for name, one in value.items()}
    return masker.mask(str(value))[:MAX_CELL]
