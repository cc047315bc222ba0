"""The claim statement: one holder at a time, and no outcome from a former one."""

from __future__ import annotations

import asyncio

import pytest

from bot.deps import Deps
from bot.queue import lease
from bot.store.db import claim as kernel
from bot.store.db.claim import Claim, LeaseLost
from bot.store.queue import inbox as store
from bot.store.tables.queue import inbox
from tests.queue.rows import column, rows
from tests.queue.world import until
from tests.support.clock import HandClock


async def fill(deps: Deps, many: int) -> None:
    async with deps.database.transaction() as tx:
        for number in range(many):
            await store.insert(
                tx, key=f"E{number}", kind="event", payload={}, wall=deps.clock.wall(), received_at=deps.clock.now()
            )


async def take(deps: Deps, owner: str, limit: int = 100) -> list[Claim]:
    async with deps.database.transaction() as tx:
        wall = deps.clock.wall()
        taken = await store.claim(tx, wall=wall, limit=limit, owner=owner, until=wall + 30)
    return [claim for claim, _ in taken]


async def conclude(deps: Deps, claim: Claim) -> None:
    async with deps.database.transaction() as tx:
        await kernel.finish(tx, claim, state="done")


async def test_many_claimers(deps: Deps) -> None:
    """When twenty claimers race for two hundred rows, every row has exactly one holder."""
    await fill(deps, 200)

    async def grab(owner: str) -> list[int]:
        mine: list[int] = []
        while taken := await take(deps, owner, limit=7):
            mine += [claim.id for claim in taken]
        return mine

    grabbed = await asyncio.gather(*(grab(f"w{number}") for number in range(20)))
    everything = [identity for mine in grabbed for identity in mine]
    assert len(everything) == len(set(everything)) == 200


async def test_intent_is_committed_before_the_work(deps: Deps, clock: HandClock) -> None:
    """A claim leaves owner, lease, state and the next epoch in the row for everybody to see."""
    await fill(deps, 1)
    (claim,) = await take(deps, "ada")
    (row,) = await rows(deps.database, inbox)
    assert (row.owner, row.epoch, row.state, row.lease_until) == ("ada", 1, "working", clock.wall() + 30)
    assert claim.epoch == 1


async def test_held_row_is_not_handed_out(deps: Deps, clock: HandClock) -> None:
    """Until its lease is over a row has one holder; afterwards it has the next."""
    await fill(deps, 1)
    await take(deps, "ada")
    clock.advance_wall(29)
    assert await take(deps, "ben") == []
    clock.advance_wall(2)
    (second,) = await take(deps, "ben")
    assert second.epoch == 2


async def test_late_outcome_is_fenced(deps: Deps, clock: HandClock) -> None:
    """Who comes back after his lease was given on changes nothing, and is told so."""
    await fill(deps, 1)
    (first,) = await take(deps, "ada")
    clock.advance_wall(31)
    (second,) = await take(deps, "ada")  # the same name: it is the epoch that tells them apart
    with pytest.raises(LeaseLost):
        await conclude(deps, first)
    assert await column(deps.database, inbox, "state") == ["working"]
    await conclude(deps, second)
    assert await column(deps.database, inbox, "state") == ["done"]


async def test_outcome_counts_once(deps: Deps) -> None:
    """A second outcome of the same claim loses its lease like any other."""
    await fill(deps, 1)
    (claim,) = await take(deps, "ada")
    await conclude(deps, claim)
    with pytest.raises(LeaseLost):
        await conclude(deps, claim)


async def test_renewed_lease_holds(deps: Deps, clock: HandClock) -> None:
    """Work that takes longer than a lease keeps its row by renewing it."""
    await fill(deps, 1)
    (claim,) = await take(deps, "ada")
    clock.advance_wall(20)
    async with deps.database.transaction() as tx:
        await kernel.renew(tx, claim, until=clock.wall() + 30)
    clock.advance_wall(20)
    assert await take(deps, "ben") == []
    await conclude(deps, claim)


async def test_lease_is_renewed_while_work_runs(deps: Deps, clock: HandClock) -> None:
    """Holding a lease around long work moves its end along by itself."""
    await fill(deps, 1)
    (claim,) = await take(deps, "ada")
    hasty = deps.with_config(lease_seconds=0.03)
    async with lease.held(hasty, claim):
        clock.advance_wall(100)

        async def is_renewed() -> bool:
            (until_wall,) = await column(deps.database, inbox, "lease_until")
            return bool(until_wall > clock.wall())

        await until(is_renewed)  # the renewal runs by the event loop's clock
    assert await column(deps.database, inbox, "lease_until") == [clock.wall() + 0.03]


async def test_restart_alone_recovers_at_once(deps: Deps) -> None:
    """A process that is alone ends all leases when it starts, and need not wait for them."""
    await fill(deps, 3)
    await take(deps, "before the crash")
    assert await lease.release_all(deps) == 3
    assert [claim.epoch for claim in await take(deps, "after it")] == [2, 2, 2]
