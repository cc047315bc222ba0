"""The budget of the suite: what each folder costs is added up, shown, and held in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.budget import USUAL, Ledger, budget

ROOT = Path(__file__).parents[1]
BUDGET = {"tests/http": 20.0, "tests/stories/alerts": 60.0, "tests/stories/runs": 20.0}


def ledger(**seconds: float) -> Ledger:
    made = Ledger(BUDGET)
    for name, taken in seconds.items():
        made.add(f"tests/{name.replace('__', '/')}/test_it.py::test_one[a/b]", taken)
    return made


def test_a_test_counts_for_its_folder() -> None:
    """One level below tests, and one more below its stories."""
    made = ledger(stories__runs=1, stories__oncall=2, http=4, http__api=8)
    made.add("tests/test_it.py::test_one", 16)
    made.add("test_it.py::test_one", 32)
    assert made.seconds == {
        "tests/stories/runs": 1, "tests/stories/oncall": 2, "tests/http": 12, "tests": 16, ".": 32,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "over"),
    [
        ({"http": 20, "stories__alerts": 60, "stories__runs": 20}, []),
        ({"http": 12, "stories__alerts": 64, "stories__runs": 24}, []),
        ({"http": 2000, "stories__alerts": 6000, "stories__runs": 3000}, ["tests/stories/runs"]),
        ({"http": 30, "stories__alerts": 50, "stories__runs": 20}, ["tests/http"]),
        ({"http": 1}, ["tests/http"]),
        ({}, []),
    ],
)
def test_a_quarter_more_is_allowed(seconds: dict[str, float], over: list[str]) -> None:
    """Shares count, so that a slow machine is no finding; a quarter and two points beyond its budget is one."""
    found = ledger(**seconds).findings()
    assert [one.split()[0] for one in found] == over
    assert all("of the suite's time" in one for one in found)


def test_a_folder_without_a_budget_is_a_finding() -> None:
    """Who adds a folder says what it may cost."""
    made = Ledger({})
    made.add("tests/new/test_it.py::test_one", 1.0)
    assert made.findings() == ["tests/new takes 100.0 % of the suite's time; budget.toml gives it 0 %."]
    assert made.table() == ['"tests/new" = 100.0  # 1.0 s, budget 0']


@pytest.mark.parametrize(
    ("arguments", "ci", "code", "is_shown"),
    [
        (["-p", "xdist", "-n", "1"], "true", 1, True),
        ([], "", 0, True),
        (["tests/new"], "true", 0, False),
        (["-k", "one"], "true", 0, False),
    ],
)
def test_ci_holds_the_whole_suite_to_it(
    tmp_path: Path, arguments: list[str], ci: str, code: int, is_shown: bool
) -> None:
    """A green run of everything fails in CI where a folder takes too much; a part of the suite is not judged."""
    (tmp_path / "tests" / "new").mkdir(parents=True)
    (tmp_path / "tests" / "new" / "test_it.py").write_text("def test_one(): pass\n")
    (tmp_path / "conftest.py").write_text(
        "from tests.support.budget import Budget, is_whole\n"
        "def pytest_configure(config):\n"
        "    if not hasattr(config, 'workerinput'):\n"
        "        config.pluginmanager.register(Budget({}, is_whole=is_whole(config)))\n"
    )
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\ntestpaths = tests\naddopts = -q -m '{USUAL}'\nmarkers =\n  long: x\n  soak: x\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (ran.returncode, "tests/new takes 100.0 %" in ran.stdout) == (code, is_shown), ran.stdout + ran.stderr


def test_the_budget_is_whole() -> None:
    """Its shares are of one hundred, its folders are there, and what is usual is what pyproject.toml says."""
    percent = budget()
    assert sum(percent.values()) == pytest.approx(100, abs=1)
    assert [folder for folder in percent if not (ROOT / folder).is_dir()] == []
    assert f"-m '{USUAL}'" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
