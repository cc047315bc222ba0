"""One writer at a time, and whom it serves first."""

from __future__ import annotations

import asyncio

from bot.priority import answers_a_command, interactive, yield_to_commands
from bot.store.db.fair_lock import MOST_IN_A_ROW, FairLock


async def queue_up(turns: FairLock, names: list[tuple[str, bool]]) -> list[str]:
    """Everybody asks while the first holds it; the order in which they got it."""
    served: list[str] = []

    async def take(name: str) -> None:
        async with turns:
            served.append(name)

    async with turns:
        tasks = []
        for name, is_urgent in names:
            if is_urgent:
                with interactive():
                    tasks.append(asyncio.create_task(take(name)))
            else:
                tasks.append(asyncio.create_task(take(name)))
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return served


async def test_people_go_first() -> None:
    """What a person waits for is served before the worker, each side in order of arrival."""
    order = await queue_up(FairLock(), [("w1", False), ("p1", True), ("w2", False), ("p2", True)])
    assert order == ["p1", "p2", "w1", "w2"]


async def test_a_flood_of_people_does_not_stop_the_worker() -> None:
    """After so many in a row the worker gets a turn."""
    people = [(f"p{n}", True) for n in range(MOST_IN_A_ROW + 5)]
    order = await queue_up(FairLock(), [("worker", False), *people])
    assert order.index("worker") == MOST_IN_A_ROW


async def test_whoever_gives_up_blocks_nobody() -> None:
    """A waiter cancelled in the queue, or just as its turn comes, passes it on."""
    turns = FairLock()
    async with turns:
        first = asyncio.create_task(turns.__aenter__())
        second = asyncio.create_task(turns.__aenter__())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
    await asyncio.wait_for(second, 30)
    third = asyncio.create_task(turns.__aenter__())
    await asyncio.sleep(0)
    await turns.__aexit__(None, None, None)
    third.cancel()
    await asyncio.gather(third, return_exceptions=True)
    async with asyncio.timeout(30), turns:
        pass


async def test_the_worker_lets_people_go_first() -> None:
    """Who asked is answered before the worker goes on, and a slow answer holds it up only so long."""
    slow, quick = asyncio.Event(), asyncio.Event()
    for one in (slow, quick):
        answers_a_command(asyncio.create_task(one.wait()))
    going_on = asyncio.create_task(yield_to_commands(60))
    quick.set()
    await asyncio.sleep(0)
    assert not going_on.done()
    await yield_to_commands(0.01)
    slow.set()
    await going_on
    await yield_to_commands(60)
