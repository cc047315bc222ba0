"""A real `tocsin serve` is killed at any moment of an incident's life; what people see is as if it had not been."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.crash import House, NewDatabase, check, housed, seeded, told_together, undisturbed
from tests.support.story import shown

pytestmark = pytest.mark.timeout(300)  # dozens of processes start, beside whatever else the machine does

FEW = ("declare", "resolve")
ACTS = ("declare", "update", "overdue", "resolve")
SQLITE_SEEDS = (3,)  # filled in, over HTTP; more of them are make soak's
POSTGRES_SEEDS = (4,)  # typed, over Socket Mode


@pytest.mark.parametrize("acts", [FEW, pytest.param(ACTS, marks=pytest.mark.long)], ids=" ".join)
async def test_killed_on_sqlite(new_sqlite: NewDatabase, acts: Sequence[str]) -> None:
    """One process, killed in every act of a day: the same end, nothing twice."""
    days = [seeded(seed, acts=acts) for seed in SQLITE_SEEDS]
    outcomes = await told_together(new_sqlite, [undisturbed(True), *days])
    assert sum(outcome.kills for outcome in outcomes) >= len(acts)
    check(outcomes)


@pytest.mark.long
async def test_killed_on_postgresql(new_postgres: NewDatabase) -> None:
    """A bot and a worker beside it, one or the other killed in the acts of a day: the same end, nothing twice."""
    days = [
        seeded(seed, acts=("declare", "overdue", "resolve"), victims=("serve", "worker")) for seed in POSTGRES_SEEDS
    ]
    outcomes = await told_together(new_postgres, [undisturbed(False), *days])
    assert sum(outcome.kills for outcome in outcomes) >= 3
    check(outcomes)


@pytest.mark.long
async def test_the_clock_passes_a_promise_while_it_is_down(new_sqlite: NewDatabase) -> None:
    """Two updates fell due while nobody was up: one is posted at once after the start, and the next one is promised."""
    async with housed(new_sqlite()) as house:
        await house.types("Ada", "/incident declare P1 checkout is down", "general")
        await house.quiet()
        await house.down()
        await house.jump(minutes=61)
        assert await own_updates(house) == 0
        house.back()
        await house.quiet()
        assert await own_updates(house) == 1
        await house.jump(minutes=31)
        await house.quiet()
        assert await own_updates(house) == 2
        assert await house.flaws() == []


async def own_updates(house: House) -> int:
    """How many the bot has written because nobody else had."""
    return sum("since nobody had written" in shown(one) for one in await house.messages(await house.room()))
