"""Whose turn is it? Those whom a person waits for go before the worker: at SQLite's one writer, and in the process."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from bot.priority import urgent

MOST_IN_A_ROW = 100  # urgent ones, before somebody else gets a turn: a flood of commands must not stop the worker


class FairLock:
    """A lock with two queues, each in order of arrival."""

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}
        self._in_a_row = 0

    async def __aenter__(self) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        queue = self._waiting[urgent.get()]
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # it was handed to us while we were being cancelled
            elif turn in queue:
                queue.remove(turn)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        queue = self._next_queue()
        if queue is None:
            self._is_taken = False
        else:
            queue.popleft().set_result(None)

    def _next_queue(self) -> deque[asyncio.Future[None]] | None:
        """Cancelled ones have left their queue by themselves, or are about to: they are skipped."""
        for queue in self._waiting.values():
            while queue and queue[0].done():
                queue.popleft()
        is_urgent = bool(self._waiting[True]) and (self._in_a_row < MOST_IN_A_ROW or not self._waiting[False])
        self._in_a_row = self._in_a_row + 1 if is_urgent else 0
        return self._waiting[is_urgent] or None
