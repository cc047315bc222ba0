"""What each folder of tests costs: printed after every run, and held to tests/budget.toml in CI."""

from __future__ import annotations

import os
import time
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "budget.toml"
OVER = 1.25  # a folder may take so many times its share
SLACK = 2.0  # and so many points more: what is small varies most, and what waits for real processes
USUAL = "not soak and not long"  # as in pyproject.toml
REFERENCE_ADDITIONS = 10_000_000  # as in `python -m bench`


class Ledger:
    """Seconds of setup, call and teardown by folder: shares of them are alike on a slow and on a fast machine."""

    def __init__(self, budget: Mapping[str, float]) -> None:
        self.budget = budget  # folder -> percent of the whole
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, test: str, seconds: float) -> None:
        self.seconds[folder(test)] += seconds

    def share(self, folder: str) -> float:
        """In percent."""
        return 100 * self.seconds[folder] / (sum(self.seconds.values()) or 1)

    def findings(self) -> list[str]:
        """What was taken beyond the budget, as sentences."""
        return [
            f"{folder} takes {self.share(folder):.1f} % of the suite's time; {FILE.name} gives it {given:g} %."
            for folder in self.seconds
            if self.share(folder) > (given := self.budget.get(folder, 0.0)) * OVER + SLACK
        ]

    def table(self) -> list[str]:
        """As the budget's file would say it."""
        return [
            f'"{folder}" = {self.share(folder):.1f}  # {seconds:.1f} s, budget {self.budget.get(folder, 0.0):g}'
            for folder, seconds in sorted(self.seconds.items(), key=lambda one: -one[1])
        ]


def folder(test: str) -> str:
    """Below tests, and below its stories: what lies deeper is counted there."""
    parts = test.partition("::")[0].split("/")[:-1]
    return "/".join(parts[: 3 if parts[1:2] == ["stories"] else 2]) or "."


class Budget:
    """The plugin, in the process that reports."""

    def __init__(self, budget: Mapping[str, float], *, is_whole: bool) -> None:
        self._ledger = Ledger(budget)
        self._is_held = is_whole and os.environ.get("CI") == "true"
        self._is_shown = is_whole

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._ledger.add(report.nodeid, report.duration)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._is_held and session.exitstatus == pytest.ExitCode.OK and self._ledger.findings():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._is_shown:
            return
        terminalreporter.section("shares of the suite's time")
        for line in [*self._ledger.table(), *self._ledger.findings()]:
            terminalreporter.write_line(line)
        loops = sum(self._ledger.seconds.values()) / reference_seconds()
        terminalreporter.write_line(f"The whole is {loops:.0f} reference loops of ten million additions.")


def budget() -> dict[str, float]:
    """Folder -> percent of the whole."""
    found: dict[str, float] = tomllib.loads(FILE.read_text(encoding="utf-8"))["percent"]
    return found


def reference_seconds() -> float:
    """How long this machine takes to count to ten million at this moment."""
    began, count = time.perf_counter(), 0
    while count < REFERENCE_ADDITIONS:
        count += 1
    return time.perf_counter() - began


def is_whole(config: pytest.Config) -> bool:
    """All that `make test` runs was asked for, and nothing chosen from it: shares of a part say nothing."""
    chosen = config.option.keyword or config.getoption("lf", False) or config.getoption("collectonly", False)
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS and config.option.markexpr == USUAL
    return everything and not chosen
