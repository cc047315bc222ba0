"""Timers: fired exactly once, never lost, and a broken one is in nobody's way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot.deps import Deps
from bot.domain.outgoing.timer import Lateness, Timer
from bot.ports import Tx
from bot.queue import commitments, outbox, timers
from bot.queue.handler import by_kind
from bot.queue.operator_alarm import OperatorAlarmHandler
from bot.store.tables.audit import audit_log
from bot.store.tables.queue import commitments as effects, timers as table
from tests.queue.rows import column, count, rows
from tests.queue.world import World
from tests.support.clock import HandClock


async def leave_a_mark(deps: Deps, tx: Tx, timer: Timer) -> None:
    """The effect of a test's timer is a row, as in the house."""
    await commitments.add(tx, subject=timer.dedupe_key, due_at={timer.kind: timer.due_at}, grace_seconds=0)


async def break_down(deps: Deps, tx: Tx, timer: Timer) -> None:
    await leave_a_mark(deps, tx, timer)
    raise RuntimeError("broken")


TABLE = {"mark": leave_a_mark, "broken": break_down}


async def plan(deps: Deps, key: str, *, due_in: float = 0, kind: str = "mark", **more: Any) -> bool:
    async with deps.database.transaction() as tx:
        return await timers.schedule(
            tx,
            kind=kind,
            subject=more.pop("subject", key),
            due_at=deps.clock.now() + timedelta(seconds=due_in),
            dedupe_key=key,
            **more,
        )


async def marks(deps: Deps) -> list[str]:
    return await column(deps.database, effects, "subject")


async def fire_all(deps: Deps, functions: dict[str, timers.TimerHandler] | None = None) -> int:
    fired = 0
    while batch := (await timers.fire_some(deps, functions or TABLE))[0]:
        fired += batch
    return fired


async def test_fires_when_due(deps: Deps, clock: HandClock) -> None:
    """A timer does nothing before its time, its work at its time, and nothing afterwards."""
    await plan(deps, "t", due_in=60)
    clock.advance(59)
    assert await fire_all(deps) == 0
    clock.advance(1)
    assert await fire_all(deps) == 1
    assert await fire_all(deps) == 0
    assert await marks(deps) == ["t"]


async def test_exactly_once_among_many_workers(deps: Deps) -> None:
    """When eight workers fire five hundred timers at once, each leaves exactly one mark."""
    async with deps.database.transaction() as tx:
        for number in range(500):
            await timers.schedule(
                tx, kind="mark", subject=f"s{number}", due_at=deps.clock.now(), dedupe_key=f"t{number}"
            )

    async def worker() -> int:
        fired = 0
        while batch := (await timers.fire_some(deps, TABLE, limit=20))[0]:
            fired += batch
        return fired

    assert sum(await asyncio.gather(*(worker() for _ in range(8)))) == 500
    left = await marks(deps)
    assert len(left) == len(set(left)) == 500


async def test_same_key_is_one_promise(deps: Deps) -> None:
    """Scheduling again under a key that is pending, or was fired, changes nothing."""
    assert await plan(deps, "t")
    assert not await plan(deps, "t", due_in=500)
    await fire_all(deps)
    assert not await plan(deps, "t")
    assert await fire_all(deps) == 0


async def test_cancelled_key_may_be_promised_again(deps: Deps, clock: HandClock) -> None:
    """A withdrawn timer does not fire, and its key can be scheduled again."""
    await plan(deps, "t", subject="INC-1")
    await plan(deps, "u", subject="INC-1", kind="other")
    async with deps.database.transaction() as tx:
        assert await timers.cancel(tx, subject="INC-1", kind="mark") == 1
        assert await timers.cancel(tx, subject="INC-1") == 1
        assert await timers.cancel(tx, subject="INC-1") == 0
    assert await fire_all(deps) == 0
    assert await plan(deps, "t", subject="INC-1", due_in=5)
    clock.advance(5)
    assert await fire_all(deps) == 1


async def test_rescheduled(deps: Deps, clock: HandClock) -> None:
    """A moved timer fires at its new time only; one that fired cannot be moved."""
    await plan(deps, "t", due_in=10)
    async with deps.database.transaction() as tx:
        assert await timers.reschedule(tx, dedupe_key="t", due_at=clock.now() + timedelta(seconds=100))
    assert await timers.next_due(deps) == clock.now() + timedelta(seconds=100)
    clock.advance(50)
    assert await fire_all(deps) == 0
    clock.advance(50)
    assert await fire_all(deps) == 1
    async with deps.database.transaction() as tx:
        assert not await timers.reschedule(tx, dedupe_key="t", due_at=clock.now())


async def test_broken_timer_alone(deps: Deps) -> None:
    """One that raises keeps its row and leaves no trace, and the others of its batch fire."""
    await plan(deps, "a")
    await plan(deps, "b", kind="broken")
    await plan(deps, "c")
    await fire_all(deps)
    assert sorted(await marks(deps)) == ["a", "c"]
    (broken,) = await rows(deps.database, table, kind="broken")
    assert (broken.state, broken.attempts) == ("pending", 1)
    assert broken.retry_at > deps.clock.wall()
    assert "broken" in broken.error


async def test_mended_timer_fires(deps: Deps, clock: HandClock) -> None:
    """What failed for a while fires once it can, and only once."""
    await plan(deps, "t", kind="broken")
    await fire_all(deps)
    clock.advance_wall(60)
    assert await fire_all(deps, {"broken": leave_a_mark}) == 1
    assert await fire_all(deps, {"broken": leave_a_mark}) == 0
    assert await marks(deps) == ["t"]


@pytest.mark.parametrize("kind", ["broken", "never heard of"])
async def test_given_up_aloud(deps: Deps, clock: HandClock, world: World, kind: str) -> None:
    """After eight failures a timer is marked failed, audited, and a person is alarmed once."""
    await plan(deps, "t", kind=kind, subject="INC-7")
    for _ in range(12):
        await fire_all(deps)
        clock.advance_wall(61)
    assert await column(deps.database, table, "state") == ["failed"]
    assert await column(deps.database, audit_log, "action") == ["timer.failed"]
    await outbox.send_waiting(deps, by_kind(OperatorAlarmHandler()))
    (sentence,) = world.alarms
    assert "INC-7" in sentence


async def test_late_by_default(deps: Deps, clock: HandClock) -> None:
    """A timer that came due while nobody looked fires late rather than never."""
    await plan(deps, "t")
    clock.advance(hours=5)
    await fire_all(deps)
    assert await marks(deps) == ["t"]


async def test_skip_when_late(deps: Deps, clock: HandClock) -> None:
    """With the policy `skip`, a minute late is too late, and less is not."""
    await plan(deps, "stale", lateness=Lateness.SKIP)
    await plan(deps, "fresh", due_in=50, lateness=Lateness.SKIP)
    clock.advance(61)
    assert await fire_all(deps) == 2
    assert await marks(deps) == ["fresh"]
    assert await column(deps.database, table, "state") == ["done", "done"]


async def test_coalesce_into_the_newest(deps: Deps, clock: HandClock) -> None:
    """Of several due with one subject and kind, the newest counts for all; other subjects are their own."""
    for due_in in (0, 10, 20):
        await plan(deps, f"a{due_in}", due_in=due_in, subject="INC-1", lateness=Lateness.COALESCE)
    await plan(deps, "b", subject="INC-2", lateness=Lateness.COALESCE)
    await plan(deps, "later", due_in=100, subject="INC-1", lateness=Lateness.COALESCE)
    clock.advance(30)
    assert (await timers.fire_some(deps, TABLE, limit=2))[0] == 2
    await fire_all(deps)
    assert sorted(await marks(deps)) == ["a20", "b"]


async def test_cancelled_by_a_neighbour(deps: Deps) -> None:
    """A timer whose neighbour in the same batch cancels it does not fire."""

    async def cancel_the_other(deps: Deps, tx: Tx, timer: Timer) -> None:
        await leave_a_mark(deps, tx, timer)
        await timers.cancel(tx, subject="INC-2")

    await plan(deps, "first", kind="stop", subject="INC-1")
    await plan(deps, "second", subject="INC-2")
    await fire_all(deps, {**TABLE, "stop": cancel_the_other})
    assert await marks(deps) == ["first"]
    assert await column(deps.database, table, "state") == ["done", "cancelled"]


async def test_moves_itself(deps: Deps, clock: HandClock) -> None:
    """A timer that reschedules itself stays pending and fires again at the new time."""

    async def again(deps: Deps, tx: Tx, timer: Timer) -> None:
        await leave_a_mark(deps, tx, timer)
        await timers.reschedule(tx, dedupe_key=timer.dedupe_key, due_at=deps.clock.now() + timedelta(seconds=10))

    await plan(deps, "t", kind="again")
    assert await fire_all(deps, {"again": again}) == 0
    clock.advance(10)
    await fire_all(deps, {"again": again})
    assert await marks(deps) == ["t", "t"]
    assert await column(deps.database, table, "state") == ["pending"]


async def test_chain(deps: Deps) -> None:
    """What a timer schedules for now, fires in the same round."""

    async def first(deps: Deps, tx: Tx, timer: Timer) -> None:
        await timers.schedule(tx, kind="mark", subject="s", due_at=deps.clock.now(), dedupe_key="successor")

    await plan(deps, "t", kind="first")
    assert await fire_all(deps, {**TABLE, "first": first}) == 2
    assert await marks(deps) == ["successor"]


async def test_yields_to_a_command(deps: Deps, clock: HandClock) -> None:
    """Where a command holds what a timer wants, the timer steps back and fires afterwards, uncounted."""
    if deps.database.dialect == "sqlite":
        pytest.skip("SQLite has one writer: nobody holds anything meanwhile.")
    await plan(deps, "t", subject="INC-1")
    async with deps.database.transaction() as tx:
        await commitments.add(tx, subject="INC-1", due_at={"update": clock.now()}, grace_seconds=0)

    async def wants_it(deps: Deps, tx: Tx, timer: Timer) -> None:
        await commitments.cancel(tx, subject="INC-1")

    async def command() -> None:
        async with deps.database.transaction() as tx:
            await commitments.cancel(tx, subject="INC-1")
            held.set()
            await tried.wait()

    held, tried = asyncio.Event(), asyncio.Event()
    holding = asyncio.create_task(command())
    await held.wait()
    assert (await timers.fire_some(deps, {"mark": wants_it}))[0] == 0
    tried.set()
    await holding
    assert await column(deps.database, table, "attempts") == [0]
    assert (await timers.fire_some(deps, {"mark": wants_it}))[0] == 1
    assert await count(deps.database, table, state="done") == 1
