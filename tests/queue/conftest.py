"""Fixtures of the kernel's tests: an outside world in memory around real databases."""

from __future__ import annotations

import pytest

from bot.deps import Deps
from bot.store.db.database import SqlDatabase
from tests.queue.world import Note, Outbox, World, make_deps
from tests.support.clock import HandClock


@pytest.fixture
def world(clock: HandClock) -> World:
    """What is outside."""
    return World(clock)


@pytest.fixture
def deps(database: SqlDatabase, clock: HandClock, world: World) -> Deps:
    """The kernel's surroundings, once on each database."""
    return make_deps(database, clock, world)


@pytest.fixture
def outbox(deps: Deps, world: World) -> Outbox:
    """The outbox with one kind of delivery handler."""
    return Outbox(deps, world, Note())
