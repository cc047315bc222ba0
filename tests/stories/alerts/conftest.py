"""Monitoring that sends alerts: `sent` on either database, `sender` where the database makes no difference."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.alerts import Monitoring, monitoring
from tests.support.story import Story


@pytest.fixture
async def sent(story: Story) -> AsyncIterator[Monitoring]:
    async with monitoring(story) as found:
        yield found


@pytest.fixture
async def sender(tale: Story) -> AsyncIterator[Monitoring]:
    async with monitoring(tale) as found:
        yield found
