"""The command line as people call it: arguments in; output, one sentence and an exit code out."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from bot import cli

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """None of the bot's variables is set."""
    for name in os.environ:
        if name.startswith(("TOCSIN_", "SLACK_")):
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def run(clean_environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`tocsin <arguments>` in this process, with these variables set."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def call(*arguments: str, **variables: str) -> Outcome:
        for name, value in variables.items():
            clean_environment.setenv(name, value)
        clean_environment.setattr(sys, "argv", ["tocsin", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), out, err)

    yield call
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def fresh(run: Run, sqlite_url: str) -> Run:
    """As `run`, with a database of the current schema that no bot has worked on yet."""
    return lambda *arguments, **variables: run(*arguments, TOCSIN_DATABASE_URL=sqlite_url, **variables)


@pytest.fixture
def start(clean_environment: pytest.MonkeyPatch) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`tocsin <arguments>` as a process of its own, ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def call(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot.cli", *arguments],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()
