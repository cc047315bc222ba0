"""Who has left the workspace, which Slack said while nobody listened: they are given nothing to look after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.ports import Database
from bot.services.workspace import people
from tests.support.catalogues import catalogue
from tests.support.clock import HandClock
from tests.support.story import Story, told

SHOP = """
service: shop
name: Shop
default_severity: S1
severities: [{key: S1, name: Urgent}]
oncall: {primary: {who: [U0ADA]}}
"""


@pytest.fixture
async def story(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[Story]:
    folders = [catalogue(tmp_path, org="default_service: shop", shop=SHOP)]
    async with told(sqlite_database, clock, catalogue=folders) as story:
        await story.does("users", id="U0CLEO", kind="deactivated")
        await story.settle()
        await people.remember(story.deps, {"id": "U0CLEO", "name": "cleo"})  # as if that had been missed
        story.clock.advance(seconds=people.FRESH_SECONDS + 1)
        yield story


async def test_they_are_given_nothing(story: Story) -> None:
    """On-call, a page and a role go to nobody who has gone: Slack is asked first where it has not said for long."""
    room = await story.declared("S1 nobody can pay")
    story.clock.advance(seconds=people.FRESH_SECONDS + 1)
    assert "cannot be on call" in await story.types("Ada", "/incident oncall give <@U0CLEO> 2h")
    await people.remember(story.deps, {"id": "U0CLEO", "name": "cleo"})
    story.clock.advance(seconds=people.FRESH_SECONDS + 1)
    assert "no full, active member" in await story.types("Ada", "/incident page <@U0CLEO>", room)
    await people.remember(story.deps, {"id": "U0CLEO", "name": "cleo"})
    story.clock.advance(seconds=people.FRESH_SECONDS + 1)
    assert "cannot be commander" in await story.types("Ada", "/incident role commander <@U0CLEO>", room)
