"""The bot's clock runs on over restarts, jumps and changes of speed, and is one clock for all replicas."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from bot.store.db.clock import Anchors, DatabaseClock
from bot.store.db.database import SqlDatabase, open_database

NOON = 1_763_640_000.25


class Wall:
    """A wall clock that does not move until it is moved."""

    def __init__(self, start: float = NOON) -> None:
        self.time = start

    def __call__(self) -> float:
        return self.time


@pytest.fixture
async def sqlite(sqlite_url: str):  # type: ignore[no-untyped-def]
    """A SQLite database, where the local clock is the wall."""
    database = await open_database(sqlite_url)
    yield database
    await database.close()


async def started(database: SqlDatabase, speed: float = 1, wall: Wall | None = None) -> DatabaseClock:
    clock = DatabaseClock(database, speed, wall or Wall())
    await clock.start()
    return clock


async def test_at_speed_one_it_is_the_wall(sqlite: SqlDatabase) -> None:
    """Without a jump the time of promises is the wall's, to the last digit, whatever moment it began at."""
    wall = Wall(NOON + 0.123456)
    clock = await started(sqlite, wall=wall)
    for _ in range(100):
        wall.time += 86_399.654321
        assert clock.now() == datetime.fromtimestamp(clock.wall(), UTC) == clock.from_wall(wall.time)


async def test_speed_scales_promises_only(sqlite: SqlDatabase) -> None:
    """At speed 60 a second on the wall is a minute of promises."""
    wall = Wall()
    clock = await started(sqlite, 60, wall)
    before = clock.now()
    wall.time += 1
    assert clock.now() - before == timedelta(minutes=1)
    assert clock.wall() == NOON + 1
    assert clock.from_wall(NOON) == before


async def test_it_runs_on_while_the_bot_is_down(sqlite: SqlDatabase) -> None:
    """After a restart it shows what it would have shown without one."""
    wall = Wall()
    first = await started(sqlite, 60, wall)
    wall.time += 10
    assert (await started(sqlite, 60, wall)).now() == first.now()


async def test_a_changed_speed_goes_on_from_here(sqlite: SqlDatabase) -> None:
    """A restart at another speed continues at the moment where it is, backwards never."""
    wall = Wall()
    first = await started(sqlite, 60, wall)
    wall.time += 10
    second = await started(sqlite, 1, wall)
    assert second.now() == first.now()
    wall.time += 1
    assert second.now() - first.now() == timedelta(seconds=1 - 60)


async def test_promised_time_in_time_of_the_wall(sqlite: SqlDatabase) -> None:
    """Sixty times as fast, a promised minute is a second of the wall, and a moment that is past is behind it."""
    clock = await started(sqlite, 60, Wall())
    assert clock.wall_in(60) == clock.wall() + 1
    assert clock.seconds_until(clock.now() + timedelta(hours=1)) == 60
    assert clock.seconds_until(clock.now() - timedelta(minutes=1)) == -1


async def test_a_jump_reaches_every_process(database: SqlDatabase) -> None:
    """One process jumps; the others see it at their next refresh."""
    one, other = DatabaseClock(database), DatabaseClock(database)
    await one.start()
    await other.start()
    await one.jump(timedelta(hours=2))
    assert one.now() - other.now() > timedelta(hours=1, minutes=59)
    await other.refresh()
    assert abs(one.now() - other.now()) < timedelta(seconds=1)


async def test_a_speed_set_while_running(sqlite: SqlDatabase) -> None:
    """Setting the speed moves nothing by itself; what comes after runs at the new one."""
    wall = Wall()
    clock = await started(sqlite, 1, wall)
    before = clock.now()
    await clock.set_speed(10)
    assert (clock.now(), clock.speed) == (before, 10)
    wall.time += 2
    assert clock.now() - before == timedelta(seconds=20)


async def test_it_never_goes_back_by_noise(sqlite: SqlDatabase) -> None:
    """A wall that steps back a little is waited out; one that was set back is followed."""
    wall = Wall()
    clock = await started(sqlite, 1, wall)
    before = clock.now()
    wall.time -= 0.5
    assert (clock.now(), clock.wall()) == (before, NOON)
    wall.time -= 3600
    assert before - clock.now() == timedelta(seconds=3600.5)


async def test_replicas_agree_on_postgres(postgres_url: str) -> None:
    """Machines whose clocks are minutes apart show PostgreSQL's time."""
    database = await open_database(postgres_url)
    fast = await started(database, 1, lambda: time.time() + 300)  # type: ignore[arg-type]
    slow = await started(database, 1, lambda: time.time() - 300)  # type: ignore[arg-type]
    await fast.refresh()
    await slow.refresh()
    assert abs(fast.wall() - time.time()) < 1
    assert abs(fast.wall() - slow.wall()) < 1
    assert abs(fast.now() - slow.now()) < timedelta(seconds=1)
    await database.close()


async def test_mistakes_are_named(sqlite: SqlDatabase) -> None:
    """A clock not started, a jump backwards and a speed of nothing raise."""
    with pytest.raises(RuntimeError, match="start"):
        DatabaseClock(sqlite).now()
    with pytest.raises(ValueError, match="above 0"):
        DatabaseClock(sqlite, speed=0)
    with pytest.raises(ValueError, match="forwards"):
        await (await started(sqlite)).jump(timedelta(seconds=-1))


@given(st.floats(0, 1e7), st.floats(0, 1e7), st.floats(0.1, 3600))
def test_time_keeps_its_order(one: float, other: float, speed: float) -> None:
    """Of two moments on the wall the later one is never the earlier promise."""
    anchors = Anchors(datetime(2026, 11, 20, tzinfo=UTC), 0, speed)
    early, late = sorted((one, other))
    assert anchors.at(early) <= anchors.at(late)
