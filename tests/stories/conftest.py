"""Every story runs on SQLite and on PostgreSQL, and ends without a call that Slack would have refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.ports import Database
from tests.support.clock import HandClock
from tests.support.story import Story, told


@pytest.fixture
async def story(database: Database, clock: HandClock) -> AsyncIterator[Story]:
    """A whole installation with the packaged catalogue."""
    async with told(database, clock) as story:
        yield story
        assert story.violations() == []
