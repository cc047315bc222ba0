"""Channels: names, members, topics, archives, and who may see what."""

from __future__ import annotations

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulator.conftest import Hands
from tests.simulator.refusals import error, refusal


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "invalid_arguments"),
        ("x" * 81, "invalid_name_maxlength"),
        ("Inc-1", "invalid_name_specials"),
        ("inc 1", "invalid_name_specials"),
        ("inc.1", "invalid_name_specials"),
        ("störung", "invalid_name_specials"),
        ("---", "invalid_name_punctuation"),
        ("general", "name_taken"),
    ],
)
async def test_names(client: AsyncWebClient, name: str, code: str) -> None:
    """A channel's name is lower case, at most 80 characters, and new."""
    assert await error(client.conversations_create(name=name)) == code


async def test_archived_names_stay_taken(client: AsyncWebClient) -> None:
    """An archived channel keeps its name, and archiving twice is refused."""
    channel = (await client.conversations_create(name="inc-1"))["channel"]["id"]
    await client.conversations_archive(channel=channel)
    assert await error(client.conversations_create(name="inc-1")) == "name_taken"
    assert await error(client.conversations_archive(channel=channel)) == "already_archived"
    await client.conversations_unarchive(channel=channel)
    assert await error(client.conversations_unarchive(channel=channel)) == "not_archived"


async def test_invitations(client: AsyncWebClient) -> None:
    """Each reason not to come in has its own code, and nobody comes in when one may not."""
    channel = (await client.conversations_create(name="inc-1"))["channel"]["id"]
    await client.conversations_invite(channel=channel, users="U0ADA")
    for users, code in (
        ("U0ADA", "already_in_channel"),
        ("U0TOCSIN", "cant_invite_self"),
        ("U0NOBODY", "user_not_found"),
        ("U0EVE", "cant_invite"),
        ("U0GUS", "ura_max_channels"),
    ):
        assert await error(client.conversations_invite(channel=channel, users=users)) == code
    mixed = await refusal(client.conversations_invite(channel=channel, users="U0BEN,U0ADA"))
    assert mixed["errors"] == [{"user": "U0ADA", "ok": False, "error": "already_in_channel"}]
    assert (await client.conversations_members(channel=channel))["members"] == ["U0TOCSIN", "U0ADA"]
    await client.conversations_invite(channel=channel, users="U0BEN,U0ADA", force=True)
    assert "U0BEN" in (await client.conversations_members(channel=channel))["members"]


async def test_membership_gates(client: AsyncWebClient) -> None:
    """Reading and arranging a channel needs membership; joining is enough for a public one."""
    for call in (client.conversations_history, client.conversations_archive):
        assert await error(call(channel="C0INCIDENTS")) == "not_in_channel"
    assert await error(client.conversations_setTopic(channel="C0INCIDENTS", topic="x")) == "not_in_channel"
    assert await error(client.conversations_invite(channel="C0INCIDENTS", users="U0ADA")) == "not_in_channel"
    assert (await client.conversations_join(channel="C0INCIDENTS"))["channel"]["is_member"]
    again = await client.conversations_join(channel="C0INCIDENTS")
    assert again["warning"] == "already_in_channel"
    assert (await client.conversations_setTopic(channel="C0INCIDENTS", topic="x"))["ok"]


async def test_private_channels_are_invisible(client: AsyncWebClient, hands: Hands) -> None:
    """Who is not in a private channel does not see it, be it a person or the app after it left."""
    channel = (await client.conversations_create(name="secret", is_private=True))["channel"]["id"]
    await client.conversations_invite(channel=channel, users="U0ADA")
    seen_by_ada = await hands.see("state", **{"as": "ada"})
    seen_by_ben = await hands.see("state", **{"as": "ben"})
    assert "secret" in [one["name"] for one in seen_by_ada["channels"]]
    assert "secret" not in [one["name"] for one in seen_by_ben["channels"]]
    assert (await hands.do("join", user="ben", channel="secret"))["error"] == "channel_not_found"
    await client.conversations_leave(channel=channel)
    assert await error(client.conversations_info(channel=channel)) == "channel_not_found"
    assert await error(client.chat_postMessage(channel=channel, text="x")) == "channel_not_found"


async def test_topic_and_purpose(client: AsyncWebClient, hands: Hands) -> None:
    """Topic and purpose have 250 characters."""
    channel = (await client.conversations_create(name="inc-1"))["channel"]["id"]
    await client.conversations_setTopic(channel=channel, topic="t" * 250)
    await client.conversations_setPurpose(channel=channel, purpose="why")
    assert await error(client.conversations_setTopic(channel=channel, topic="t" * 251)) == "too_long"
    shown = (await hands.see("channels/inc-1/messages"))["channel"]
    assert (len(shown["topic"]), shown["purpose"]) == (250, "why")


async def test_rename(client: AsyncWebClient) -> None:
    """A new name frees the old one and stays the same channel."""
    channel = (await client.conversations_create(name="inc-1"))["channel"]["id"]
    await client.conversations_rename(channel=channel, name="inc-2")
    assert (await client.conversations_info(channel=channel))["channel"]["previous_names"] == ["inc-1"]
    assert (await client.conversations_create(name="inc-1"))["channel"]["id"] != channel
    await client.conversations_join(channel="C0INCIDENTS")
    assert await error(client.conversations_rename(channel="C0INCIDENTS", name="x")) == "not_authorized"


async def test_leaving(client: AsyncWebClient) -> None:
    """People can be removed, but not from general, and the app not by itself."""
    channel = (await client.conversations_create(name="inc-1"))["channel"]["id"]
    await client.conversations_invite(channel=channel, users="U0ADA")
    await client.conversations_kick(channel=channel, user="U0ADA")
    assert await error(client.conversations_kick(channel=channel, user="U0ADA")) == "not_in_channel"
    assert await error(client.conversations_kick(channel=channel, user="U0TOCSIN")) == "cant_kick_self"
    assert await error(client.conversations_kick(channel="C0GENERAL", user="U0ADA")) == "cant_kick_from_general"
    assert await error(client.conversations_leave(channel="C0GENERAL")) == "cant_leave_general"


async def test_lists(client: AsyncWebClient) -> None:
    """Lists hold the asked-for sorts; private ones only where the app is in them."""
    await client.conversations_create(name="secret", is_private=True)
    public = await client.conversations_list()
    both = await client.conversations_list(types="public_channel,private_channel")
    mine = await client.users_conversations(types="public_channel,private_channel")
    assert [one["name"] for one in public["channels"]] == ["general", "ops-alerts", "incidents"]
    assert [one["name"] for one in both["channels"]][-1] == "secret"
    assert [one["name"] for one in mine["channels"]] == ["general", "secret"]
    assert await error(client.conversations_list(types="rooms")) == "invalid_types"


async def test_direct_conversations(client: AsyncWebClient) -> None:
    """A direct conversation is opened once and found again."""
    first = await client.conversations_open(users="U0ADA")
    again = await client.conversations_open(users="U0ADA", return_im=True)
    assert (again["already_open"], again["channel"]["id"]) == (True, first["channel"]["id"])
    assert again["channel"]["user"] == "U0ADA"
    assert await error(client.conversations_open(users="U0EVE")) == "user_disabled"
    assert await error(client.conversations_open(users="")) == "users_list_not_supplied"
    assert await error(client.conversations_open(users=["U0ADA"] * 9)) == "too_many_users"
