"""Calls: how arguments arrive, who may call, what is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from slack_sdk import WebClient
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import Simulator
from bot.simulator.api import DATA, TABLE, methods
from tests.simulator.conftest import MANIFEST, Hands, StillClock
from tests.simulator.refusals import error, refusal


async def test_who_am_i(client: AsyncWebClient) -> None:
    """auth.test names the team and the bot."""
    answer = await client.auth_test()
    assert (answer["team_id"], answer["user_id"], answer["bot_id"]) == ("T0SIM", "U0TOCSIN", "B0TOCSIN")


async def test_sync_client(sim: Simulator) -> None:
    """The blocking client, which sends everything as a form, makes the same calls."""
    client = WebClient(token=sim.bot_token, base_url=sim.api_url)
    created = await asyncio.to_thread(client.conversations_create, name="inc-1", is_private=False)
    channel = created["channel"]["id"]
    await asyncio.to_thread(client.conversations_invite, channel=channel, users=["U0ADA", "U0BEN"])
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*up*"}}]
    posted = await asyncio.to_thread(client.chat_postMessage, channel=channel, text="up", blocks=blocks)
    history = await asyncio.to_thread(client.conversations_history, channel=channel, limit=1)
    assert history["messages"][0]["ts"] == posted["ts"]


@pytest.mark.parametrize("way", ["query", "form", "json", "multipart"])
async def test_ways_of_arguments(sim: Simulator, session: aiohttp.ClientSession, way: str) -> None:
    """Arguments may stand in the query, a form, JSON or multipart, the token among them or in the header."""
    arguments = {"channel": "C0GENERAL", "text": "hello"}
    headers = {"Authorization": f"Bearer {sim.bot_token}"}
    ways: dict[str, dict[str, Any]] = {
        "query": {"params": {**arguments, "token": sim.bot_token}},
        "form": {"data": {**arguments, "token": sim.bot_token}},
        "json": {"json": arguments, "headers": headers},
        "multipart": {"data": aiohttp.FormData(arguments, default_to_multipart=True), "headers": headers},
    }
    async with session.post(f"{sim.api_url}chat.postMessage", **ways[way]) as response:
        assert (await response.json())["ok"], await response.text()


def test_every_method_is_documented() -> None:
    """Each method of the table has its facts from Slack's documentation, and there are no facts without one."""
    documented = json.loads(DATA.read_text(encoding="utf-8"))["methods"]
    assert documented.keys() == TABLE.keys() == methods().keys()


async def test_unknown_method(client: AsyncWebClient) -> None:
    """A method that does not exist is refused by that name."""
    assert await error(client.api_call("chat.shout")) == "unknown_method"


async def test_tokens(sim: Simulator, session: aiohttp.ClientSession, client: AsyncWebClient) -> None:
    """No token, a wrong one, and the wrong sort of token are told apart."""

    def with_token(token: str | None) -> AsyncWebClient:
        return AsyncWebClient(token=token, base_url=sim.api_url, session=session)

    assert await error(with_token(None).auth_test()) == "not_authed"
    assert await error(with_token("xoxb-wrong").auth_test()) == "invalid_auth"
    assert await error(with_token(sim.app_token).auth_test()) == "not_allowed_token_type"
    assert await error(client.apps_connections_open(app_token=sim.bot_token)) == "not_allowed_token_type"


async def test_missing_argument(client: AsyncWebClient) -> None:
    """The refusal points at what is missing."""
    body = await refusal(client.api_call("chat.postMessage", json={"text": "to nobody"}))
    assert body["error"] == "invalid_arguments"
    assert "channel" in body["response_metadata"]["messages"][0]


async def test_missing_scope(session: aiohttp.ClientSession, still: StillClock) -> None:
    """A scope the manifest does not ask for is missing; for conversations, the one of that sort."""
    manifest = {**MANIFEST, "oauth_config": {"scopes": {"bot": ["channels:manage", "channels:read"]}}}
    sim = Simulator(manifest, clock=still)
    await sim.start()
    client = AsyncWebClient(token=sim.bot_token, base_url=sim.api_url, session=session)
    posting = await refusal(client.chat_postMessage(channel="C0GENERAL", text="x"))
    assert (posting["error"], posting["needed"]) == ("missing_scope", "chat:write")
    assert (await client.conversations_create(name="open"))["ok"]
    closed = await refusal(client.conversations_create(name="closed", is_private=True))
    assert (closed["error"], closed["needed"]) == ("missing_scope", "groups:write")
    await sim.stop()


async def test_broken_bodies(sim: Simulator, session: aiohttp.ClientSession) -> None:
    """A body that is no JSON, or no object, is an answer of Slack's, not a crash."""
    headers = {"Authorization": f"Bearer {sim.bot_token}", "Content-Type": "application/json"}
    for body, code in ((b"{", "invalid_json"), (b"\xff\xfe", "invalid_json"), (b"[1]", "json_not_object")):
        async with session.post(f"{sim.api_url}chat.postMessage", data=body, headers=headers) as response:
            assert (await response.json())["error"] == code


async def test_wrong_types(client: AsyncWebClient) -> None:
    """An object where a text belongs is refused."""
    assert await error(client.api_call("chat.postMessage", json={"channel": {}, "text": "x"})) == "invalid_arguments"
    assert await error(client.api_call("chat.postMessage", json={"channel": "C0GENERAL", "text": [1]})) == (
        "invalid_arguments"
    )


async def test_headers(sim: Simulator, session: aiohttp.ClientSession) -> None:
    """Answers carry the scopes granted and accepted, and a request id."""
    headers = {"Authorization": f"Bearer {sim.bot_token}"}
    async with session.post(f"{sim.api_url}chat.postMessage", headers=headers) as response:
        assert response.headers["x-accepted-oauth-scopes"] == "chat:write"
        assert "chat:write" in response.headers["x-oauth-scopes"]
        assert response.headers["x-slack-req-id"]


async def test_journal_of_calls(client: AsyncWebClient, hands: Hands, sim: Simulator) -> None:
    """The journal holds each call with its outcome and time, never the token, and marks broken contracts."""
    await client.chat_postMessage(channel="C0GENERAL", text="hello")
    await error(client.api_call("chat.postMessage", json={"channel": "C0GENERAL"}))
    good, bad = await hands.journal("call")
    assert (good["method"], good["ok"], good["args"]["text"]) == ("chat.postMessage", True, "hello")
    assert (bad["ok"], bad["error"]) == (False, "no_text")
    assert good["duration_ms"] >= 0
    assert sim.bot_token not in str(await hands.journal())
    (violation,) = await hands.journal("violation")
    assert "no_text" in violation["violation"]


async def test_pages(client: AsyncWebClient) -> None:
    """Lists come in pages; the cursor leads through all of them, a made-up one nowhere."""
    seen: list[str] = []
    cursor = ""
    while True:
        page = await client.users_list(limit=3, cursor=cursor)
        seen += [member["id"] for member in page["members"]]
        assert len(page["members"]) <= 3
        cursor = page["response_metadata"]["next_cursor"]
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == 8
    assert await error(client.users_list(cursor="bm9wZQ==")) == "invalid_cursor"


async def test_people(client: AsyncWebClient) -> None:
    """People show what sort they are; deactivated ones are not found by e-mail."""
    gus = (await client.users_info(user="U0GUS"))["user"]
    sia = (await client.users_info(user="U0SIA"))["user"]
    eve = (await client.users_info(user="U0EVE"))["user"]
    assert gus["is_restricted"]
    assert gus["is_ultra_restricted"]
    assert (sia["is_stranger"], sia["team_id"]) == (True, "T0OTHER")
    assert eve["deleted"]
    assert (await client.users_lookupByEmail(email="ben@company.invalid"))["user"]["id"] == "U0BEN"
    assert await error(client.users_lookupByEmail(email="eve@company.invalid")) == "users_not_found"
    assert await error(client.users_info(user="U0NOBODY")) == "user_not_found"


async def test_user_groups(client: AsyncWebClient) -> None:
    """The group of the site reliability engineers has its three members."""
    (group,) = (await client.usergroups_list(include_users=True))["usergroups"]
    members = await client.usergroups_users_list(usergroup=group["id"])
    assert group["users"] == members["users"] == ["U0ADA", "U0BEN", "U0CLEO"]
    assert await error(client.usergroups_users_list(usergroup="S0NONE")) == "no_such_subteam"


async def test_small_answers(client: AsyncWebClient) -> None:
    """api.test echoes, team.info and bots.info name what is here."""
    assert (await client.api_test(foo="bar"))["args"]["foo"] == "bar"
    assert (await client.team_info())["team"]["id"] == "T0SIM"
    assert (await client.bots_info(bot="B0TOCSIN"))["bot"]["user_id"] == "U0TOCSIN"
    assert await error(client.bots_info(bot="B0OTHER")) == "bot_not_found"
