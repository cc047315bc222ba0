"""The runbook that backs up a database and restores the backup, against a real PostgreSQL and its own programs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from bot.catalogue.load import load
from bot.domain.runs.outcome import Done, Failed
from bot.engine.steps import ShellRules
from bot.paths import data
from tests.engine.steps.support import make_context
from tests.runbooks.test_examples import example
from tests.support.backends import Postgres
from tests.support.postgres_programs import programs_for
from tests.support.walk import Walk


@dataclass(frozen=True)
class Shop:
    """A database worth a backup, and where its dumps go."""

    url: str
    folder: Path
    environment: dict[str, str]

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    def run(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def walk(self, **given: object) -> Walk:
        shell = ShellRules(data("runbooks") / "_shell", self.environment)
        wanted = {"database": self.name, "table": "orders", "folder": str(self.folder), **given}
        return Walk(example("backup_and_verify"), make_context(shell=shell), wanted)

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    @property
    def scratch_databases(self) -> list[tuple[object, ...]]:
        found = self.run("SELECT datname FROM pg_database")
        return [row for row in found if str(row[0]).startswith(f"verify_{self.name}_")]


@pytest.fixture
def shop(postgres: Postgres, tmp_path: Path) -> Iterator[Shop]:
    url = postgres.empty()
    folder = tmp_path / "backups"
    folder.mkdir()
    path = f"{programs_for(url)}:{os.defpath}"
    made = Shop(url, folder, {"PATH": path, "PGSERVICEFILE": str(_service_file(tmp_path, url))})
    made.run("CREATE TABLE orders (id integer PRIMARY KEY, what text)")
    made.run("INSERT INTO orders SELECT n, 'order ' || n FROM generate_series(1, 1000) n")
    made.run("CREATE VIEW large AS SELECT * FROM orders WHERE id > 500")
    yield made
    postgres.drop(url)


def _service_file(folder: Path, url: str) -> Path:
    """As an operator writes it: everything but the database's name."""
    known = psycopg.conninfo.conninfo_to_dict(url)
    lines = [f"{name}={value}" for name, value in known.items() if name != "dbname"]
    path = folder / "pg_service.conf"
    path.write_text("\n".join(["[backup]", *lines, ""]))
    return path


async def test_backed_up_and_verified(shop: Shop) -> None:
    """The dump is there with its checksum, it brought every row back, and the scratch database is gone."""
    walk = shop.walk()
    assert isinstance(await walk.go(), Done)
    assert (walk.seen("before")["rows"], walk.seen("counted")["rows"]) == (1000, 1000)
    dump = f"{shop.name}-{walk.seen('stamp')['at']}.dump"
    assert shop.files == [dump, f"{dump}.sha256"]
    digest = hashlib.sha256((shop.folder / dump).read_bytes()).hexdigest()
    assert (shop.folder / f"{dump}.sha256").read_text() == f"{digest}  {shop.folder / dump}\n"
    assert shop.scratch_databases == []


async def test_too_few_rows_come_back(shop: Shop) -> None:
    """The run says so, drops the scratch database, and leaves no checksum beside what proves nothing."""
    walk = shop.walk()
    for step_id in ("stamp", "before", "dump", "scratch"):
        await walk.step(step_id)
    shop.run("DROP VIEW large; DELETE FROM orders WHERE id > 900")
    await walk.step("dump")  # it misses them
    outcome = await walk.go(after="scratch")
    assert isinstance(outcome, Failed)
    assert outcome.output.startswith("900\n")
    assert "Fewer than 99 % of the rows of orders came back" in outcome.output
    assert [Path(name).suffix for name in shop.files] == [".dump"]
    assert shop.scratch_databases == []


async def test_an_empty_table_proves_nothing(shop: Shop) -> None:
    """No row before and none restored is no proof."""
    shop.run("CREATE TABLE empty (id integer)")
    outcome = await shop.walk(table="empty").go()
    assert isinstance(outcome, Failed)
    assert "Fewer than 99 %" in outcome.output
    assert shop.scratch_databases == []


async def test_a_dump_that_broke_off(shop: Shop) -> None:
    """Half a dump does not restore; the scratch database goes all the same."""
    walk = shop.walk()
    for step_id in ("stamp", "before", "dump", "scratch"):
        await walk.step(step_id)
    path = shop.folder / shop.files[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert isinstance(await walk.go(after="scratch"), Failed)
    assert "scratch.undo" in walk.done
    assert "counted" not in walk.done
    assert shop.scratch_databases == []


async def test_each_effect_may_come_twice(shop: Shop) -> None:
    """As after a crash: whatever is done again leads to the same end."""
    walk = shop.walk()
    await walk.step("stamp")
    for step in example("backup_and_verify").steps[1:]:
        for _ in range(2):
            outcome = await walk.step(step.id)
            assert isinstance(outcome, Done), outcome
    assert walk.seen("counted")["rows"] == 1000
    assert len(shop.files) == 2
    assert shop.scratch_databases == []


def test_programs_are_refused_where_nobody_allowed_them() -> None:
    """Out of the box no program runs; the packaged catalogue does not read the folder at all."""
    inner = data("runbooks") / "_shell"
    packaged = load([data("runbooks")])
    assert packaged.findings == ()
    assert packaged.catalogue is not None
    assert "backup_and_verify" not in packaged.catalogue.runbooks
    refused = load([data("runbooks"), inner]).findings
    assert {finding.sentence for finding in refused} == {
        "Shell steps are not allowed in this catalogue folder. Name the folder in TOCSIN_ALLOW_SHELL."
    }
