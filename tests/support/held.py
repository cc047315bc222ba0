"""Real counterparts of steps that hold them in mid-effect, and count what was done.

Each has the `body` of a step. It `holds` once the step has reached it; after `let_go` everybody is answered at once.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import psycopg
import redis
from aiohttp import web
from psycopg import sql

from tests.engine.steps.support import Wire, web_server, wire_to

# A program that asks for JSON is content with it, and a Prometheus would say the same.
ANSWER = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, "1"]}]}}
WORK = """
# work.sh NAME: notes who begins, and works as long as NAME.held is there, at most for two minutes. Hears no SIGTERM
trap '' TERM
echo $$ >> "$1.begun"
end=$(( $(date +%s) + 120 ))
while [ -e "$1.held" ] && [ "$(date +%s)" -lt "$end" ]; do sleep 0.05; done
"""
WAITS = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted AND objid = {}
"""


class Counterpart(Protocol):
    """What one step works on."""

    body: str

    def holds(self) -> bool: ...

    def let_go(self) -> None: ...

    def count(self) -> int: ...


class Web:
    """An HTTP server that counts by path. A held one is answered when it is let go."""

    def __init__(self) -> None:
        self.url = ""
        self.counts: Counter[str] = Counter()
        self.status: dict[str, int] = {}
        self._held: dict[str, asyncio.Event] = {}

    def hold(self, path: str) -> None:
        self._held[path] = asyncio.Event()

    def let_go(self, path: str) -> None:
        if path in self._held:
            self._held.pop(path).set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.counts[path] += 1
        if path in self._held:
            await self._held[path].wait()
        return web.json_response(ANSWER, status=self.status.get(path, 200))


@asynccontextmanager
async def counting_web() -> AsyncIterator[Web]:
    made = Web()
    async with web_server(made.handle) as url:
        made.url = url
        yield made


class HeldPath:
    """One path of that server, whichever kind of step asks for it."""

    def __init__(self, served: Web, path: str, body: str) -> None:
        self.body = body
        self._web = served
        self._path = path
        served.hold(path)

    def holds(self) -> bool:
        return self._web.counts[self._path] > 0

    def let_go(self) -> None:
        self._web.let_go(self._path)

    def count(self) -> int:
        return self._web.counts[self._path]


class HeldProgram:
    """`work.sh` in the catalogue folder, which must be there."""

    def __init__(self, folder: Path, name: str) -> None:
        self._begun, self._held = folder / f"{name}.begun", folder / f"{name}.held"
        self._held.touch()
        self.body = f"shell: {{argv: [/bin/sh, work.sh, '{folder / name}'], env: [PATH]}}"

    def holds(self) -> bool:
        return self._begun.is_file() and self.count() > 0

    def let_go(self) -> None:
        self._held.unlink(missing_ok=True)

    close = let_go

    def count(self) -> int:
        return len(self.numbers())

    def numbers(self) -> list[int]:
        """The process numbers of those that began, each the leader of its group."""
        return [int(line) for line in self._begun.read_text().split()]


class HeldPostgres:
    """An insert that waits for a lock of ours in the midst of its statement."""

    def __init__(self, url: str, name: str, key: int) -> None:
        self._key = key
        self._names = sql.Identifier(f"effects_{name}"), sql.Identifier(f"asked_{name}")
        self._connection = psycopg.connect(url, autocommit=True)
        self._run("CREATE TABLE {} (n bigint, held text)", self._names[0])
        self._run("CREATE SEQUENCE {}", self._names[1])
        self._run("SELECT pg_advisory_lock({})", sql.Literal(key))
        query = (
            f"INSERT INTO effects_{name} "
            f"SELECT nextval('asked_{name}'), CAST(pg_advisory_xact_lock_shared({key}) AS text)"
        )
        self.body = f'sql: {{connection: pg, query: "{query}", write: true}}'

    def _run(self, statement: str, *parts: sql.Composable) -> Any:
        cursor = self._connection.execute(sql.SQL(statement).format(*parts))
        return cursor.fetchone() if cursor.description else None

    def holds(self) -> bool:
        return bool(self._run(WAITS, sql.Literal(self._key))[0])

    def let_go(self) -> None:
        self._run("SELECT pg_advisory_unlock({})", sql.Literal(self._key))

    def count(self) -> int:
        return int(self._run("SELECT count(*) FROM {}", self._names[0])[0])

    def asked(self) -> int:
        """How often the statement has begun: a sequence is not rolled back."""
        return int(self._run("SELECT last_value FROM {}", self._names[1])[0])

    def close(self) -> None:
        self._connection.close()


class HeldSqlite:
    """An insert whose commit waits for a reader of ours: it is in the file's journal by then."""

    def __init__(self, path: Path, connection: str) -> None:
        query = "INSERT INTO effects VALUES (1)"
        self.body = f'sql: {{connection: {connection}, query: "{query}", write: true}}'
        self._path = path
        with self._open() as made:
            made.execute("CREATE TABLE effects (n integer)")
        self._reader = sqlite3.connect(path, isolation_level=None)
        self._reader.execute("BEGIN")
        self._reader.execute("SELECT * FROM effects").fetchall()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        try:
            yield connection
        finally:
            connection.close()

    def holds(self) -> bool:
        with self._open() as probe:
            try:
                probe.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            return False

    def let_go(self) -> None:
        self._reader.execute("ROLLBACK")

    def count(self) -> int:
        with self._open() as connection:
            return int(connection.execute("SELECT count(*) FROM effects").fetchone()[0])

    def close(self) -> None:
        self._reader.close()


class HeldRedis:
    """A counter behind a wire that passes the command on and keeps the answer."""

    def __init__(self, wire: Wire, url: str, connection: str) -> None:
        key = f"held:{uuid4().hex}"
        self.body = f"redis: {{connection: {connection}, command: [INCR, {key}]}}"
        self._wire, self._key = wire, key
        self._client = redis.Redis.from_url(url)
        wire.silent_after = b"INCR"

    def holds(self) -> bool:
        return self._wire.passed.is_set() and self.count() > 0

    def let_go(self) -> None:
        self._wire.is_silent, self._wire.silent_after = False, None

    def count(self) -> int:
        found: Any = self._client.get(self._key)
        return int(found or 0)

    def close(self) -> None:
        self._client.delete(self._key)
        self._client.close()


@asynccontextmanager
async def wire_to_redis(url: str) -> AsyncIterator[tuple[Wire, str]]:
    """A wire, and the URL by which Redis is reached through it."""
    parts = urlsplit(url)
    async with wire_to(str(parts.hostname), parts.port or 6379) as wire:
        who, at, _ = parts.netloc.rpartition("@")
        yield wire, f"redis://{who}{at}127.0.0.1:{wire.port}{parts.path}"


def is_running(group: int) -> bool:
    """Whether anybody of that process group is left, zombies aside."""
    for process in psutil.process_iter(["pid", "status"]):
        try:
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getpgid(process.pid) == group:
                return True
        except ProcessLookupError:
            continue
    return False
