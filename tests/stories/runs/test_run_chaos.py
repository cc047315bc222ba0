"""Runs go on while the processes that carry them are killed and stopped: at most once, and never silently."""

from __future__ import annotations

from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from bot.simulator.workspace.state import Channel, Message
from tests.support.crash import NewDatabase
from tests.support.run_chaos import WORKERS, Place, brewed, check, is_open, placed, until, weathered

pytestmark = pytest.mark.timeout(300)  # many processes start, beside whatever else the machine does

REPEAT = "make {} PYTEST_ARGS='-n 0 tests/stories/runs/test_run_chaos.py'"


async def test_runs_in_a_storm_on_sqlite(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    """One process, killed once and stopped once amid 4 runs: nothing twice, nothing stuck, nothing unsaid."""
    storm = brewed(7, wishes=4, kills=1, stops=1, victims=("serve",), rooms=4)
    outcome = await weathered(new_sqlite, tmp_path, storm)
    check(outcome, REPEAT.format("test"))


@pytest.mark.long
async def test_runs_in_a_storm_on_postgresql(new_postgres: NewDatabase, tmp_path: Path) -> None:
    """A bot and two workers, any of them killed or stopped: nothing twice, nothing stuck, nothing unsaid."""
    storm = brewed(8, wishes=4, kills=1, stops=1, victims=("serve", *WORKERS), rooms=4)
    outcome = await weathered(new_postgres, tmp_path, storm)
    check(outcome, REPEAT.format("test-long"))


@pytest.mark.long
async def test_a_stopped_worker_is_fenced(new_postgres: NewDatabase, tmp_path: Path) -> None:
    """A worker stopped in mid-effect loses the run; a person answers; when it continues, its outcome is nothing."""
    async with placed(new_postgres(), tmp_path, rooms=1) as place:
        room = place.rooms[0]
        await place.house.types("Ada", "/runbook run restart note=one first=slow seconds=2", room.id)
        question = await _posted(room, "approval.approve")
        await place.house.quiet()
        await place.clicks("U0BEN", room, question, "approval.approve")
        await place.target.until(2)  # looked at, and begun
        run = await place.run("RUN-1")
        (holder,) = (one for one in place.house.children.values() if str(run.owner).endswith(f":{one.pid}"))

        holder.send(SIGSTOP)
        try:
            await _lost(place, int(str(run.owner).rpartition(":")[2]))
            unknown = await _posted(room, "step.happened")
            assert (await place.run("RUN-1")).epoch > run.epoch
        finally:
            holder.send(SIGCONT)
        await until(lambda: any("lease.lost" in line for line in holder.log))
        assert (await place.attempt("RUN-1", "first")).state == "unknown"
        await place.house.quiet()
        assert await place.clicks("U0CLEO", room, unknown, "step.happened")
        await _succeeded(place)

        assert (await place.attempt("RUN-1", "first")).sentence == "<@U0CLEO> says that it happened."
        counts = await place.target.counts()
        assert {step: keys.total() for (_, step), keys in counts.items()} == {"look": 1, "first": 1, "second": 1}


async def _posted(room: Channel, action: str) -> Message:
    """The message with this button, as soon as it is there."""
    await until(lambda: any(is_open(one, action) for one in room.messages.values()))
    return next(one for one in room.messages.values() if is_open(one, action))


async def _lost(place: Place, pid: int) -> None:
    """Its lease is over, and somebody else has taken the run."""
    before = await place.run("RUN-1")
    while (await place.run("RUN-1")).epoch == before.epoch:
        await place.house.release(pid)


async def _succeeded(place: Place) -> None:
    while (await place.run("RUN-1")).status != "succeeded":
        await place.house.is_up()
