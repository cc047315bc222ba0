"""Messages: posted, edited, deleted, threaded, ephemeral; and what Slack would not take."""

from __future__ import annotations

import asyncio

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulator.conftest import Hands, StillClock
from tests.simulator.refusals import error, refusal

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*up*"}}


@pytest.fixture
async def channel(client: AsyncWebClient) -> str:
    """A channel the app made, with Ada in it."""
    created = await client.conversations_create(name="inc-1")
    await client.conversations_invite(channel=created["channel"]["id"], users="U0ADA")
    return str(created["channel"]["id"])


async def test_timestamps_rise(client: AsyncWebClient, channel: str) -> None:
    """Each message's ts is greater than the one before, even when the clock does not move."""
    posts = await asyncio.gather(*(client.chat_postMessage(channel=channel, text=str(n)) for n in range(20)))
    stamps = [post["ts"] for post in posts]
    assert len(set(stamps)) == 20
    history = await client.conversations_history(channel=channel, limit=20)
    shown = [one["ts"] for one in history["messages"]]
    assert shown == sorted(stamps, reverse=True)


async def test_post_and_edit(client: AsyncWebClient, channel: str, hands: Hands) -> None:
    """An edit changes the message in place and says so; text alone takes the blocks away."""
    posted = await client.chat_postMessage(channel=channel, text="up", blocks=[SECTION])
    assert posted["message"]["blocks"][0]["block_id"]
    await client.chat_update(channel=channel, ts=posted["ts"], text="down")
    (shown,) = await hands.messages("inc-1")
    assert (shown["text"], shown["blocks"], "edited" in shown) == ("down", [], True)


async def test_lengths(client: AsyncWebClient, channel: str) -> None:
    """A post may have 40,000 characters, an edit 4,000."""
    posted = await client.chat_postMessage(channel=channel, text="x" * 40_000)
    assert await error(client.chat_postMessage(channel=channel, text="x" * 40_001)) == "msg_too_long"
    assert (await client.chat_update(channel=channel, ts=posted["ts"], text="x" * 4000))["ok"]
    assert await error(client.chat_update(channel=channel, ts=posted["ts"], text="x" * 4001)) == "msg_too_long"


async def test_invalid_blocks_point_at_the_mistake(client: AsyncWebClient, channel: str) -> None:
    """invalid_blocks names the place and the rule."""
    blocks = [SECTION, {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]
    body = await refusal(client.chat_postMessage(channel=channel, text="x", blocks=blocks))
    assert body["error"] == "invalid_blocks"
    assert body["response_metadata"]["messages"] == [
        "[ERROR] must be less than 151 characters [json-pointer:/blocks/1/text/text]"
    ]


async def test_attachments(client: AsyncWebClient, channel: str) -> None:
    """A coloured bar around blocks is checked like the blocks themselves."""
    good = [{"color": "#e01e5a", "blocks": [SECTION]}]
    assert (await client.chat_postMessage(channel=channel, text="x", attachments=good))["ok"]
    bad = [{"color": "#e01e5a", "blocks": [{"type": "header"}]}]
    assert await error(client.chat_postMessage(channel=channel, text="x", attachments=bad)) == "invalid_blocks"
    many = [{"text": "x"}] * 101
    assert await error(client.chat_postMessage(channel=channel, text="x", attachments=many)) == "too_many_attachments"


async def test_only_own_messages(client: AsyncWebClient, hands: Hands) -> None:
    """The app edits and deletes what it wrote, and nothing else."""
    ts = (await hands.done("message", user="Ada", channel="general", text="mine"))["ts"]
    assert await error(client.chat_update(channel="C0GENERAL", ts=ts, text="ours")) == "cant_update_message"
    assert await error(client.chat_delete(channel="C0GENERAL", ts=ts)) == "cant_delete_message"
    assert await error(client.chat_update(channel="C0GENERAL", ts="1.000000", text="x")) == "message_not_found"


async def test_delete(client: AsyncWebClient, channel: str, hands: Hands) -> None:
    """A deleted message is gone from the history, and a deleted reply from its thread."""
    root = await client.chat_postMessage(channel=channel, text="root")
    reply = await client.chat_postMessage(channel=channel, text="reply", thread_ts=root["ts"])
    await client.chat_delete(channel=channel, ts=reply["ts"])
    (only,) = (await client.conversations_replies(channel=channel, ts=root["ts"]))["messages"]
    assert "reply_count" not in only
    await client.chat_delete(channel=channel, ts=root["ts"])
    assert await hands.messages("inc-1") == []
    assert await error(client.conversations_replies(channel=channel, ts=root["ts"])) == "thread_not_found"


async def test_threads(client: AsyncWebClient, channel: str) -> None:
    """A thread's first message counts its replies; the history leaves them out unless they were broadcast."""
    root = await client.chat_postMessage(channel=channel, text="root")
    await client.chat_postMessage(channel=channel, text="one", thread_ts=root["ts"])
    two = await client.chat_postMessage(channel=channel, text="two", thread_ts=root["ts"], reply_broadcast=True)
    replies = await client.conversations_replies(channel=channel, ts=root["ts"])
    assert [one["text"] for one in replies["messages"]] == ["root", "one", "two"]
    history = await client.conversations_history(channel=channel)
    assert [one["text"] for one in history["messages"]][:2] == ["two", "root"]
    first = history["messages"][1]
    assert (first["reply_count"], first["latest_reply"], first["thread_ts"]) == (2, two["ts"], root["ts"])
    assert await error(client.chat_postMessage(channel=channel, text="x", thread_ts="1.000000")) == (
        "cannot_reply_to_message"
    )


async def test_a_locked_thread(client: AsyncWebClient, channel: str, hands: Hands) -> None:
    """Nobody answers in a locked thread or reacts to what is in it; its messages can still be edited."""
    root = await client.chat_postMessage(channel=channel, text="root")
    reply = await client.chat_postMessage(channel=channel, text="one", thread_ts=root["ts"])
    await hands.done("lock", user="Ada", channel="inc-1", ts=reply["ts"])
    refused = client.chat_postMessage(channel=channel, text="two", thread_ts=root["ts"])
    assert await error(refused) == "restricted_action_thread_locked"
    reacted = client.reactions_add(channel=channel, timestamp=reply["ts"], name="eyes")
    assert await error(reacted) == "thread_locked"
    assert (await client.chat_update(channel=channel, ts=reply["ts"], text="edited"))["ok"]
    replies = await client.conversations_replies(channel=channel, ts=root["ts"])
    assert replies["messages"][0]["is_locked"]
    await hands.done("lock", user="Ada", channel="inc-1", ts=root["ts"], remove=True)
    await hands.done("message", user="Ada", channel="inc-1", text="two", thread_ts=root["ts"])


async def test_metadata(client: AsyncWebClient, channel: str) -> None:
    """Metadata comes back only when asked for, and has to be flat."""
    metadata = {"event_type": "tocsin", "event_payload": {"id": "7"}}
    await client.chat_postMessage(channel=channel, text="x", metadata=metadata)
    plain = await client.conversations_history(channel=channel, limit=1)
    full = await client.conversations_history(channel=channel, limit=1, include_all_metadata=True)
    assert "metadata" not in plain["messages"][0]
    assert full["messages"][0]["metadata"] == metadata
    nested = {"event_type": "tocsin", "event_payload": {"ids": ["7"]}}
    assert await error(client.chat_postMessage(channel=channel, text="x", metadata=nested)) == (
        "invalid_metadata_format"
    )


async def test_ephemeral(client: AsyncWebClient, channel: str, hands: Hands) -> None:
    """An ephemeral message is seen by one person, is in no history and cannot be edited."""
    posted = await client.chat_postEphemeral(channel=channel, user="U0ADA", text="only you")
    assert [one["text"] for one in await hands.messages("inc-1", **{"as": "ada"})] == ["only you"]
    assert await hands.messages("inc-1", **{"as": "ben"}) == []
    texts = [one["text"] for one in (await client.conversations_history(channel=channel))["messages"]]
    assert "only you" not in texts
    assert await error(client.chat_update(channel=channel, ts=posted["message_ts"], text="x")) == "message_not_found"
    assert await error(client.chat_postEphemeral(channel=channel, user="U0BEN", text="x")) == "user_not_in_channel"


async def test_where_it_may_post(client: AsyncWebClient, channel: str) -> None:
    """A person's id means their direct conversation; archived and unknown channels are refused."""
    direct = await client.chat_postMessage(channel="U0ADA", text="hello")
    assert direct["channel"].startswith("D")
    assert (await client.chat_postMessage(channel="#incidents", text="by name"))["channel"] == "C0INCIDENTS"
    assert await error(client.chat_postMessage(channel="C0NOWHERE", text="x")) == "channel_not_found"
    await client.conversations_archive(channel=channel)
    assert await error(client.chat_postMessage(channel=channel, text="x")) == "is_archived"


async def test_permalink(client: AsyncWebClient, channel: str) -> None:
    """A permalink names the channel and the message."""
    posted = await client.chat_postMessage(channel=channel, text="x")
    link = (await client.chat_getPermalink(channel=channel, message_ts=posted["ts"]))["permalink"]
    assert link.endswith(f"/archives/{channel}/p{posted['ts'].replace('.', '')}")
    assert await error(client.chat_getPermalink(channel=channel, message_ts="1.000000")) == "message_not_found"


async def test_history_between(client: AsyncWebClient, channel: str, still: StillClock) -> None:
    """oldest and latest cut the history, themselves left out unless inclusive is set."""
    stamps = []
    for text in "abcd":
        still.advance(10)
        stamps.append((await client.chat_postMessage(channel=channel, text=text))["ts"])

    async def shown(**limits: object) -> str:
        history = await client.conversations_history(channel=channel, **limits)  # type: ignore[arg-type]
        return "".join(one["text"] for one in reversed(history["messages"]))

    assert await shown(oldest=stamps[0], latest=stamps[3]) == "bc"
    assert await shown(oldest=stamps[0], latest=stamps[3], inclusive=True) == "abcd"
    assert await error(client.conversations_history(channel=channel, oldest="yesterday")) == "invalid_ts_oldest"


async def test_buttons_of_an_edited_message_work(client: AsyncWebClient, hands: Hands) -> None:
    """A click on a message that was edited, with blocks that carry no ids of their own, finds its button."""
    button = {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go", "value": "1"}
    posted = await client.chat_postMessage(channel="C0GENERAL", text="first")
    blocks = [{"type": "actions", "elements": [button]}]
    await client.chat_update(channel="C0GENERAL", ts=posted["ts"], text="second", blocks=blocks)
    answer = await hands.do("click", user="Ada", channel="general", ts=posted["ts"], action_id="go")
    assert answer.get("error") != "internal_error", answer
