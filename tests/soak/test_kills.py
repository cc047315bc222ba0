"""The long chaos run, started by `make soak`: real processes killed at more than a hundred seeded moments."""

from __future__ import annotations

import pytest

from tests.support.crash import NewDatabase, Trip, check, seeded, told_together, undisturbed

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

DAYS = 17  # with five kills each, and one more in every third recovery
POSTGRES_DAYS = 8


async def survive(new_database: NewDatabase, days: list[Trip], *, least: int) -> None:
    """Print the figures, then judge."""
    outcomes = await told_together(new_database, [undisturbed(False), undisturbed(True), *days], heard=print)
    kills, repeated = sum(one.kills for one in outcomes), sum(one.repeated for one in outcomes)
    print(f"{len(days)} days, {kills} kills, {repeated} questions that people had to ask again")  # noqa: T201
    assert kills >= least
    check(outcomes)


async def test_a_hundred_kills_on_sqlite(new_sqlite: NewDatabase) -> None:
    """At least a hundred kills at random moments of whole days: nothing lost, nothing twice, nothing stuck."""
    await survive(new_sqlite, [seeded(100 + number, again=0.34) for number in range(DAYS)], least=100)


async def test_forty_kills_on_postgresql(new_postgres: NewDatabase) -> None:
    """The same with a worker beside the bot, either of them killed."""
    victims = ("serve", "worker")
    days = [seeded(200 + number, victims=victims, again=0.34) for number in range(POSTGRES_DAYS)]
    await survive(new_postgres, days, least=40)
