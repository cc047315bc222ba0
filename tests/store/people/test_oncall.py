"""Overrides and PagerDuty's answers as they are kept, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.domain.escalation.page import OnCall
from bot.domain.people.person import Kind, Person
from bot.ports import Database
from bot.store.people import oncall as store, people
from tests.support.clock import START

HOUR = timedelta(hours=1)


def values(person: str, *, hours: int = 1, level: str = "primary") -> dict[str, Any]:
    times = {"made_at": START, "begins_at": START, "ends_at": START + hours * HOUR}
    return {"service": "shop", "level": level, "person": person, "made_by": "U0DAN", **times}


async def test_overrides_of_a_level_and_of_a_person(database: Database) -> None:
    """A level's come in the order in which they were made; a person has those they hold and those they gave."""
    async with database.transaction() as tx:
        first = await store.add(tx, **values("U0ADA", hours=2))
        second = await store.add(tx, **values("U0BEN"))
        other = await store.add(tx, **values("U0BEN", level="secondary"))
    async with database.reading() as tx:
        assert await store.of_level(tx, "shop", "primary", since=START) == [first, second]
        assert await store.of_level(tx, "shop", "primary", since=START + HOUR) == [first, second]
        assert await store.of_level(tx, "shop", "primary", since=START + 2 * HOUR) == [first]
        assert await store.of_person(tx, "U0BEN", now=START) == [second, other]
        assert await store.of_person(tx, "U0DAN", now=START + HOUR) == [first]
        assert await store.get(tx, second.id) == second


async def test_an_override_ends_once(database: Database) -> None:
    """Ended early it is over from then on, and what is over does not end again."""
    async with database.transaction() as tx:
        made = await store.add(tx, **values("U0ADA"))
        assert await store.end(tx, made.id, at=START + HOUR / 2)
        assert not await store.end(tx, made.id, at=START + HOUR / 2)
        assert (await store.get(tx, made.id)).ends_at == START + HOUR / 2


async def test_what_pagerduty_said_last(database: Database) -> None:
    """The newest answer is kept whole, and holds until it is too old or a shift in it has ended."""
    ada = OnCall("PUADA", "Ada", "ada@example.com", until=START + HOUR)
    async with database.transaction() as tx:
        assert await store.roster(tx, "PABC123") is None
        await store.save_roster(tx, "PABC123", [OnCall("PUBEN", "Ben")], seen_at=1.5)
        await store.save_roster(tx, "PABC123", [ada], seen_at=START.timestamp())
        found = await store.roster(tx, "PABC123")
    assert found == store.Roster((ada,), START.timestamp())
    wall = START.timestamp()
    assert found.holds(wall + 60, seconds=60)
    assert not found.holds(wall + 61, seconds=60)
    assert found.holds(wall + 3599, seconds=7200)
    assert not found.holds(wall + 3600, seconds=7200)


async def test_people_by_their_address(database: Database) -> None:
    """An address finds its full member in any case of its letters, and nobody else."""
    persons = [
        Person("U0ADA", "Ada", email="Ada@Example.com"),
        Person("U0EVE", "Eve", Kind.DEACTIVATED, email="eve@example.com"),
        Person("U0BEN", "Ben"),
    ]
    async with database.transaction() as tx:
        await people.save(tx, persons, team=None, seen_at=1.0)
        wanted = ["ADA@example.com", "eve@example.com", "nobody@example.com", ""]
        assert await people.by_email(tx, wanted) == {"ada@example.com": "U0ADA"}
        assert await people.by_email(tx, []) == {}
