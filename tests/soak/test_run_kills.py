"""The long storms over runs, started by `make soak`: a thousand runs, with processes killed and stopped amid them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.crash import NewDatabase
from tests.support.run_chaos import WORKERS, Outcome, brewed, check, weathered

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

RUNS = 1_000
KILLS = 50
REPEAT = "make soak PYTEST_ARGS='tests/soak/test_run_kills.py'"


def judged(outcome: Outcome) -> None:
    print(outcome)  # noqa: T201  the seed and the figures
    check(outcome, REPEAT)
    assert outcome.figures["runs"] >= RUNS
    assert outcome.figures["kills"] >= KILLS


async def test_a_thousand_runs_on_sqlite(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    """One process, killed fifty times amid a thousand runs: no effect twice, no run stuck, no message twice."""
    storm = brewed(31, wishes=RUNS, kills=KILLS, stops=4, victims=("serve",), rooms=40)
    judged(await weathered(new_sqlite, tmp_path, storm))


async def test_a_thousand_runs_on_postgresql(new_postgres: NewDatabase, tmp_path: Path) -> None:
    """A bot and two workers, killed fifty times and stopped twenty times: no effect twice, no run stuck."""
    storm = brewed(32, wishes=RUNS, kills=KILLS, stops=20, victims=("serve", *WORKERS), rooms=40)
    judged(await weathered(new_postgres, tmp_path, storm))
