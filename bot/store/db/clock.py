"""The bot's clock, kept in the database: it runs on while the bot is down, and every replica shows the same time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import NoResultFound

from bot.ports import Clock, Database, Tx
from bot.store.db.dialect import insert_into
from bot.store.tables.queue import clock as table

_ROW = select(table.c.bot_anchor, table.c.wall_anchor, table.c.speed).where(table.c.id == 1)
_SERVER_TIME = select(func.extract("epoch", func.clock_timestamp()))
# A step back below this is noise of a measurement, and is waited out; above it somebody has set the clock.
NOISE_SECONDS = 5.0


@dataclass(frozen=True)
class Anchors:
    """At `wall` (epoch seconds) the bot's clock showed `bot`; since then it runs `speed` times as fast."""

    bot: datetime
    wall: float
    speed: float

    def at(self, wall: float) -> datetime:
        return self.bot + timedelta(seconds=(wall - self.wall) * self.speed)


class DatabaseClock(Clock):
    """Call `start()` or `join()` once before asking it for the time."""

    def __init__(self, database: Database, speed: float = 1.0, wall: Callable[[], float] = time.time) -> None:
        self._database = database
        self._wished_speed = _positive(speed)
        self._local = wall
        self._anchors: Anchors | None = None
        self._offset = 0.0  # what the database's clock shows more than the local one
        self._uncertainty = math.inf  # of that, in seconds
        self._latest_wall = 0.0
        self._latest_now = datetime.min.replace(tzinfo=UTC)

    @property
    def speed(self) -> float:
        return self._known().speed

    def now(self) -> datetime:
        anchors = self._known()
        now = anchors.at(self.wall())
        if not timedelta() < self._latest_now - now < timedelta(seconds=NOISE_SECONDS * anchors.speed):
            self._latest_now = now
        return self._latest_now

    def wall(self) -> float:
        wall = self._local() + self._offset
        if not 0 < self._latest_wall - wall < NOISE_SECONDS:
            self._latest_wall = wall
        return self._latest_wall

    def from_wall(self, epoch_seconds: float) -> datetime:
        return self._known().at(epoch_seconds)

    async def start(self) -> None:
        """A changed speed counts from now on."""
        async with self._database.transaction() as tx:
            await tx.execute(_ROW)  # the first statement also opens the transaction, too slow to measure by
            await self._measure_offset(tx)
            await tx.execute(insert_into(tx, table).values(**self._first()).on_conflict_do_nothing())
            anchors = await self._read(tx)
            if anchors.speed != self._wished_speed:
                anchors = Anchors(anchors.at(self.wall()), self.wall(), self._wished_speed)
                await self._write(tx, anchors)
        self._anchors = anchors

    async def refresh(self, tx: Tx | None = None) -> None:
        """On PostgreSQL its clock is measured again, too."""
        async with nullcontext(tx) if tx else self._database.reading() as reading:
            row = (await reading.execute(_ROW)).one()
            await self._measure_offset(reading)
        self._anchors = _anchors(row)

    async def join(self) -> None:
        """Read the anchors as the running bot set them. Where nothing ever ran, this is the first to start."""
        try:
            await self.refresh()
        except NoResultFound:
            await self.start()

    async def jump(self, ahead: timedelta) -> None:
        """For every process that shares the database. Raises ValueError if backwards."""
        if ahead < timedelta():
            raise ValueError("The clock only jumps forwards.")
        async with self._database.transaction() as tx:
            anchors = await self._read(tx)
            anchors = Anchors(anchors.bot + ahead, anchors.wall, anchors.speed)
            await self._write(tx, anchors)
        self._anchors = anchors

    async def set_speed(self, speed: float) -> None:
        async with self._database.transaction() as tx:
            wall = self.wall()
            anchors = Anchors((await self._read(tx)).at(wall), wall, _positive(speed))
            await self._write(tx, anchors)
        self._anchors = anchors

    def _known(self) -> Anchors:
        if self._anchors is None:
            raise RuntimeError("The clock was asked before start().")
        return self._anchors

    def _first(self) -> dict[str, object]:
        # On a whole second, so that at speed 1 both times agree to the last digit.
        wall = float(math.floor(self.wall()))
        anchor = datetime.fromtimestamp(wall, UTC)
        return {"id": 1, "bot_anchor": anchor, "wall_anchor": wall, "speed": self._wished_speed}

    async def _read(self, tx: Tx) -> Anchors:
        return _anchors((await tx.execute(_ROW.with_for_update())).one())

    async def _write(self, tx: Tx, anchors: Anchors) -> None:
        values = {"bot_anchor": anchors.bot, "wall_anchor": anchors.wall, "speed": anchors.speed}
        await tx.execute(update(table).where(table.c.id == 1).values(**values))

    async def _measure_offset(self, tx: Tx) -> None:
        if tx.dialect.name != "postgresql":
            return
        before = self._local()
        server = float((await tx.execute(_SERVER_TIME)).scalar_one())
        after = self._local()
        self._adopt(server - (before + after) / 2, (after - before) / 2)

    def _adopt(self, offset: float, uncertainty: float) -> None:
        # A slow answer tells less than the quick one before it, unless the two contradict each other.
        if uncertainty <= self._uncertainty or abs(offset - self._offset) > uncertainty + self._uncertainty:
            self._offset, self._uncertainty = offset, uncertainty


def _anchors(row: Any) -> Anchors:
    return Anchors(row.bot_anchor, row.wall_anchor, row.speed)


def _positive(speed: float) -> float:
    if not (math.isfinite(speed) and speed > 0):
        raise ValueError("The clock's speed must be a number above 0.")
    return speed
