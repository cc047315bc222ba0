"""Gates: one message a second in a channel, and no call of a method that the other side has closed."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from hypothesis import given, settings, strategies as st

from bot.deps import Deps
from bot.domain.errors import Throttled
from bot.domain.outgoing.backoff import LONGEST_SECONDS, delay_seconds
from bot.domain.outgoing.delivery import Skip
from bot.queue.chores import Chore, may_do
from bot.store.queue import rate_limits
from bot.store.tables.queue import deliveries as table
from tests.queue.rows import column
from tests.queue.world import Outbox, SaidSlowly, World, note
from tests.support.clock import HandClock
from tests.support.waiting import next_wall


async def test_one_a_second(outbox: Outbox, world: World, clock: HandClock) -> None:
    """However many messages wait for a channel, one leaves a second, and no other channel waits for it."""
    await outbox.put(
        *(note(f"{channel}{number}", rate_limit=channel) for number in range(5) for channel in ("C1", "C2"))
    )
    for _ in range(20):
        await outbox.send()
        clock.advance_wall(0.25)
    times = defaultdict(list)
    for post in world.posts:
        times[post.channel].append(post.wall)
    start = min(post.wall for post in world.posts)
    assert [wall - start for wall in times["C1"]] == [wall - start for wall in times["C2"]] == [0, 1, 2, 3, 4]
    assert world.texts("C1") == [f"C1{number}" for number in range(5)]


async def test_gate_holds_among_workers(outbox: Outbox, world: World) -> None:
    """Six workers that look at one rate limit at once pass it once."""
    await outbox.put(*(note(f"n{number}", rate_limit="C1") for number in range(10)))
    await asyncio.gather(*(outbox.send() for _ in range(6)))
    assert len(world.posts) == 1


async def test_next_wall_is_when_a_gate_opens(outbox: Outbox, clock: HandClock) -> None:
    """The worker knows when to look again: when the earliest rate limit opens that something waits behind."""
    await outbox.put(note("a", rate_limit="C1"), note("b", rate_limit="C1"), note("c", rate_limit="C2"))
    await outbox.send()
    assert await next_wall(outbox.deps) == clock.wall() + 1
    clock.advance_wall(1)
    await outbox.send()
    assert await next_wall(outbox.deps) is None


async def test_unused_gate_is_open_again(outbox: Outbox, world: World) -> None:
    """A delivery that had nothing to say does not cost its channel a second."""
    outbox.handler.plan = lambda delivery: Skip("moot") if delivery.payload.text == "moot" else None
    await outbox.put(note("moot", rate_limit="C1"), note("real", rate_limit="C1"))
    await outbox.send()
    assert world.texts() == ["real"]


async def test_throttled_method_waits(outbox: Outbox, world: World, clock: HandClock) -> None:
    """After a 429 the method is left alone until Retry-After, and other methods go on."""
    world.refuse("slow", Throttled(30))
    await outbox.put(note("first", kind=SaidSlowly))
    await outbox.send()
    await outbox.put(note("second", kind=SaidSlowly), note("other"))
    calls = world.calls
    await outbox.send()
    assert world.calls == calls + 1
    assert world.texts() == ["other"]
    assert await column(outbox.deps.database, table, "attempts", method="slow") == [0, 0]
    assert await next_wall(outbox.deps) == clock.wall() + 30
    clock.advance_wall(30)
    await outbox.send()
    assert sorted(world.texts()) == ["first", "other", "second"]


async def test_throttled_by_severity(outbox: Outbox, world: World, clock: HandClock) -> None:
    """What waits for a throttled method goes by severity when it opens."""
    world.refuse("slow", Throttled(5))
    await outbox.put(note("minor", kind=SaidSlowly, rate_limit="C1", rank=3))
    await outbox.send()
    await outbox.put(note("major", kind=SaidSlowly, rate_limit="C1", rank=0))
    clock.advance_wall(5)
    await outbox.send()
    clock.advance_wall(1)
    await outbox.send()
    assert world.texts() == ["major", "minor"]


async def test_longer_closing_wins(deps: Deps, clock: HandClock) -> None:
    """A rate limit that is closed for longer is not opened by a shorter closing."""
    async with deps.database.transaction() as tx:
        await rate_limits.close(tx, "method:m", until=clock.wall() + 30)
        await rate_limits.close(tx, "method:m", until=clock.wall() + 5)
        assert await rate_limits.opens_at(tx, "method:m") == clock.wall() + 30


async def test_chore_is_done_by_one(deps: Deps, clock: HandClock) -> None:
    """A chore for one process is done once an interval; a chore for each is done by each."""

    async def nothing(deps: Deps) -> None:
        return None

    alone, each = Chore(10, nothing), Chore(10, nothing, alone=False)
    once = 1 if deps.database.dialect == "postgresql" else 5  # SQLite has one process
    for _ in range(2):
        assert sum([await may_do(deps, "sweep", alone) for _ in range(5)]) == once
        assert all([await may_do(deps, "reload", each) for _ in range(5)])
        clock.advance_wall(10)


@given(attempts=st.integers(min_value=-3, max_value=10_000), dice=st.floats(0, 1, exclude_max=True))
def test_pause_is_bounded(attempts: int, dice: float) -> None:
    """However often it failed, the pause is positive and no longer than a minute."""
    assert 0 < delay_seconds(attempts, dice) <= LONGEST_SECONDS


@given(attempts=st.integers(min_value=1, max_value=50), dice=st.floats(0, 1, exclude_max=True))
def test_pause_never_shrinks(attempts: int, dice: float) -> None:
    """With equal luck, a later failure never waits for less."""
    assert delay_seconds(attempts, dice) <= delay_seconds(attempts + 1, dice)


@settings(max_examples=200)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 100)), min_size=1, max_size=30),
)
def test_pause_spreads(rows: list[tuple[int, int]]) -> None:
    """Luck moves a pause within the upper half of its ceiling, so retries spread without hurrying."""
    for attempts, percent in rows:
        longest = delay_seconds(attempts, 0.999999)
        assert longest / 2 * 0.99 <= delay_seconds(attempts, percent / 101) <= longest
