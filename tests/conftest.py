"""Fixtures every test may ask for: a clock held by hand, and fresh databases on real SQLite and PostgreSQL."""

from __future__ import annotations

import gc
import os
import re
import shutil
import ssl
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from zlib import crc32

import pytest
import structlog
from hypothesis import settings

from bot.store.db.database import SqlDatabase
from bot.store.db.schema import migrate
from bot.store.tables import metadata
from tests.support.amazon import Amazon
from tests.support.backends import Postgres, Server, absent, postgres_server, redis_server
from tests.support.budget import Budget, budget, is_whole
from tests.support.clock import HandClock
from tests.support.databases import opened
from tests.support.mail_server import MailServer
from tests.support.pagerduty import PagerDutyStandIn, trusted
from tests.support.promises import shows_a_promise

# SQLite waits for the disk at each commit, as it should: where memory can stand in for the disk, tests wait less.
MEMORY = "/dev/shm"  # noqa: S108
# On a busy machine a slow example is no failure. In CI Hypothesis has a profile of its own, which stays.
settings.register_profile("tocsin", settings(), deadline=None)
settings.load_profile("tocsin")
gc.set_threshold(20_000, 10, 10)  # a tenth of the suite's time went into looking for garbage after every 700 objects
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2_000_000_000:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


def pytest_configure(config: pytest.Config) -> None:
    """The process that reports adds up what each folder costs."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Budget(budget(), is_whole=is_whole(config)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that shows a promise of docs/promises.md may not be skipped."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and shows_a_promise(item.nodeid):
        report.outcome = "failed"
        report.longrepr = f"This test shows a promise and was skipped: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def plain_tracebacks() -> None:
    """What tests log is written as the bot writes it: a picture of every variable on the way takes seconds."""
    if not structlog.is_configured():
        *others, _ = structlog.get_config()["processors"]
        written = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        structlog.configure(processors=[*others, written])


@pytest.fixture
def clock() -> HandClock:
    """A clock that does not move until the test moves it."""
    return HandClock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the current schema, made once."""
    path = tmp_path_factory.mktemp("template") / "tocsin.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def sqlite_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this process's tests have their database, one after the other."""
    return tmp_path_factory.mktemp("sqlite")


@pytest.fixture
def sqlite_url(sqlite_template: Path, sqlite_place: Path) -> str:
    """A fresh SQLite database with the current schema."""
    for old in sqlite_place.iterdir():
        old.unlink()
    shutil.copyfile(sqlite_template, sqlite_place / "tocsin.db")
    return f"sqlite:///{sqlite_place / 'tocsin.db'}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL server; `borrow` and `empty` hand out databases on it."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield from _databases_on(given)
        return
    with postgres_server() as server:
        yield from _databases_on(server.url if server else absent("PostgreSQL"))


def _databases_on(url: str) -> Iterator[Postgres]:
    server = Postgres(url)
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """A fresh PostgreSQL database with the current schema."""
    url = postgres.borrow(migrate)
    yield url
    postgres.give_back(url, metadata)


@pytest.fixture(scope="session")
def own_postgres() -> Iterator[Server]:
    """A PostgreSQL server that a test may kill and start again."""
    with postgres_server() as server:
        yield server or absent("PostgreSQL")


@pytest.fixture
def new_sqlite(sqlite_template: Path, tmp_path: Path) -> Callable[[], str]:
    """Makes the URL of one more SQLite database with the current schema."""

    def make() -> str:
        path = tmp_path / f"{len(list(tmp_path.glob('*.db')))}.db"
        shutil.copyfile(sqlite_template, path)
        return f"sqlite:///{path}"

    return make


@pytest.fixture
def new_postgres(postgres: Postgres) -> Iterator[Callable[[], str]]:
    """Makes the URL of one more PostgreSQL database with the current schema."""
    lent: list[str] = []

    def make() -> str:
        lent.append(postgres.borrow(migrate))
        return lent[-1]

    yield make
    for url in lent:
        postgres.give_back(url, metadata)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database with the current schema, once on each dialect."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[SqlDatabase]:
    """An open database with the current schema, once on each dialect."""
    database = await opened(database_url)
    yield database
    await database.close()


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[SqlDatabase]:
    """For tests of which the database is no part: an open one on SQLite."""
    database = await opened(sqlite_url)
    yield database
    await database.close()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis server, shared by this process's tests."""
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        yield given
        return
    with redis_server() as server:
        yield server.url if server else absent("Redis")


@pytest.fixture
def own_redis() -> Iterator[Server]:
    """A Redis server that a test may kill and start again."""
    with redis_server() as server:
        yield server or absent("Redis")


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """For a server on 127.0.0.1 that everybody trusts who honours SSL_CERT_FILE."""
    return trusted(tmp_path, monkeypatch)


@pytest.fixture
async def pagerduty(tls: ssl.SSLContext) -> AsyncIterator[PagerDutyStandIn]:
    """A PagerDuty of one's own, whose certificate is trusted."""
    async with PagerDutyStandIn().serving(tls) as stand_in:
        yield stand_in


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    """Without STARTTLS, and without asking for a login."""
    async with MailServer().serving() as server:
        yield server


@pytest.fixture
def amazon() -> Amazon:
    """Amazon's part, with a certificate in force."""
    return Amazon()


# Real processes and browsers: they wait more than they work. Begun first, they fill the time of all others.
FIRST = (
    "tests/stories/runs/test_run_chaos.py",
    "tests/stories/incidents/test_crash.py",
    "tests/stories/runs/test_run_processes.py",
    "tests/stories/alerts/test_alert_kills.py",
    "tests/browser",
    "tests/queue/test_crash.py",
    "tests/stories/runs/test_secrets.py",
    "tests/cli/test_processes.py",
    "tests/runbooks/test_examples_metrics.py",
)


BOTH = "TEST_BOTH_DATABASES"  # set: every story on SQLite and on PostgreSQL, as make soak tells them
DIALECTS = ("sqlite", "postgresql")
STORIES = ("tests/stories/", "tests/security/", "tests/catalogue/", "tests/engine/testing/", "tests/http/")


def pytest_collection_finish() -> None:
    """What was imported and collected lives as long as the process: nobody looks at it again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)  # after -k: who asks for one database gets it
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker is left alone with one of them at the end.

    A story that is written for both databases is told on one of them, the next story on the other, to save time:
    what differs between them is the kernel's and the store's, whose tests all run on both.
    """
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))
    if os.environ.get(BOTH):
        return
    all_ids = {item.nodeid for item in items}
    told_elsewhere = [item for item in items if _is_told_elsewhere(item, all_ids)]
    config.hook.pytest_deselected(items=told_elsewhere)
    left_out = set(told_elsewhere)
    items[:] = [item for item in items if item not in left_out]


def _is_told_elsewhere(item: pytest.Item, all_ids: set[str]) -> bool:
    if not item.nodeid.startswith(STORIES) or item.get_closest_marker("both_databases"):
        return False
    pair = [_on(item.nodeid, dialect) for dialect in DIALECTS]
    if not all_ids.issuperset(pair) or item.nodeid not in pair:
        return False
    return item.nodeid != pair[crc32(pair[0].encode()) % 2]


def _on(nodeid: str, dialect: str) -> str:
    """The same test on that database."""
    name, bracket, parameters = nodeid.partition("[")
    return name + bracket + re.sub("sqlite|postgresql", dialect, parameters)
