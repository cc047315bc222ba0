"""Tells the pages that something changed, at most once each 50 ms."""

import asyncio
from collections.abc import AsyncIterator

COALESCE_SECONDS = 0.05
KEEP_ALIVE_SECONDS = 15.0


class Changes:
    def __init__(self) -> None:
        self.seq = 0
        self._closed = False
        self._waiting: set[asyncio.Event] = set()

    def mark(self) -> None:
        self.seq += 1
        for event in self._waiting:
            event.set()

    def close(self) -> None:
        self._closed = True
        self.mark()

    async def follow(self) -> AsyncIterator[int | None]:
        """None where it is time for a sign of life."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            yield self.seq
            while not self._closed:
                yield await self._next(event)
        finally:
            self._waiting.discard(event)

    async def _next(self, event: asyncio.Event) -> int | None:
        try:
            await asyncio.wait_for(event.wait(), KEEP_ALIVE_SECONDS)
        except TimeoutError:
            return None
        await asyncio.sleep(COALESCE_SECONDS)
        event.clear()
        return self.seq
