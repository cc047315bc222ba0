"""Wake-ups: something was committed that a worker should look at. They make things faster; losing one loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

CHANNEL = "tocsin_wake"
RETRY_SECONDS = 1.0


class LocalWakeups:
    """`ports.Wakeups` within one process. One waits; any number listen."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def wake(self) -> None:
        """Never waits. Call it after the commit, from the loop's own thread."""
        self._rouse()

    def listen(self, heard: Callable[[], None]) -> None:
        """`heard` is called at every wake-up; it must be quick and not raise."""
        self._listeners.append(heard)

    async def wait(self, timeout_seconds: float) -> bool:
        """Whether there was a wake-up since the last call, or is one before the time is up."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    async def close(self) -> None:
        """Nothing to give back."""

    def _rouse(self) -> None:
        self._woken.set()
        for heard in self._listeners:
            heard()


class SharedWakeups(LocalWakeups):
    """Wake-ups that other processes hear too. Two tasks, each with a connection that comes back after a loss."""

    lost: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, retry_seconds: float) -> None:
        super().__init__()
        self._retry_seconds = retry_seconds
        self._name = uuid4().hex  # sent along, so that nobody hears himself
        self._to_tell = asyncio.Event()  # many wake-ups between two sends are one
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """In the background. A server that is away is no error."""
        self._tasks = [asyncio.create_task(self._keep(side)) for side in (self._hear, self._tell)]

    def wake(self) -> None:
        self._rouse()
        self._to_tell.set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, side: Callable[[], Awaitable[None]]) -> None:
        while True:
            with suppress(*self.lost):
                await side()
            await asyncio.sleep(self._retry_seconds)

    def _heard(self, teller: object) -> None:
        if teller != self._name:
            self._rouse()

    async def _hear(self) -> None:
        """Listen until the connection is lost."""
        raise NotImplementedError

    async def _tell(self) -> None:
        """Pass wake-ups on until the connection is lost."""
        raise NotImplementedError
