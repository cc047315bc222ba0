"""Climbs as stored: the ladder comes back as it was, and of each subject one climb is open."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy.exc import IntegrityError

from bot.domain.catalogue.policy import Ladder
from bot.domain.escalation.escalation import Climb
from bot.ports import Database
from bot.store.escalation import escalations as store
from bot.store.escalation.escalations import Way
from tests.domain.test_escalation import CRITICAL, T0, some_climb


async def added(database: Database, ladder: Ladder, climb: Climb, subject: str = "ALR-1") -> Way:
    async with database.transaction() as tx:
        return await store.add(tx, subject, ladder, climb, service="shop", begun_by="tocsin")


@given(some_climb())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_ladder_comes_back_as_it_was(sqlite_database: Database, chosen: tuple[Ladder, Climb]) -> None:
    """Steps, hours, targets and conditions are the same, and so every moment is."""
    async with sqlite_database.transaction() as tx:
        made = await store.add(tx, "ALR-1", *chosen, service="shop", begun_by="tocsin")
        found = await store.get(tx, made.id)
        assert (found.ladder, found.climb) == chosen
        assert found.schedule == made.schedule
        await tx.rollback()


async def test_one_climb_at_a_time(database: Database) -> None:
    """A second one of the same subject cannot begin while the first is open, whoever races."""
    first = await added(database, CRITICAL, Climb(T0))
    with pytest.raises(IntegrityError):
        await added(database, CRITICAL, Climb(T0, number=2))
    async with database.transaction() as tx:
        assert await store.end(tx, first, at=T0, why="silenced")
        assert not await store.end(tx, first, at=T0, why="resolved")
        assert await store.open_of(tx, "ALR-1") is None
    second = await added(database, CRITICAL, Climb(T0, number=2))
    async with database.transaction() as tx:
        assert await store.open_of(tx, "ALR-1") == second


async def test_how_far_it_came(database: Database) -> None:
    """The highest position that went out stays, in whatever order they go."""
    way = await added(database, CRITICAL, Climb(T0))
    async with database.transaction() as tx:
        for position in (0, 2, 1):
            await store.went_out(tx, way, position)
        assert (await store.get(tx, way.id)).reached == 2
