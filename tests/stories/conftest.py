"""Every story ends without a call that Slack would refuse. `story` is told on either database, `tale` on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.ports import Database
from tests.support.clock import HandClock
from tests.support.story import Story, well_told


@pytest.fixture
async def story(database: Database, clock: HandClock) -> AsyncIterator[Story]:
    """A whole installation with the packaged catalogue, on SQLite or on PostgreSQL."""
    async with well_told(database, clock) as story:
        yield story


@pytest.fixture
async def tale(sqlite_database: Database, clock: HandClock) -> AsyncIterator[Story]:
    """A story that the database makes no difference to: on SQLite alone, to save time."""
    async with well_told(sqlite_database, clock) as story:
        yield story
