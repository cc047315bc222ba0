"""Faults on order, latency, and Slack's rate limits when they are switched on."""

from __future__ import annotations

import time

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import Simulator
from tests.simulator.conftest import Hands, StillClock
from tests.simulator.refusals import error


async def post(client: AsyncWebClient, text: str = "x", channel: str = "C0GENERAL") -> str:
    return str((await client.chat_postMessage(channel=channel, text=text))["ts"])


async def test_rate_limited(client: AsyncWebClient, hands: Hands) -> None:
    """The next calls of a method are answered with 429 and a Retry-After, then it works again."""
    await hands.done("faults", kind="rate_limited", method="chat.postMessage", times=2, retry_after=7)
    for _ in range(2):
        with pytest.raises(SlackApiError) as refused:
            await post(client)
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["Retry-After"] == "7"
        assert refused.value.response["error"] == "ratelimited"
    await client.auth_test()
    await post(client)


async def test_errors(client: AsyncWebClient, hands: Hands, sim: Simulator, session: aiohttp.ClientSession) -> None:
    """A method can answer with any error, or with a server's error page; nothing changes then."""
    await hands.done("faults", kind="error", method="conversations.*", error="restricted_action")
    assert await error(client.conversations_create(name="inc-1")) == "restricted_action"
    await hands.done("faults", kind="http_500", status=503)
    async with session.post(f"{sim.api_url}auth.test") as response:
        assert (response.status, response.content_type) == (503, "text/html")
    assert (await client.conversations_create(name="inc-1"))["ok"]


async def test_lost_answers(client: AsyncWebClient, hands: Hands) -> None:
    """drop_response does what was asked and hangs up instead of answering."""
    await hands.done("faults", kind="drop_response", method="chat.postMessage", channel="general")
    with pytest.raises(aiohttp.ClientError):
        await post(client, "lost")
    assert [one["text"] for one in await hands.messages("general")] == ["lost"]
    (line,) = [line for line in await hands.journal("call") if line.get("answer") == "lost"]
    assert line["ok"]


async def test_only_that_channel(client: AsyncWebClient, hands: Hands) -> None:
    """A fault of one channel, by name or by id, leaves the others alone."""
    for channel in ("#incidents", "C0INCIDENTS", "inc*"):
        await hands.done("faults", kind="error", error="fatal_error", channel=channel)
        await post(client)
        assert await error(client.chat_postMessage(channel="C0INCIDENTS", text="x")) == "fatal_error"


async def test_slow_and_latency(client: AsyncWebClient, hands: Hands) -> None:
    """A slow call takes its seconds, and latency is added to each."""
    await hands.done("faults", kind="slow", seconds=0.1)
    started = time.perf_counter()
    await client.auth_test()
    assert time.perf_counter() - started >= 0.1
    await hands.done("settings", latency_seconds=0.05)
    started = time.perf_counter()
    await client.auth_test()
    assert time.perf_counter() - started >= 0.05


async def test_orders(hands: Hands, session: aiohttp.ClientSession) -> None:
    """Orders are listed and cleared; an unknown kind is refused with those there are."""
    await hands.done("faults", kind="error", times=3)
    assert (await hands.see("faults"))["faults"][0]["times"] == 3
    async with session.delete(f"{hands.url}/_sim/faults") as response:
        assert response.status == 200
    assert (await hands.see("faults"))["faults"] == []
    assert "http_500" in (await hands.do("faults", kind="earthquake"))["sentence"]
    assert (await hands.do("faults", kind="error", times="many"))["error"] == "invalid_arguments"


async def test_method_tiers(client: AsyncWebClient, hands: Hands, still: StillClock) -> None:
    """With realistic limits the 21st creation within a minute waits for the first to be a minute old."""
    await hands.done("settings", rate_limits="realistic")
    for number in range(20):
        await client.conversations_create(name=f"inc-{number}")
    still.advance(10)
    with pytest.raises(SlackApiError) as refused:
        await client.conversations_create(name="inc-20")
    assert refused.value.response.headers["Retry-After"] == "50"
    still.advance(50.5)
    assert (await client.conversations_create(name="inc-20"))["ok"]


async def test_one_message_a_second(client: AsyncWebClient, hands: Hands, still: StillClock) -> None:
    """A channel takes a burst of three messages and then one each second; other channels are not held up."""
    await hands.done("settings", rate_limits="realistic")
    for _ in range(3):
        await post(client)
    assert await error(client.chat_postMessage(channel="C0GENERAL", text="x")) == "ratelimited"
    await post(client, channel="C0INCIDENTS")
    still.advance(1)
    await post(client)
    assert await error(client.chat_postMessage(channel="C0GENERAL", text="x")) == "ratelimited"
