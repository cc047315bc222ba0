"""redis against a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from bot.domain.catalogue.runbook import Kind
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown
from bot.engine.steps import STEPS
from tests.engine.steps.support import NASTY, Wire, cancelled, make_context, wire_to
from tests.support.backends import free_port

perform = STEPS[Kind.REDIS]


@pytest.fixture
def server(redis_url: str) -> Any:
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
async def wire(redis_url: str) -> AsyncIterator[Wire]:
    url = urlsplit(redis_url)
    async with wire_to(url.hostname or "", url.port or 0) as opened:
        yield opened


async def ask(url: str, *command: Any, seconds: float = 5.0) -> Outcome:
    context = make_context({"cache": ("redis", url)}, timeout_seconds=seconds)
    return await perform({"connection": "cache", "command": list(command)}, context)


async def test_it_succeeds(server: Any, redis_url: str) -> None:
    """A command is carried out once and its reply is the value, as plain data."""
    assert await ask(redis_url, "INCR", "n") == Done({"value": 1}, "1")
    assert server.get("n") == "1"
    outcome = await ask(redis_url, "MGET", "n", "missing")
    assert isinstance(outcome, Done)
    assert outcome.result["value"] == ["1", None]


async def test_it_fails_once(server: Any, redis_url: str) -> None:
    """What Redis refuses is a failure in its words."""
    server.set("text", "x")
    outcome = await ask(redis_url, "INCR", "text")
    assert isinstance(outcome, Failed)
    assert "not an integer" in outcome.sentence


async def test_it_times_out_once(server: Any, redis_url: str) -> None:
    """No reply in time: it may have happened."""
    assert isinstance(await ask(redis_url, "BLPOP", "nothing", 0, seconds=0.2), Unknown)


async def test_a_reset_leaves_it_unknown(server: Any, wire: Wire) -> None:
    """The connection breaks after the command left: unknown, and not sent again."""
    wire.cut_after = b"INCR"
    assert isinstance(await ask(f"redis://127.0.0.1:{wire.port}/0", "INCR", "n"), Unknown)
    await wire.passed.wait()
    assert server.get("n") in (None, "1")


async def test_it_is_killed_in_mid_effect(server: Any, wire: Wire) -> None:
    """Cancelled while it waits for the reply, it ends and sends nothing more."""
    wire.silent_after = b"INCR"
    await cancelled(ask(f"redis://127.0.0.1:{wire.port}/0", "INCR", "n"), wire.passed)
    assert server.get("n") in (None, "1")


async def test_an_unreachable_server_is_certain() -> None:
    """Refused: nothing left, and the password is not in the sentence."""
    outcome = await ask(f"redis://:hidden@127.0.0.1:{free_port()}/0", "INCR", "n")
    assert isinstance(outcome, Failed)
    assert outcome.certain
    assert "hidden" not in outcome.sentence


@pytest.mark.parametrize("text", NASTY)
async def test_one_argument_stays_one(server: Any, redis_url: str, text: str) -> None:
    """Whatever an argument holds, Redis stores exactly that under exactly that key, and nothing else."""
    await ask(redis_url, "SET", f"key {text}", text)
    assert server.keys("*") == [f"key {text}"]
    assert server.get(f"key {text}") == text


@pytest.mark.parametrize(
    "command", [["SET a"], [""], [], ["GET\r\nDEL"], ["MONITOR"], ["CLIENT", "reply", "OFF"], [["GET"]]]
)
async def test_what_does_not_fit_is_refused(redis_url: str, command: list[Any]) -> None:
    """A first word that would be split, and commands that do not answer once, are refused before they leave."""
    outcome = await ask(redis_url, *command)
    assert isinstance(outcome, Failed)
    assert outcome.certain
