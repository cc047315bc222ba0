"""Keeps up to so many pieces of work in flight, and starts new ones without waiting for the slowest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from bot.telemetry import Event, get_logger

Work = TypeVar("Work")

log = get_logger()


class Pool(Generic[Work]):
    """`claim(room)` hands out at most `room` pieces, committed; `do` does one and does not raise.

    `on_done` is called after each, so that what it set free or enqueued is looked at straight away.
    """

    def __init__(
        self,
        claim: Callable[[int], Awaitable[Sequence[Work]]],
        do: Callable[[Work], Coroutine[Any, Any, None]],
        *,
        concurrency: int,
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        self._claim = claim
        self._do = do
        self._seats = concurrency
        self._on_done = on_done
        self._running: set[asyncio.Task[None]] = set()
        self._finished_count = 0

    async def start_ready(self) -> int:
        started = 0
        while (room := self._seats - len(self._running)) > 0:
            batch = await self._claim(room)
            for work in batch:
                self._start(work)
            started += len(batch)
            if len(batch) < room:
                break
        return started

    async def until_idle(self) -> int:
        """Start, and what follows from it, until nothing may go and nothing is in flight; returns how many."""
        moved = 0
        while True:
            finished_count = self._finished_count
            moved += await self.start_ready()
            if self._running:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            elif finished_count == self._finished_count:  # nothing landed behind the last look
                return moved

    async def finish(self, seconds: float) -> None:
        """What takes longer is given up as a crash would: its lease tells the next."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _start(self, work: Work) -> None:
        task = asyncio.create_task(self._do(work))
        self._running.add(task)
        task.add_done_callback(self._finish_one)

    def _finish_one(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._finished_count += 1
        if not task.cancelled() and (problem := task.exception()) is not None:
            # The database is out of reach, or a bug of ours: the row keeps its lease and is taken up again after it.
            log.error(Event.WORK_LOST, error=repr(problem), exc_info=problem)
        self._on_done()
