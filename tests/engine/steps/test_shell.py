"""shell with real programs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.domain.catalogue.runbook import Kind
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown
from bot.engine.steps import STEPS, ShellRules
from tests.engine.steps.support import NASTY, make_context

perform = STEPS[Kind.SHELL]
ECHO = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd(), sys.stdin.read()]))"
# A child and a grandchild that do not listen to SIGTERM, each leaving its number.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) < 3:
    subprocess.Popen([sys.executable, __file__, sys.argv[1], "grandchild"])
open(os.path.join(sys.argv[1], sys.argv[-1] if len(sys.argv) > 2 else "child"), "w").write(str(os.getpid()))
time.sleep(60)
"""


async def run(folder: Path | None, *argv: str, seconds: float = 20.0, given: Any = None, **more: Any) -> Outcome:
    environment = given if given is not None else {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    rules = ShellRules(folder, environment)
    written = more.pop("write", lambda text: None)
    context = make_context(timeout_seconds=seconds, shell=rules, write=written)
    return await perform({"argv": list(argv), **more}, context)


async def test_it_succeeds(tmp_path: Path) -> None:
    """A program runs in its folder, and what it says is the result and the live output."""
    (tmp_path / "in").mkdir()
    live: list[str] = []
    outcome = await run(tmp_path, "/bin/sh", "-c", "pwd; echo oops >&2", cwd="in", write=live.append)
    assert isinstance(outcome, Done)
    assert outcome.result == {"exit_code": 0, "stdout": f"{tmp_path.resolve() / 'in'}\n", "stderr": "oops\n"}
    assert sorted("".join(live).split()) == sorted([str(tmp_path.resolve() / "in"), "oops"])


async def test_it_fails_once(tmp_path: Path) -> None:
    """An exit code that is not expected is a failure with its output; an expected one is a success."""
    outcome = await run(tmp_path, "/bin/sh", "-c", "echo x >> count; echo broken; exit 3")
    assert isinstance(outcome, Failed)
    assert not outcome.certain
    assert outcome.result["exit_code"] == 3
    assert "broken" in outcome.output
    assert (tmp_path / "count").read_text() == "x\n"
    assert isinstance(await run(tmp_path, "/bin/sh", "-c", "exit 3", expect=[0, 3]), Done)


async def test_ended_by_a_signal(tmp_path: Path) -> None:
    """Somebody else's kill is named."""
    outcome = await run(tmp_path, "/bin/sh", "-c", "kill -9 $$")
    assert isinstance(outcome, Failed)
    assert "SIGKILL" in outcome.sentence


async def test_the_environment_is_empty(tmp_path: Path) -> None:
    """A program sees what the step names and nothing else; what may not be handed on is refused."""
    given = {"PATH": "/usr/bin:/bin", "TOKEN": "t", "LANG": "C.UTF-8"}
    outcome = await run(tmp_path, "/usr/bin/env", given=given, env=["TOKEN"])
    assert isinstance(outcome, Done)
    assert outcome.result["stdout"] == "TOKEN=t\n"
    refused = await run(tmp_path, "/usr/bin/env", given=given, env=["HOME"])
    assert isinstance(refused, Failed)
    assert refused.certain


async def test_stdin(tmp_path: Path) -> None:
    """A program reads what it is given, and an end of file at once where that is nothing."""
    given = await run(tmp_path, "/bin/cat", stdin="line\n" * 100_000)
    assert isinstance(given, Done)
    assert len(given.result["stdout"]) == 500_000
    assert isinstance(await run(tmp_path, "/bin/cat"), Done)
    assert isinstance(await run(tmp_path, "/bin/true", stdin="x" * 1_000_000), Done)


async def test_output_keeps_head_and_tail(tmp_path: Path) -> None:
    """Of much output both ends are kept, and how much is missing is said."""
    program = "import sys; sys.stdout.write('first' + 'x' * 5_000_000 + 'last')"
    outcome = await run(tmp_path, sys.executable, "-c", program)
    assert isinstance(outcome, Done)
    stdout = outcome.result["stdout"]
    assert stdout.startswith("first")
    assert stdout.endswith("last")
    assert len(stdout) <= 1_000_000
    assert "4,000,109 bytes left out" in stdout
    assert len(outcome.output) < 4_000


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["timed out", "cancelled"])
async def test_the_whole_group_is_ended(tmp_path: Path, is_cancelled: bool) -> None:
    """When the time is over or the step is cancelled, the program ends with its children, listening or not."""
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    argv = (sys.executable, "stubborn.py", str(tmp_path))
    task = asyncio.ensure_future(run(tmp_path, *argv, seconds=60 if is_cancelled else 5))
    numbers = [await _number(tmp_path / name) for name in ("child", "grandchild")]
    if is_cancelled:
        task.cancel()
    await asyncio.wait({task}, timeout=20)
    assert task.cancelled() if is_cancelled else isinstance(task.result(), Unknown)
    for number in numbers:
        await _gone(number)


async def _number(path: Path) -> int:
    async with asyncio.timeout(20):
        while not (path.exists() and path.read_text()):  # noqa: ASYNC110 another process writes it
            await asyncio.sleep(0.02)
    return int(path.read_text())


async def _gone(number: int) -> None:
    """The signal was sent; the system needs a moment to carry it out."""
    async with asyncio.timeout(20):
        while _runs(number):  # noqa: ASYNC110 another process ends
            await asyncio.sleep(0.02)


def _runs(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_timeout_keeps_what_was_said(tmp_path: Path) -> None:
    """What a program said before its time was over is shown."""
    outcome = await run(tmp_path, "/bin/sh", "-c", "echo started; sleep 60", seconds=0.5)
    assert isinstance(outcome, Unknown)
    assert outcome.output == "started"


async def test_a_service_left_behind_is_not_waited_for(tmp_path: Path) -> None:
    """A program that starts something and ends is over, though the other holds its output."""
    async with asyncio.timeout(10):
        outcome = await run(tmp_path, "/bin/sh", "-c", "sleep 20 & echo $!")
    assert isinstance(outcome, Done)
    psutil.Process(int(outcome.result["stdout"])).kill()


@pytest.mark.parametrize("program", ["no-such-program", "./not-executable", "/etc", ""])
async def test_a_failed_start_is_certain(tmp_path: Path, program: str) -> None:
    """What never started changed nothing."""
    (tmp_path / "not-executable").write_text("#!/bin/sh\n")
    outcome = await run(tmp_path, program)
    assert isinstance(outcome, Failed)
    assert outcome.certain


@pytest.mark.parametrize("cwd", ["..", "/", "/etc", "in/../..", "out", "missing", "a\0b"])
async def test_the_folder_is_a_fence(tmp_path: Path, cwd: str) -> None:
    """A working folder outside the catalogue folder is refused, a symbolic link that leads there too."""
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue" / "out").symlink_to(tmp_path)
    outcome = await run(tmp_path / "catalogue", "/bin/pwd", cwd=cwd)
    assert isinstance(outcome, Failed)
    assert outcome.certain


async def test_no_folder_no_programs() -> None:
    """Where no folder is allowed nothing runs."""
    outcome = await run(None, "/bin/true")
    assert isinstance(outcome, Failed)
    assert outcome.certain
    assert "TOCSIN_ALLOW_SHELL" in outcome.sentence


@pytest.mark.parametrize("text", NASTY)
async def test_one_argument_stays_one(tmp_path: Path, text: str) -> None:
    """Whatever an argument holds, the program gets exactly that as one, and no shell ever sees it."""
    outcome = await run(
        tmp_path, sys.executable, "-c", ECHO, text, "next", stdin=text, given={"LANG": "C.UTF-8"}, env=["LANG"]
    )
    assert isinstance(outcome, Done)
    argv, environment, _, _ = json.loads(outcome.result["stdout"])
    assert argv == [text, "next"]
    assert environment.get("LANG") == "C.UTF-8"
    assert "PATH" not in environment
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "argv", [["/bin/echo", "a\0b"], ["/bin/echo", "\ud83d"], "/bin/echo hello", [["/bin/echo"]], []]
)
async def test_what_does_not_fit_is_refused(tmp_path: Path, argv: Any) -> None:
    """A command line in one text is no list of arguments."""
    outcome = await perform({"argv": argv}, make_context(shell=ShellRules(tmp_path, {})))
    assert isinstance(outcome, Failed)
    assert outcome.certain
