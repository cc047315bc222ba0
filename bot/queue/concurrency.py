"""Keeps up to so many pieces of work in flight, and starts new ones without waiting for the slowest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from bot.telemetry import Event, get_logger

Work = TypeVar("Work")

log = get_logger()


class Pump(Generic[Work]):
    """`claim(room)` hands out at most `room` pieces, committed; `carry` does one and does not raise.

    `landed` is called after each, so that what it set free or enqueued is looked at straight away.
    """

    def __init__(
        self,
        claim: Callable[[int], Awaitable[Sequence[Work]]],
        carry: Callable[[Work], Coroutine[Any, Any, None]],
        *,
        seats: int,
        landed: Callable[[], None] = lambda: None,
    ) -> None:
        self._claim = claim
        self._carry = carry
        self._seats = seats
        self._landed = landed
        self._flying: set[asyncio.Task[None]] = set()
        self._landings = 0

    async def launch(self) -> int:
        """Start everything that may go now and finds a seat; returns how many."""
        launched = 0
        while (room := self._seats - len(self._flying)) > 0:
            batch = await self._claim(room)
            for work in batch:
                self._start(work)
            launched += len(batch)
            if not batch:
                break
        return launched

    async def until_quiet(self) -> int:
        """Launch, and what follows from it, until nothing may go and nothing is in flight; returns how many."""
        moved = 0
        while True:
            landings = self._landings
            moved += await self.launch()
            if self._flying:
                await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            elif landings == self._landings:  # nothing landed behind the last look
                return moved

    async def finish(self, seconds: float) -> None:
        """Wait for what is in flight. What takes longer is given up as a crash would: its lease tells the next."""
        if self._flying:
            _, late = await asyncio.wait(self._flying, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _start(self, work: Work) -> None:
        task = asyncio.create_task(self._carry(work))
        self._flying.add(task)
        task.add_done_callback(self._land)

    def _land(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._landings += 1
        if not task.cancelled() and (problem := task.exception()) is not None:
            # The database is out of reach, or a bug of ours: the row keeps its lease and is taken up again after it.
            log.error(Event.WORK_LOST, error=repr(problem), exc_info=problem)
        self._landed()
