"""Escalations as stored: the escalation policy comes back as it was, and of each subject one escalation is open."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy.exc import IntegrityError

from bot.domain.catalogue.policy import EscalationPolicy
from bot.domain.escalation.escalation import EscalationStart
from bot.ports import Database
from bot.store.escalation import escalations as store
from bot.store.escalation.escalations import Escalation
from tests.domain.escalation.test_escalation import CRITICAL, T0, some_start


async def added(
    database: Database, policy: EscalationPolicy, start: EscalationStart, subject: str = "ALR-1"
) -> Escalation:
    async with database.transaction() as tx:
        return await store.add(tx, subject, policy, start, service="shop", begun_by="tocsin")


@given(some_start())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_an_escalation_policy_comes_back_as_it_was(
    sqlite_database: Database, chosen: tuple[EscalationPolicy, EscalationStart]
) -> None:
    """Steps, hours, targets and conditions are the same, and so every moment is."""
    async with sqlite_database.transaction() as tx:
        made = await store.add(tx, "ALR-1", *chosen, service="shop", begun_by="tocsin")
        found = await store.get(tx, made.id)
        assert (found.policy, found.start) == chosen
        assert found.schedule == made.schedule
        await tx.rollback()


async def test_one_escalation_at_a_time(database: Database) -> None:
    """A second one of the same subject cannot begin while the first is open, no matter who races."""
    first = await added(database, CRITICAL, EscalationStart(T0))
    with pytest.raises(IntegrityError):
        await added(database, CRITICAL, EscalationStart(T0, number=2))
    async with database.transaction() as tx:
        assert await store.end(tx, first, at=T0, why="silenced")
        assert not await store.end(tx, first, at=T0, why="resolved")
        assert await store.open_of(tx, "ALR-1") is None
    second = await added(database, CRITICAL, EscalationStart(T0, number=2))
    async with database.transaction() as tx:
        assert await store.open_of(tx, "ALR-1") == second


async def test_how_far_it_came(database: Database) -> None:
    """The highest position that went out stays, in whatever order they go."""
    escalation = await added(database, CRITICAL, EscalationStart(T0))
    async with database.transaction() as tx:
        for position in (0, 2, 1):
            await store.mark_sent(tx, escalation, position)
        assert (await store.get(tx, escalation.id)).reached == 2
