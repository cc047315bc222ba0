"""Keyed requests, the inbox and promises: once, whatever the outside repeats."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.deps import Deps
from bot.domain.errors import Repeated
from bot.queue import commitments, inbox, outbox, unit_of_work
from bot.queue.handler import by_kind
from bot.queue.inbox import InboxItem
from bot.queue.operator_alarm import OperatorAlarmHandler
from bot.services.admin import chores
from bot.store.tables.audit import audit_log
from bot.store.tables.queue import commitments as commitments_table, inbox as inbox_table, requests as requests_table
from tests.queue.rows import column, count
from tests.queue.world import World
from tests.support.clock import HandClock

# --- keyed requests -----------------------------------------------------------------------------------------------


async def carry_out(deps: Deps, key: str | None) -> None:
    async with deps.database.transaction() as tx:
        await unit_of_work.once(deps, tx, key)
        await commitments.add(tx, subject="INC-1", due_at={"effect": deps.clock.now()}, grace_seconds=0)
        await asyncio.sleep(0)
        await unit_of_work.answered(tx, key, subject="INC-1", answer={"text": "Declared INC-1."})


async def test_second_request_gets_the_first_answer(deps: Deps) -> None:
    """A key that was carried out is not carried out again, and tells what was said."""
    await carry_out(deps, "trigger.1")
    with pytest.raises(Repeated) as second:
        await carry_out(deps, "trigger.1")
    assert (second.value.subject, second.value.answer) == ("INC-1", {"text": "Declared INC-1."})
    assert await count(deps.database, commitments_table) == 1


async def test_double_click(deps: Deps) -> None:
    """Ten at once under one key: one is carried out, nine are told."""
    outcomes = await asyncio.gather(*(carry_out(deps, "k") for _ in range(10)), return_exceptions=True)
    repeated = [outcome for outcome in outcomes if isinstance(outcome, Repeated)]
    assert len(repeated) == 9
    assert {problem.subject for problem in repeated} == {"INC-1"}
    assert await count(deps.database, commitments_table) == 1


async def test_failed_request_frees_its_key(deps: Deps) -> None:
    """A request that was rolled back may be made again."""

    async def break_off() -> None:
        async with deps.database.transaction() as tx:
            await unit_of_work.once(deps, tx, "k")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await break_off()
    await carry_out(deps, "k")


async def test_keyless_is_never_a_repeat(deps: Deps) -> None:
    """Without a key every request is its own."""
    await carry_out(deps, None)
    await carry_out(deps, None)
    assert await count(deps.database, commitments_table) == 2


async def test_old_keys_are_forgotten(deps: Deps, clock: HandClock) -> None:
    """Keys and worked items are kept for days, not for ever."""
    await carry_out(deps, "k")
    await inbox.receive(deps, key="E1", kind="event", payload={})
    await chores.purge(deps)
    assert await count(deps.database, requests_table) == 1
    clock.advance(hours=24 * 4)
    await chores.purge(deps)
    assert await count(deps.database, requests_table) == 0
    assert await count(deps.database, inbox_table) == 1  # not worked yet


# --- the inbox ----------------------------------------------------------------------------------------------------


class Reader:
    """A handler that notes what it read and stumbles as told."""

    def __init__(self, *problems: Exception) -> None:
        self.read: list[str] = []
        self.problems = list(problems)

    async def __call__(self, deps: Deps, item: InboxItem) -> None:
        self.read.append(item.key)
        if self.problems:
            raise self.problems.pop(0)


async def test_duplicate_event(deps: Deps) -> None:
    """An event delivered twice is stored once and worked once."""
    assert await inbox.receive(deps, key="E1", kind="message", payload={"text": "hi"})
    assert not await inbox.receive(deps, key="E1", kind="message", payload={"text": "hi"})
    reader = Reader()
    assert await inbox.work(deps, reader) == 1
    assert await inbox.work(deps, reader) == 0
    assert not await inbox.receive(deps, key="E1", kind="message", payload={"text": "hi"})
    assert reader.read == ["E1"]


async def test_worked_once_among_many(deps: Deps) -> None:
    """Four workers share an inbox, and every item is worked by one of them."""
    for number in range(60):
        await inbox.receive(deps, key=f"E{number}", kind="message", payload={})
    reader = Reader()
    assert sum(await asyncio.gather(*(inbox.work(deps, reader) for _ in range(4)))) == 60
    assert sorted(reader.read) == sorted(f"E{number}" for number in range(60))


async def test_stumbling_item_is_tried_again(deps: Deps, clock: HandClock) -> None:
    """An item whose handler raised is worked again after a pause; the others are not held up."""
    await inbox.receive(deps, key="E1", kind="message", payload={})
    reader = Reader(RuntimeError("not now"))
    await inbox.work(deps, reader)
    assert await inbox.work(deps, reader) == 0
    await inbox.receive(deps, key="E2", kind="message", payload={})
    await inbox.work(deps, reader)
    clock.advance_wall(60)
    await inbox.work(deps, reader)
    assert reader.read == ["E1", "E2", "E1"]
    assert await count(deps.database, inbox_table, state="done") == 2


async def test_hopeless_item_is_given_up_aloud(deps: Deps, clock: HandClock) -> None:
    """After eight failures an item is marked failed, and the audit log says so."""
    await inbox.receive(deps, key="E1", kind="message", payload={})
    reader = Reader(*[RuntimeError("never")] * 20)
    for _ in range(12):
        await inbox.work(deps, reader)
        clock.advance_wall(61)
    assert len(reader.read) == 8
    assert await column(deps.database, inbox_table, "state") == ["failed"]
    assert await column(deps.database, audit_log, "action") == ["inbox.failed"]


async def test_repeated_counts_as_done(deps: Deps) -> None:
    """An item whose transaction was committed before a crash is done when that shows."""
    await inbox.receive(deps, key="E1", kind="message", payload={})
    await inbox.work(deps, Reader(Repeated(None, None)))
    assert await column(deps.database, inbox_table, "state") == ["done"]


# --- promises -----------------------------------------------------------------------------------------------------


async def commit(deps: Deps, due_in: float, kind: str = "update", subject: str = "INC-1") -> None:
    async with deps.database.transaction() as tx:
        due_at = deps.clock.now() + timedelta(seconds=due_in)
        await commitments.add(tx, subject=subject, due_at={kind: due_at}, grace_seconds=60)


async def tell(deps: Deps) -> None:
    await outbox.send_waiting(deps, by_kind(OperatorAlarmHandler()))


async def test_missed_promise_reports_itself_once(deps: Deps, clock: HandClock, world: World) -> None:
    """A promise not kept within its grace raises one alarm, no matter who looks, and how often."""
    await commit(deps, 60)
    clock.advance(120)
    assert await commitments.audit_commitments(deps, {}) == 0
    clock.advance(1)
    assert sum(await asyncio.gather(*(commitments.audit_commitments(deps, {}) for _ in range(4)))) == 1
    await tell(deps)
    await commitments.audit_commitments(deps, {})
    await tell(deps)
    (sentence,) = world.alarms
    assert "INC-1" in sentence
    assert "update" in sentence
    assert await column(deps.database, audit_log, "action") == ["commitment.missed"]


async def test_alarm_is_repeated_until_said(deps: Deps, clock: HandClock, world: World) -> None:
    """An alarm whose channel is down is tried again."""
    world.refuse("alarm", ConnectionError("smtp"), ConnectionError("smtp"))
    await commit(deps, 0)
    clock.advance(61)
    await commitments.audit_commitments(deps, {})
    for _ in range(8):
        await tell(deps)
        clock.advance_wall(60)
    assert len(world.alarms) == 1


async def test_kept_promise_is_quiet(deps: Deps, clock: HandClock) -> None:
    """What was delivered within the grace is kept; another kind of promise is not kept by it."""
    await commit(deps, 60)
    await commit(deps, 60, kind="reminder")
    clock.advance(110)
    async with deps.database.transaction() as tx:
        assert await commitments.meet(tx, subject="INC-1", kind="update", at=clock.now()) == 1
    clock.advance(100)
    assert await commitments.audit_commitments(deps, {}) == 1
    assert await column(deps.database, commitments_table, "state") == ["met", "missed"]


async def test_kept_too_late_is_missed(deps: Deps, clock: HandClock) -> None:
    """What was delivered after the grace was missed, and is reported as such."""
    await commit(deps, 60)
    clock.advance(121)
    async with deps.database.transaction() as tx:
        assert await commitments.meet(tx, subject="INC-1", kind="update", at=clock.now()) == 0
    assert await commitments.audit_commitments(deps, {}) == 1


async def test_released_promise_is_quiet(deps: Deps, clock: HandClock) -> None:
    """Nobody is alarmed for what nobody waits for now."""
    await commit(deps, 60)
    async with deps.database.transaction() as tx:
        assert await commitments.cancel(tx, subject="INC-1") == 1
    clock.advance(500)
    assert await commitments.audit_commitments(deps, {}) == 0
