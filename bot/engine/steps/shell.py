"""shell {argv, env, cwd, stdin?, expect} -> exit_code stdout stderr. A program by its arguments; there is no shell"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bot.domain.errors import Unclear
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown
from bot.domain.text.masking import Masker
from bot.engine.steps import arguments as read
from bot.engine.steps.bounds import HeadAndTail
from bot.engine.steps.context import ShellRules, StepContext

GRACE_SECONDS = 1.0  # between the request to end and the end
DRAIN_SECONDS = 0.5  # for output that is still on its way when the program has ended
CHUNK = 65_536


@dataclass(frozen=True)
class _Program:
    argv: list[str]
    env: dict[str, str]
    cwd: Path
    stdin: bytes | None
    expect: frozenset[int]


@dataclass
class _Output:
    """What came, masked before it is cut, and bounded; and as it comes, for those who watch."""

    write: Callable[[str], None]
    masker: Masker
    stdout: HeadAndTail = field(default_factory=HeadAndTail)
    stderr: HeadAndTail = field(default_factory=HeadAndTail)

    async def follow(self, stream: asyncio.StreamReader, into: HeadAndTail) -> None:
        decoder, masked = codecs.getincrementaldecoder("utf-8")("replace"), self.masker.stream()
        try:
            while chunk := await stream.read(CHUNK):
                self._keep(masked.feed(decoder.decode(chunk)), into)
        finally:  # also when what still comes is not waited for any longer
            self._keep(masked.feed(decoder.decode(b"", final=True)) + masked.end(), into)

    def _keep(self, text: str, into: HeadAndTail) -> None:
        into.add(text.encode())
        if text:
            self.write(text)


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    """In a process group of its own, which is ended whole when the time is over or the step is cancelled."""
    output = _Output(context.write, context.masker)
    program = _program(arguments, context.shell)
    process = await _start(program)
    try:
        async with asyncio.timeout(context.timeout_seconds):
            await _run(process, program, output)
    except TimeoutError:
        said = f"{program.argv[0]} did not end within {context.timeout_seconds:g} s and was stopped."
        return Unknown(said, context.shown(_both(output)))
    finally:
        await _end(process)
    code = process.returncode if process.returncode is not None else -1
    result = {"exit_code": code, "stdout": output.stdout.text(), "stderr": output.stderr.text()}
    return judged(result, program.argv[0], program.expect, context.shown(_both(output)))


def _program(arguments: Mapping[str, Any], rules: ShellRules) -> _Program:
    words = argv(arguments)
    stdin = read.text(arguments, "stdin").encode() if arguments.get("stdin") is not None else None
    cwd = _folder(read.text(arguments, "cwd", "."), rules)
    return _Program(words, _environment(arguments, rules), cwd, stdin, read.numbers(arguments, "expect", (0,)))


def argv(arguments: Mapping[str, Any]) -> list[str]:
    """Raises Unclear."""
    words = read.texts(arguments, "argv")
    if not words or not words[0]:
        raise Unclear("argv begins with the program to run.")
    if any("\0" in one for one in words):
        raise Unclear("An argument has a null character in it. No program takes that.")
    return words


def _folder(cwd: str, rules: ShellRules) -> Path:
    if rules.folder is None:
        raise Unclear("Programs may not run from this catalogue folder. TOCSIN_ALLOW_SHELL names those that may.")
    root = rules.folder.resolve()
    try:
        found = (root / cwd).resolve()
    except (OSError, ValueError, RuntimeError):
        raise Unclear("cwd is not a folder's name.") from None
    if not found.is_relative_to(root):
        raise Unclear("cwd leads out of the catalogue folder. Name a folder within it.")
    if not found.is_dir():
        raise Unclear(f"There is no folder {cwd[:100]} in the catalogue folder.")
    return found


def _environment(arguments: Mapping[str, Any], rules: ShellRules) -> dict[str, str]:
    wanted = read.texts(arguments, "env")
    for name in wanted:
        if name not in rules.environment:
            raise Unclear(f"The variable {name[:60]} is not set here, or may not be handed on.")
    return {name: rules.environment[name] for name in wanted}


async def _start(program: _Program) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *program.argv,
            env=program.env,
            cwd=program.cwd,
            stdin=PIPE if program.stdin is not None else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise Unclear(f"There is no program {program.argv[0][:100]} here. Install it, or hand on PATH.") from None
    except (OSError, ValueError) as problem:
        reason = (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
        raise Unclear(f"{program.argv[0][:100]} cannot be started: {reason}.") from None


async def _run(process: Process, program: _Program, output: _Output) -> None:
    stdout, stderr = cast(asyncio.StreamReader, process.stdout), cast(asyncio.StreamReader, process.stderr)
    work = [
        asyncio.create_task(output.follow(stdout, output.stdout)),
        asyncio.create_task(output.follow(stderr, output.stderr)),
        asyncio.create_task(_feed(process, program.stdin)),
    ]
    try:
        await _exited(process)
        # A service it started may keep the pipes open: what comes now is not waited for any longer.
        await asyncio.wait(work, timeout=DRAIN_SECONDS)
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def _exited(process: Process) -> None:
    """Process.wait() also waits for the pipes, which grandchildren may hold."""
    while process.returncode is None:
        waiting = asyncio.ensure_future(process.wait())
        try:
            await asyncio.wait({waiting}, timeout=0.05)
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


async def _feed(process: Process, stdin: bytes | None) -> None:
    if process.stdin is None or stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may end without reading
        process.stdin.write(stdin)
        await process.stdin.drain()
    process.stdin.close()


async def _end(process: Process) -> None:
    try:
        if process.returncode is None:
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_exited(process), GRACE_SECONDS)
            _signal(process, signal.SIGKILL)
            await _exited(process)
    finally:
        if process.returncode is None:
            _signal(process, signal.SIGKILL)
        process._transport.close()  # type: ignore[attr-defined]  # a grandchild may hold the pipes open for ever


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def judged(result: dict[str, Any], program: str, expected: frozenset[int], output: str = "") -> Outcome:
    code = result["exit_code"]
    if code in expected:
        return Done(result, output)
    if code < 0:
        return Failed(f"{program} was ended by {_name(-code)}.", result=result, output=output)
    wanted = ", ".join(map(str, sorted(expected)))
    return Failed(f"{program} ended with {code}; expected was {wanted}.", result=result, output=output)


def _both(output: _Output) -> str:
    return "\n".join(text.rstrip("\n") for text in (output.stdout.text(), output.stderr.text()) if text)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
