"""Hints wake those who wait, here and in other processes, and their loss breaks nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.domain.errors import Misconfigured
from bot.store.wakeups.local import LocalWakeups
from bot.store.wakeups.postgres import PostgresWakeups
from bot.store.wakeups.redis import RedisWakeups
from tests.support.backends import Server

Shared = PostgresWakeups | RedisWakeups
LONG = 20.0  # never reached: a hint comes first
SHORT = 0.05


@pytest.fixture(params=["postgresql", "redis"])
def server(request: pytest.FixtureRequest) -> Server:
    """A server of our own that carries hints, once of each kind."""
    name = "own_postgres" if request.param == "postgresql" else "own_redis"
    found: Server = request.getfixturevalue(name)
    return found


@pytest.fixture
async def pair(server: Server) -> AsyncIterator[tuple[Shared, Shared]]:
    """Two processes' hints, both listening."""
    kind = PostgresWakeups if server.url.startswith("postgresql") else RedisWakeups
    one, other = kind(server.url, retry_seconds=0.02), kind(server.url, retry_seconds=0.02)
    await one.start()
    await other.start()
    assert await one.wait(LONG)  # each says so when it hears
    assert await other.wait(LONG)
    yield one, other
    await one.close()
    await other.close()


async def test_a_wake_before_the_wait_counts() -> None:
    """What was committed while the worker was busy wakes it at once, and only once."""
    wakeups = LocalWakeups()
    wakeups.wake()
    wakeups.wake()
    assert await wakeups.wait(LONG)
    assert not await wakeups.wait(0)
    await wakeups.close()


async def test_a_wake_ends_the_wait() -> None:
    """Who waits is woken, and listeners are called."""
    wakeups = LocalWakeups()
    heard: list[int] = []
    wakeups.listen(lambda: heard.append(1))
    waiting = asyncio.create_task(wakeups.wait(LONG))
    await asyncio.sleep(0)
    wakeups.wake()
    assert await waiting
    assert heard == [1]


async def test_other_processes_are_woken(pair: tuple[Shared, Shared]) -> None:
    """A wake-up reaches the other process, and its own only once."""
    one, other = pair
    for _ in range(3):
        one.wake()
        assert await one.wait(0)
        assert await other.wait(LONG)
    assert not await one.wait(SHORT)


async def test_a_server_stopped_in_flight(pair: tuple[Shared, Shared], server: Server) -> None:
    """While the server is away each process still wakes itself; when it is back, so are the others' hints."""
    one, other = pair
    server.kill()
    one.wake()
    assert await one.wait(0)
    assert not await other.wait(SHORT)
    await asyncio.to_thread(server.start)
    assert await other.wait(LONG)  # it listens again, and looks at what it may have missed
    await _until_heard(one, other)


async def _until_heard(one: Shared, other: Shared) -> None:
    async with asyncio.timeout(LONG):
        one.wake()
        while not await other.wait(SHORT):
            one.wake()


async def test_a_server_that_was_never_there() -> None:
    """Without a server the process wakes itself and closes as usual."""
    for wakeups in (PostgresWakeups("postgresql://127.0.0.1:1/x"), RedisWakeups("redis://127.0.0.1:1/0")):
        await wakeups.start()
        await asyncio.sleep(SHORT)
        wakeups.wake()
        assert await wakeups.wait(0)
        await wakeups.close()


def test_a_malformed_url_is_a_sentence() -> None:
    """A Redis URL that is none is explained, and what stood in it is not shown."""
    with pytest.raises(Misconfigured, match="TOCSIN_REDIS_URL must look like"):
        RedisWakeups("https://:hunter2@host")
