"""response_url: five answers in thirty minutes."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.simulator import Simulator
from bot.simulator.content.messages import Draft, post, post_ephemeral
from tests.simulator.conftest import Hands, StillClock


@pytest.fixture
def url(sim: Simulator) -> str:
    """An address Ada's command in #incidents has just given."""
    return sim.workspace.new_response_url("U0ADA", "C0INCIDENTS")


async def send(url: str, session: aiohttp.ClientSession, **body: Any) -> tuple[int, str]:
    async with session.post(url, json=body) as response:
        return response.status, await response.text()


async def test_to_one_and_to_all(url: str, hands: Hands) -> None:
    """Slack's own webhook client answers: to the one person by default, to the channel when asked."""
    client = AsyncWebhookClient(url)
    answer = await client.send(text="only you")
    assert (answer.status_code, answer.body) == (200, "ok")
    await client.send(text="all of you", response_type="in_channel")
    seen_by_ada = [one["text"] for one in await hands.messages("incidents", **{"as": "ada"})]
    seen_by_ben = [one["text"] for one in await hands.messages("incidents", **{"as": "ben"})]
    assert (seen_by_ada, seen_by_ben) == (["only you", "all of you"], ["all of you"])


async def test_five_uses(url: str, session: aiohttp.ClientSession, hands: Hands) -> None:
    """The sixth answer is refused."""
    for _ in range(5):
        assert await send(url, session, text="x") == (200, "ok")
    status, text = await send(url, session, text="x")
    assert (status, "used_url" in text) == (404, True)
    assert "used_url" in (await hands.journal("violation"))[0]["violation"]


async def test_thirty_minutes(url: str, session: aiohttp.ClientSession, still: StillClock) -> None:
    """After thirty minutes the address is dead, and a made-up one never lived."""
    still.advance(1801)
    status, text = await send(url, session, text="x")
    assert (status, "expired_url" in text) == (404, True)
    status, text = await send(url[:-4], session, text="x")
    assert (status, "invalid_url" in text) == (404, True)


async def test_replace_and_delete(sim: Simulator, session: aiohttp.ClientSession, hands: Hands) -> None:
    """The message a click came from can be replaced and deleted, an ephemeral one too."""
    channel = sim.workspace.channels["C0INCIDENTS"]
    for source in (
        post_ephemeral(sim.workspace, channel, "U0ADA", Draft("old")),
        post(sim.workspace, channel, "U0TOCSIN", Draft("old")),
    ):
        url = sim.workspace.new_response_url("U0ADA", channel.id, source)
        await send(url, session, text="new", replace_original=True)
        assert "new" in [one["text"] for one in await hands.messages("incidents", **{"as": "ada"})]
        await send(url, session, delete_original=True)
    assert await hands.messages("incidents", **{"as": "ada"}) == []


async def test_what_it_refuses(url: str, session: aiohttp.ClientSession) -> None:
    """Nothing to say, invalid blocks and bodies that are no object are refused."""
    for body, code in (({}, "no_text"), ({"blocks": [{"type": "header"}], "text": "x"}, "invalid_blocks")):
        status, text = await send(url, session, **body)
        assert (status, code in text) == (400, True)
    for data in (b"rubbish", b"[]"):
        async with session.post(url, data=data) as response:
            assert response.status == 400
