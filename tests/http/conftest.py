"""The HTTP door of a whole installation: real database, worker and simulated workspace behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from bot.domain.people.token import Scope
from bot.http.app import make_app
from bot.http.door import HttpDoor
from bot.ports import Database
from bot.services.admin import tokens
from tests.support.clock import HandClock
from tests.support.story import Story, well_told

TokenFor = Callable[..., Awaitable[dict[str, str]]]


@pytest.fixture
async def story(sqlite_database: Database, clock: HandClock) -> AsyncIterator[Story]:
    """What these tests ask about is the same on both databases."""
    async with well_told(sqlite_database, clock) as story:
        yield story


@pytest.fixture
async def api(story: Story) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the HTTP door, without a token."""
    door = HttpDoor(deps=lambda: story.deps, slack_trouble=story.door.trouble)
    async with client_of(door) as client:
        yield client


def client_of(door: HttpDoor) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=make_app(door), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://tocsin.invalid")


@pytest.fixture
def token_for(story: Story) -> TokenFor:
    """Headers of a new token for that person with these scopes."""

    async def make(owner: str = "U0ADA", *scopes: Scope) -> dict[str, str]:
        name = f"{owner}-{'-'.join(scopes) or 'all'}"
        secret = await tokens.create(story.deps, name, scopes or tuple(Scope), owner, by="test")
        return {"Authorization": f"Bearer {secret.reveal()}"}

    return make
