"""The simulator's two times: Slack's own wall clock, and the simulated time that people see."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class SimClock(Protocol):
    """What the simulator asks of a clock; a test brings its own."""

    def wall(self) -> float:
        """Epoch seconds of Slack's own time: message ts, expiry of triggers and response_urls, signatures, retries."""

    def now(self) -> datetime:
        """The simulated time people see, aware UTC."""

    async def next_timer(self) -> datetime | None:
        """When the app's next timer falls due, in simulated time; None where none is known."""

    async def jump(self, seconds: float | None) -> datetime:
        """Move simulated time forward; None jumps to the next timer. Returns the new simulated time."""

    async def set_speed(self, speed: float) -> None:
        """Let simulated time run `speed` times as fast as the wall from now on."""

    @property
    def speed(self) -> float:
        """How many times faster than the wall simulated time runs."""


class WallClock:
    """The real time for Slack; for people the same time, run `speed` times as fast from the moment of creation."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._wall_anchor = time.time()
        self._anchor = datetime.fromtimestamp(self._wall_anchor, UTC)

    def wall(self) -> float:
        return time.time()

    def now(self) -> datetime:
        return self._anchor + timedelta(seconds=(time.time() - self._wall_anchor) * self._speed)

    async def next_timer(self) -> datetime | None:
        return None

    async def jump(self, seconds: float | None) -> datetime:
        self._anchor += timedelta(seconds=seconds or 0.0)
        return self.now()

    async def set_speed(self, speed: float) -> None:
        self._anchor, self._wall_anchor = self.now(), time.time()
        self._speed = speed

    @property
    def speed(self) -> float:
        return self._speed


async def wait_until(clock: SimClock, wall_due: float) -> None:
    while (left := wall_due - clock.wall()) > 0:  # noqa: ASYNC110  a clock from outside has no event to wait for
        await asyncio.sleep(min(left, 0.05))
