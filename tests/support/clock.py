"""A clock that does not move until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.ports import Clock, Tx

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class HandClock(Clock):
    """At speed 1: the time of promises and the wall are one clock, and it does not move."""

    speed = 1.0

    def __init__(self, start: datetime = START) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def wall(self) -> float:
        return self._now.timestamp()

    def from_wall(self, epoch_seconds: float) -> datetime:
        return datetime.fromtimestamp(epoch_seconds, UTC)

    async def refresh(self, tx: Tx | None = None) -> None:
        """Nobody else moves this clock."""

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0) -> datetime:
        """Move both times on, and return the new one."""
        self._now += timedelta(seconds=seconds, minutes=minutes, hours=hours)
        return self._now

    def advance_wall(self, seconds: float) -> float:
        """Move on a little, past a gate or a lease; at speed 1 the time of promises moves with it."""
        self.advance(seconds)
        return self.wall()

    def set(self, moment: datetime) -> None:
        """Put both times to `moment`, backwards too."""
        self._now = moment.astimezone(UTC)
