"""The long chaos run, started by `make soak`: real processes killed at more than a hundred seeded moments."""

from __future__ import annotations

import pytest

from tests.stories.crash import NewDatabase, Outcome, check, seeded, told_together, undisturbed

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

DAYS = 14  # with five kills each, and one more in every third recovery
POSTGRES_DAYS = 8


def summary(outcomes: list[Outcome], what: str) -> int:
    kills, repeated = sum(one.kills for one in outcomes), sum(one.repeated for one in outcomes)
    print(f"{what}: {len(outcomes)} days, {kills} kills, {repeated} questions asked again by people")  # noqa: T201
    return kills


async def test_a_hundred_kills(new_sqlite: NewDatabase, new_postgres: NewDatabase) -> None:
    """At least a hundred kills at random moments of whole days: nothing lost, nothing twice, nothing stuck."""
    quiet_days = [undisturbed(False), undisturbed(True)]
    days = [seeded(100 + number, again=0.34) for number in range(DAYS)]
    shared = [seeded(200 + number, victims=("serve", "worker"), again=0.34) for number in range(POSTGRES_DAYS)]
    on_sqlite = await told_together(new_sqlite, [*quiet_days, *days])
    on_postgres = await told_together(new_postgres, [*quiet_days, *shared], at_once=2)
    assert summary(on_sqlite, "SQLite") + summary(on_postgres, "PostgreSQL") >= 100
    check(on_sqlite)
    check(on_postgres)
