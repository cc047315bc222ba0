"""A few calls at a time to one outside system, so that one that hangs holds up nothing but its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.domain.errors import Undeliverable


class ThreadSlots:
    """A caller without a slot within `wait_seconds` is sent away, to come again later."""

    def __init__(self, count: int, *, wait_seconds: float = 3.0) -> None:
        self._free = asyncio.Semaphore(count)
        self._wait_seconds = wait_seconds

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Raises Undeliverable before anything is sent."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Undeliverable("busy: earlier calls have not come back") from None
        try:
            yield
        finally:
            self._free.release()
