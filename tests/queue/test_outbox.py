"""Deliveries: told once, looked up where it is doubtful, and in order where order matters."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Call, Delivery, Plan, Skip, Wait
from bot.ports import Tx
from bot.queue import lease, outbox as queue_outbox
from bot.store.tables.audit import audit_log
from bot.store.tables.queue import deliveries as table
from tests.queue.rows import column, rows
from tests.queue.world import Note, Outbox, Said, World, note, until
from tests.support.clock import HandClock
from tests.support.waiting import next_wall


async def states(outbox: Outbox) -> list[str]:
    return await column(outbox.deps.database, table, "state")


# --- the plain way out --------------------------------------------------------------------------------------------


async def test_sent_and_settled(outbox: Outbox, world: World) -> None:
    """A delivery is sent once, and settled in the transaction that says so."""
    (identity,) = await outbox.put(note("hello"))
    assert await outbox.send() == 1
    assert await outbox.send() == 0
    assert world.texts() == ["hello"]
    assert outbox.handler.settled == [identity]
    (row,) = await rows(outbox.deps.database, table)
    assert (row.state, row.attempts, row.owner, row.lease_until) == ("sent", 1, None, None)
    assert row.first_sent_at == outbox.deps.clock.wall()
    assert row.answer == {"ts": "1"}


async def test_rolled_back_fact_tells_nobody(outbox: Outbox, world: World) -> None:
    """An intention whose fact was rolled back never leaves."""

    async def change_my_mind() -> None:
        async with outbox.deps.database.transaction() as tx:
            await queue_outbox.enqueue(outbox.deps, tx, note("never"))
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await change_my_mind()
    assert await outbox.send() == 0
    assert world.posts == []


async def test_follow_up_leaves_in_the_same_turn(outbox: Outbox, world: World) -> None:
    """What a settled delivery enqueues is sent straight away."""
    await outbox.put(note("first", then="second"))
    assert await outbox.send() == 2
    assert world.texts() == ["first", "second"]


async def test_independent_ones_in_parallel(outbox: Outbox, world: World) -> None:
    """Deliveries that do not depend on each other are under way together, but no more than 64 of them."""
    world.blocked = asyncio.Event()
    await outbox.put(*(note(f"n{number}") for number in range(80)))
    sending = asyncio.create_task(outbox.send())
    await until(lambda: world.calls == 64)
    world.blocked.set()
    assert await sending == 80
    assert world.most_at_once == 64


async def test_many_workers_send_once(outbox: Outbox, world: World) -> None:
    """When five workers empty one outbox, nothing is said twice."""
    await outbox.put(*(note(f"n{number}") for number in range(100)))
    assert sum(await asyncio.gather(*(outbox.send() for _ in range(5)))) == 100
    assert sorted(world.texts()) == sorted(f"n{number}" for number in range(100))


async def test_worst_first(outbox: Outbox, world: World) -> None:
    """Of what waits behind one rate limit the worst severity goes first, and within it the oldest."""
    await outbox.put(
        *(note(text, rate_limit="C1", rank=rank) for text, rank in [("a3", 3), ("b1", 1), ("c3", 3), ("d1", 1)])
    )
    await drain(outbox)
    assert world.texts() == ["b1", "d1", "a3", "c3"]


async def drain(outbox: Outbox, seconds: float = 1.0, turns: int = 20) -> None:
    """Send, and let time pass, until nothing is left."""
    for _ in range(turns):
        await outbox.send()
        outbox.deps.clock.advance_wall(seconds)  # type: ignore[attr-defined]


async def test_deduped(outbox: Outbox) -> None:
    """Of one dedupe key there is one delivery, ever."""
    (first, second) = await outbox.put(note("a", dedupe_key="k"), note("b", dedupe_key="k"))
    assert first is not None
    assert second is None
    await outbox.send()
    assert await outbox.put(note("c", dedupe_key="k", collapse_key="x")) == [None]
    assert await outbox.send() == 0


async def test_skip_and_wait(outbox: Outbox, world: World, clock: HandClock) -> None:
    """A delivery that has nothing to say is dropped; one that must wait is looked at again, untried."""
    plans: dict[str, Plan] = {"drop": Skip("closed meanwhile"), "wait": Wait(5, "no channel yet")}
    outbox.handler.plan = lambda delivery: plans.get(delivery.payload.text)
    await outbox.put(note("drop"), note("wait"))
    await outbox.send()
    dropped, waiting = await rows(outbox.deps.database, table)
    assert (dropped.state, dropped.error) == ("dropped", "closed meanwhile")
    assert (waiting.state, waiting.attempts, waiting.first_sent_at) == ("ready", 0, None)
    assert await next_wall(outbox.deps) == clock.wall() + 5
    del plans["wait"]
    assert await outbox.send() == 0
    clock.advance_wall(5)
    assert await outbox.send() == 1
    assert world.texts() == ["wait"]


# --- still wanted? ------------------------------------------------------------------------------------------------


class Asked(Note):
    """A delivery handler that looks somebody up first, and whose delivery may be unwanted by then."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.why: str | None = None
        self.trouble: Undeliverable | None = None

    async def look_up(self, deps: Deps, delivery: Delivery[Said], arguments: dict[str, Any]) -> dict[str, Any]:
        self.seen.append("look up")
        if self.trouble:
            raise self.trouble
        return {**arguments, "text": "found"}

    async def still_wanted(self, deps: Deps, tx: Tx, delivery: Delivery[Said]) -> str | None:
        self.seen.append("ask")
        return self.why


async def test_asked_once_when_nothing_but_the_sending_is_left(deps: Deps, world: World) -> None:
    """Whether it is wanted is asked after the look-up and before the call, and no second time."""
    asked = Asked()
    outbox = Outbox(deps, world, asked)
    await outbox.put(note("a"))
    await outbox.send()
    assert (asked.seen, world.texts()) == (["look up", "ask"], ["found"])


@pytest.mark.parametrize("trouble", [None, Undeliverable("nobody_there", permanent=True), Undeliverable("busy")])
async def test_what_nobody_wants_is_dropped(deps: Deps, world: World, trouble: Undeliverable | None) -> None:
    """It does not leave, and a look-up that failed is nobody's trouble."""
    asked = Asked()
    asked.why, asked.trouble = "INC-1 is resolved.", trouble
    outbox = Outbox(deps, world, asked)
    await outbox.put(note("a"))
    await outbox.send()
    (row,) = await rows(deps.database, table)
    assert (row.state, row.error, world.posts) == ("dropped", "INC-1 is resolved.", [])
    assert await rows(deps.database, audit_log) == []


async def test_what_nobody_wants_does_not_wait(deps: Deps, world: World, clock: HandClock) -> None:
    """A delivery that would have to wait for its place is dropped once nobody wants it."""
    asked = Asked()
    asked.plan = lambda delivery: Wait(60, "no channel yet")
    outbox = Outbox(deps, world, asked)
    await outbox.put(note("a"))
    await outbox.send()
    assert await states(outbox) == ["ready"]
    asked.why = "INC-1 is resolved."
    clock.advance_wall(60)
    await outbox.send()
    assert await states(outbox) == ["dropped"]


async def test_a_payload_of_another_version_is_left_to_it(outbox: Outbox, world: World, clock: HandClock) -> None:
    """What this version cannot read stays in the outbox for one that can."""
    await outbox.put(note("a"))
    async with outbox.deps.database.transaction() as tx:
        await tx.execute(table.update().values(payload={"words": "a"}))
    await outbox.send()
    assert (await states(outbox), world.posts) == (["ready"], [])
    async with outbox.deps.database.transaction() as tx:
        await tx.execute(table.update().values(payload={"text": "a"}))
    clock.advance_wall(30)
    await outbox.send()
    assert world.texts() == ["a"]


# --- refusals -----------------------------------------------------------------------------------------------------


async def test_not_sent_is_tried_again(outbox: Outbox, world: World, clock: HandClock) -> None:
    """A call that certainly did nothing is repeated after a pause that grows."""
    world.refuse("post", *[Undeliverable("connection refused")] * 3)
    await outbox.put(note("a"))
    pauses = []
    for _ in range(3):
        await outbox.send()
        (row,) = await rows(outbox.deps.database, table)
        pauses.append(row.next_at - clock.wall())
        clock.advance_wall(60)
    await outbox.send()
    assert world.texts() == ["a"]
    assert 0 < pauses[0] < 0.6 < pauses[2] < 2.1
    (row,) = await rows(outbox.deps.database, table)
    assert (row.state, row.attempts) == ("sent", 4)


async def test_permanent_refusal_fails_aloud(outbox: Outbox, world: World) -> None:
    """A refusal that will not change ends the delivery, and the audit log says so."""
    world.refuse("post", Undeliverable("channel_not_found", permanent=True))
    await outbox.put(note("a"))
    await outbox.send()
    assert await states(outbox) == ["failed"]
    assert await column(outbox.deps.database, audit_log, "action") == ["delivery.failed"]


async def test_refusal_as_good_as_done(outbox: Outbox, world: World) -> None:
    """A delivery handler may take a refusal for an answer: already there is there."""
    world.refuse("post", Undeliverable("already_pinned", permanent=True))
    outbox.handler.fate = lambda problem: {"ts": "0"} if problem.error == "already_pinned" else None
    (identity,) = await outbox.put(note("a"))
    await outbox.send()
    assert await states(outbox) == ["sent"]
    assert outbox.handler.settled == [identity]


async def test_refusal_that_waits_or_drops(outbox: Outbox, world: World, clock: HandClock) -> None:
    """A delivery handler may answer a refusal with patience, or let the matter rest."""
    world.refuse("post", Undeliverable("not_in_channel", permanent=True), Undeliverable("is_archived", permanent=True))
    outbox.handler.fate = lambda problem: Wait(3, "x") if problem.error == "not_in_channel" else Skip("archived")
    await outbox.put(note("a"))
    await outbox.send()
    assert await states(outbox) == ["ready"]
    clock.advance_wall(3)
    await outbox.send()
    assert await states(outbox) == ["dropped"]


async def test_broken_handler(outbox: Outbox, world: World, clock: HandClock) -> None:
    """A delivery handler that cannot even be prepared is tried again for minutes, then failed; others leave
    meanwhile.
    """

    def broken(delivery: Delivery[Said]) -> None:
        if delivery.subject == "INC-13":
            raise KeyError("template")

    outbox.handler.plan = broken
    await outbox.put(note("bad", subject="INC-13"), note("good"))
    await outbox.send()
    assert world.texts() == ["good"]
    await drain(outbox, seconds=61)
    assert await states(outbox) == ["failed", "sent"]


async def test_unknown_kind_waits(outbox: Outbox, clock: HandClock) -> None:
    """A kind that this version does not know is left for one that does."""
    await outbox.put(note("a"))
    await queue_outbox.send_waiting(outbox.deps, {})
    assert await states(outbox) == ["ready"]
    clock.advance_wall(31)
    await outbox.send()
    assert await states(outbox) == ["sent"]


# --- unconfirmed -----------------------------------------------------------------------------------------------------


async def test_lost_answer_found(outbox: Outbox, world: World) -> None:
    """An answer lost after the message was posted: it is found, settled, and not posted again."""
    world.lose_answer("post")
    (identity,) = await outbox.put(note("a"))
    await outbox.send()
    assert world.texts() == ["a"]
    assert await states(outbox) == ["sent"]
    assert outbox.handler.settled == [identity]


async def test_not_found_twice_is_repeated(outbox: Outbox, world: World, clock: HandClock) -> None:
    """A doubtful post that is not there, and still not there two seconds later, is posted."""
    world.refuse("post", Undeliverable("reset", maybe_done=True))
    await outbox.put(note("a"))
    await outbox.send()
    (row,) = await rows(outbox.deps.database, table)
    assert (row.state, row.lookups) == ("unconfirmed", 1)
    assert await next_wall(outbox.deps) == clock.wall() + 2
    clock.advance_wall(1.9)
    assert await outbox.send() == 0
    clock.advance_wall(0.1)
    await outbox.send()
    assert world.texts() == ["a"]
    assert await states(outbox) == ["sent"]


async def test_found_at_the_second_look(outbox: Outbox, world: World, clock: HandClock) -> None:
    """A post that shows up late is found by the second look, and not repeated."""
    world.refuse("post", Undeliverable("reset", maybe_done=True))
    (identity,) = await outbox.put(note("a"))
    await outbox.send()
    await world.call("post", {"channel": "-", "text": "a", "token": f"d{identity}"})
    clock.advance_wall(2)
    await outbox.send()
    assert world.texts() == ["a"]
    assert await states(outbox) == ["sent"]


async def test_crash_after_sending(outbox: Outbox, world: World, clock: HandClock) -> None:
    """A worker that died between sending and writing down: the next one finds the message and repeats nothing."""
    await dies_while_sending(outbox, world)
    assert world.texts() == ["a"]
    assert await states(outbox) == ["sending"]
    assert await outbox.send() == 0
    clock.advance_wall(31)
    await outbox.send()
    assert world.texts() == ["a"]
    assert await states(outbox) == ["sent"]


async def dies_while_sending(outbox: Outbox, world: World) -> None:
    """The call was made; then the process was gone before the answer."""

    class Mortal(Note):
        async def send(self, deps: Deps, *rest: object) -> dict[str, object]:
            await super().send(deps, *rest)  # type: ignore[arg-type]
            sent.set()
            await asyncio.Event().wait()
            raise AssertionError

    sent = asyncio.Event()
    await outbox.put(note("a"))
    pump = queue_outbox.Outbox(outbox.deps, {"note": Mortal()})
    doomed = asyncio.create_task(pump.until_idle())
    await sent.wait()
    # Only what is ours: SQLAlchemy gives connections back in tasks of its own, and one of those, cancelled,
    # leaves a connection to the garbage collector, whose warning then fails whichever test runs at that moment.
    doomed.cancel()
    await asyncio.gather(doomed, return_exceptions=True)
    await pump.finish(0)


async def test_restart_alone_need_not_wait(outbox: Outbox, world: World) -> None:
    """A process alone with its database looks up at once what a crash left in flight."""
    await dies_while_sending(outbox, world)
    assert await lease.release_all(outbox.deps) == 1
    await outbox.send()
    assert world.texts() == ["a"]
    assert await states(outbox) == ["sent"]


async def test_look_up_refused_for_a_while(outbox: Outbox, world: World, clock: HandClock) -> None:
    """A look-up that fails is repeated; failing is no answer to whether it happened."""
    world.lose_answer("post")
    world.refuse("history", *[Undeliverable("503")] * 3)
    await outbox.put(note("a"))
    for _ in range(4):
        await outbox.send()
        clock.advance_wall(61)
    assert world.texts() == ["a"]
    assert await states(outbox) == ["sent"]


async def test_sent_but_not_written_down(outbox: Outbox, world: World, clock: HandClock) -> None:
    """When settling fails after the message was sent, its answer is kept and settled later; nothing is repeated."""
    outbox.handler.troubles = [RuntimeError("bug"), RuntimeError("bug")]
    await outbox.put(note("a"))
    for _ in range(3):
        await outbox.send()
        clock.advance_wall(61)
    assert world.texts() == ["a"]
    assert await states(outbox) == ["sent"]
    assert len(outbox.handler.settled) == 1


async def test_slow_call_is_doubtful(outbox: Outbox, world: World, clock: HandClock) -> None:
    """A call that takes nearly a lease is given up before the lease is over, and looked up."""
    hasty = Outbox(outbox.deps.with_config(lease_seconds=0.05), world, outbox.handler)
    world.blocked = asyncio.Event()
    await hasty.put(note("a"))
    sending = asyncio.create_task(hasty.send())

    async def is_doubtful() -> bool:
        return await states(outbox) == ["unconfirmed"]

    await until(is_doubtful)
    world.blocked.set()
    await sending
    clock.advance_wall(3)
    await outbox.send()
    assert world.texts() == ["a"]


async def test_late_answer_is_fenced(outbox: Outbox, world: World, clock: HandClock) -> None:
    """A worker that was away for longer than its lease cannot settle what another has taken over."""
    world.blocked = asyncio.Event()
    await outbox.put(note("a"))
    away = asyncio.create_task(outbox.send())
    await until(lambda: world.calls == 1)
    clock.advance_wall(31)
    takes_over = asyncio.create_task(outbox.send())
    await until(lambda: world.calls == 2)
    world.blocked.set()
    await asyncio.gather(away, takes_over)
    for _ in range(3):
        clock.advance_wall(2)
        await outbox.send()
    assert world.texts() == ["a"]
    assert len(outbox.handler.settled) == 1


async def test_held_up_before_acting(outbox: Outbox, world: World, clock: HandClock) -> None:
    """A worker that was stopped between its claim and the call makes no call."""

    def oversleep(delivery: object) -> None:
        clock.advance_wall(31)

    outbox.handler.plan = oversleep
    await outbox.put(note("a"))
    await queue_outbox.Outbox(outbox.deps, outbox.handlers).start_ready()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait([task])
    assert world.posts == []
    assert await states(outbox) == ["sending"]


# --- collapsing ---------------------------------------------------------------------------------------------------


async def test_edits_collapse(outbox: Outbox, world: World) -> None:
    """Any number of edits that wait are one edit, rendered from the state of the moment it is sent."""
    for text in ("one", "two", "three"):
        outbox.handler.facts["INC-1"] = text
        await outbox.put(note("edit", collapse_key="card:1"))
    assert await outbox.send() == 1
    assert world.texts() == ["three"]


async def test_collapsing_keeps_the_worst_rank(outbox: Outbox) -> None:
    """A waiting edit that counts for a more urgent one goes with its urgency."""
    await outbox.put(note("edit", collapse_key="card:1", rank=5), note("edit", collapse_key="card:1", rank=1))
    assert await column(outbox.deps.database, table, "rank") == [1]


async def test_edit_does_not_overtake(outbox: Outbox, world: World) -> None:
    """An edit enqueued while the one before it is under way waits for it."""
    world.blocked = asyncio.Event()
    outbox.handler.facts["INC-1"] = "old"
    await outbox.put(note("edit", collapse_key="card:1"))
    first = asyncio.create_task(outbox.send())
    await until(lambda: world.calls == 1)
    outbox.handler.facts["INC-1"] = "new"
    (second,) = await outbox.put(note("edit", collapse_key="card:1"))
    assert second is not None
    assert await outbox.send() == 0
    world.blocked.set()
    assert await first == 2
    assert world.texts() == ["old", "new"]


async def test_failed_edit_gives_way(outbox: Outbox, world: World) -> None:
    """An edit to be tried again, while a newer one waits already, is dropped in its favour."""
    world.blocked = asyncio.Event()
    world.refuse("post", Undeliverable("connection refused"))
    await outbox.put(note("edit", collapse_key="card:1"))
    first = asyncio.create_task(outbox.send())
    await until(lambda: world.calls == 1)
    await outbox.put(note("edit", collapse_key="card:1"))
    world.blocked.set()
    await first
    assert await states(outbox) == ["dropped", "sent"]
    assert world.texts() == ["edit"]


async def test_no_edit_is_lost_to_a_claim(outbox: Outbox, world: World) -> None:
    """Facts that commit while the waiting edit could be claimed are in it, or in one after it."""

    async def change(number: int) -> None:
        async with outbox.deps.database.transaction() as tx:
            await queue_outbox.enqueue(outbox.deps, tx, note("edit", collapse_key="card:1"))
            await asyncio.sleep(0)
            latest.append(number)
            outbox.handler.facts["INC-1"] = str(len(latest))
        await outbox.send()

    latest: list[int] = []
    await asyncio.gather(*(change(number) for number in range(40)))
    await outbox.send()
    assert world.texts()[-1] == "40"


# --- rate limits ------------------------------------------------------------------------------------------------------


async def test_target_found_while_preparing(outbox: Outbox, world: World, clock: HandClock) -> None:
    """A channel that is known only when the message is rendered has its rate limit like any other."""
    outbox.handler.plan = lambda delivery: Call(
        {"channel": "C1", "text": delivery.payload.text, "token": delivery.token}, target="C1"
    )
    await outbox.put(note("a"), note("b"))
    await outbox.send()
    assert len(world.posts) == 1
    assert sorted(await column(outbox.deps.database, table, "rate_limit"), key=str) == [None, "post:C1"]
    clock.advance_wall(1)
    await outbox.send()
    assert sorted(world.texts()) == ["a", "b"]
