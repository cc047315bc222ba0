"""Each attempt has a shop of its own, in which RUN-1 is asked for by Ada and approved by Ben or Cleo."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from bot.ports import Database
from tests.security.bypass.scene import Scene, opened
from tests.support.clock import HandClock

Opener = Callable[..., AbstractAsyncContextManager[Scene]]


@pytest.fixture
def opens(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> Opener:
    """A shop with other runbooks, or another org.yml."""
    return partial(opened, sqlite_database, clock, tmp_path)


@pytest.fixture
async def it(opens: Opener) -> AsyncIterator[Scene]:
    """The shop with one runbook, `restart`, which one of the team approves."""
    async with opens() as scene:
        yield scene
