"""Real processes, killed: nothing is lost, nothing is said twice."""

from __future__ import annotations

import asyncio
import random
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from bot.deps import Deps
from bot.queue import inbox, outbox, timers
from bot.store.db.clock import DatabaseClock
from bot.store.db.database import SqlDatabase
from bot.store.tables.queue import deliveries as table
from tests.queue.rows import column, count
from tests.queue.world import World, make_deps, note, until

EACH = 20  # deliveries, timers and inbox items, for each victim


async def fill(deps: Deps, victim: int) -> None:
    mine = range(victim * EACH, (victim + 1) * EACH)
    async with deps.database.transaction() as tx:
        for number in mine:
            await outbox.enqueue(deps, tx, note(f"n{number}", collapse_key=f"card:{number}" if number % 2 else None))
            due_at = deps.clock.now()
            await timers.schedule(tx, kind="say", subject=f"t{number}", due_at=due_at, dedupe_key=f"t{number}")
    for number in mine:
        await inbox.receive(deps, key=f"E{number}", kind="event", payload={})


async def start(url: str, file: Path, children: AsyncExitStack) -> Process:
    """One more, which does not outlive the test: the next one has the same database."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.queue.child", url, str(file), stdout=PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    children.push_async_callback(end, child)
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    return child


async def heard_from(file: Path, more: int) -> None:
    """Wait until so many more things were said: the others are on their way at this moment."""
    said = file.stat().st_size if file.exists() else 0
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while not file.exists() or file.read_bytes()[said:].count(b"\n") < more:  # noqa: ASYNC110 - a real process has real time
                await asyncio.sleep(0.002)


async def end(child: Process) -> None:
    with suppress(ProcessLookupError):
        child.kill()
    await child.communicate()


@pytest.mark.parametrize("kills", [5, pytest.param(15, marks=pytest.mark.long)])
async def test_killed_again_and_again(database: SqlDatabase, database_url: str, tmp_path: Path, kills: int) -> None:
    """However often a worker is killed amid its work, all is said in the end, and everything once.

    On PostgreSQL two workers share the work, and one of them is killed.
    """
    async with AsyncExitStack() as children:
        await survive(database, database_url, tmp_path, kills, children)


async def survive(database: SqlDatabase, url: str, folder: Path, kills: int, children: AsyncExitStack) -> None:
    clock = DatabaseClock(database)
    await clock.start()
    deps = make_deps(database, clock, World(clock))
    file, everything = folder / "said", kills * EACH * 3
    dice = random.Random(7)  # noqa: S311  a seed makes it repeatable
    companion = await start(url, file, children) if database.dialect == "postgresql" else None
    for number in range(kills):
        victim = await start(url, file, children)
        await fill(deps, number)
        await heard_from(file, dice.randint(1, 6))
        await end(victim)

    async def all_is_said() -> bool:
        return await count(database, table, state="sent") == everything

    last = await start(url, file, children)
    await until(all_is_said, seconds=120)
    for child in filter(None, (companion, last)):
        await end(child)
    assert max(await column(database, table, "epoch")) > 1, "No kill hit anything."
    said = file.read_text().split()
    assert len(said) == len(set(said)) == everything
    assert set(await column(database, table, "state")) == {"sent"}
