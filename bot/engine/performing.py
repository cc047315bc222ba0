"""One attempt at a step under way: its task, its time, and what it says as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from bot.domain.runs.outcome import Outcome, Unknown, Waiting
from bot.domain.text.masking import Masker
from bot.engine.steps.bounds import GAP, MAX_OUTPUT, HeadAndTail
from bot.telemetry import Event, get_logger

QUICK_SECONDS = 0.15  # a read that is over by then is written down with what follows
GRACE_SECONDS = 10.0  # beyond a step's own time, before it is given up

log = get_logger()


class Performance:
    """`is_long`: it is under way for longer than a moment. `live_seconds` lie between two looks at its output."""

    def __init__(self, masker: Masker, live_seconds: float) -> None:
        self._live_seconds = live_seconds
        self._stream = masker.stream()
        self._kept = HeadAndTail(MAX_OUTPUT - GAP)  # room for the line that says what is left out
        self._task: asyncio.Task[Outcome] | None = None
        self._stopped_by = ""
        self.has_news = False
        self.is_long = False

    def write(self, text: str) -> None:
        self._add(self._stream.feed(text))

    def _add(self, text: str) -> None:
        if text:
            self._kept.add(text.encode())
            self.has_news = True

    def output(self) -> str:
        self.has_news = False
        return self._kept.text()

    def _whole_output(self) -> str:
        self._add(self._stream.end())
        return self.output()

    def stop(self, why: str) -> None:
        self._stopped_by = why
        if self._task is not None:
            self._task.cancel()

    async def outcome(self, work: Awaitable[Outcome], seconds: float, show: Callable[[], Awaitable[None]]) -> Outcome:
        """`show` is awaited again and again while it takes its time."""
        self._task = asyncio.create_task(_performed(work))
        try:
            return await self._watched(self._task, asyncio.get_running_loop().time() + seconds + GRACE_SECONDS, show)
        finally:
            self.is_long = False
            if not self._task.done():
                self._task.cancel()
                await asyncio.wait({self._task})

    async def _watched(self, task: asyncio.Task[Outcome], until: float, show: Callable[[], Awaitable[None]]) -> Outcome:
        done, _ = await asyncio.wait({task}, timeout=QUICK_SECONDS)
        while not done:
            self.is_long = True
            await show()
            done, _ = await asyncio.wait({task}, timeout=self._live_seconds)
            if not done and asyncio.get_running_loop().time() > until:
                return Unknown("It did not come to an end in its time and was given up.", self._whole_output())
        if task.cancelled():
            return Unknown(f"It was interrupted: {self._stopped_by}.", self._whole_output())
        return _with_stream(task.result(), self._whole_output())


async def _performed(work: Awaitable[Outcome]) -> Outcome:
    """A step that raises what it should not may have done something before: nobody knows."""
    try:
        return await work
    except Exception as problem:
        log.error(Event.WORK_LOST, error=repr(problem), exc_info=problem)
        return Unknown("It broke off on my side; the log names the reason.")


def _with_stream(outcome: Outcome, streamed: str) -> Outcome:
    if isinstance(outcome, Waiting) or len(streamed) <= len(outcome.output):
        return outcome
    return replace(outcome, output=streamed)
