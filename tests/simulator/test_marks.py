"""Pins, bookmarks, reactions and files."""

from __future__ import annotations

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulator.conftest import Hands
from tests.simulator.refusals import error


@pytest.fixture
async def ts(client: AsyncWebClient) -> str:
    """A message in general."""
    return str((await client.chat_postMessage(channel="C0GENERAL", text="x"))["ts"])


async def test_pins(client: AsyncWebClient, hands: Hands, ts: str) -> None:
    """A message is pinned once, listed, and unpinned once."""
    await client.pins_add(channel="C0GENERAL", timestamp=ts)
    assert await error(client.pins_add(channel="C0GENERAL", timestamp=ts)) == "already_pinned"
    (item,) = (await client.pins_list(channel="C0GENERAL"))["items"]
    assert item["message"]["ts"] == ts
    assert (await hands.messages("general"))[0]["pinned"]
    await client.pins_remove(channel="C0GENERAL", timestamp=ts)
    assert await error(client.pins_remove(channel="C0GENERAL", timestamp=ts)) == "no_pin"
    assert await error(client.pins_add(channel="C0GENERAL", timestamp="1")) == "bad_timestamp"
    assert await error(client.pins_add(channel="C0INCIDENTS", timestamp=ts)) == "message_not_found"


async def test_bookmarks(client: AsyncWebClient, hands: Hands) -> None:
    """A bookmark is added, changed, listed and taken away; its link has to be one."""
    added = await client.bookmarks_add(channel_id="C0GENERAL", title="Bridge", type="link", link="https://a.invalid")
    bookmark_id = added["bookmark"]["id"]
    await client.bookmarks_edit(channel_id="C0GENERAL", bookmark_id=bookmark_id, title="Call", link="https://b.invalid")
    (shown,) = (await hands.see("channels/general/messages"))["channel"]["bookmarks"]
    assert shown == {"id": bookmark_id, "title": "Call", "link": "https://b.invalid"}
    assert len((await client.bookmarks_list(channel_id="C0GENERAL"))["bookmarks"]) == 1
    await client.bookmarks_remove(channel_id="C0GENERAL", bookmark_id=bookmark_id)
    gone = client.bookmarks_remove(channel_id="C0GENERAL", bookmark_id=bookmark_id)
    assert await error(gone) == "not_found"
    bad = client.bookmarks_add(channel_id="C0GENERAL", title="x", type="link", link="here")
    assert await error(bad) == "invalid_link"
    outside = client.bookmarks_add(channel_id="C0INCIDENTS", title="x", type="link", link="https://a.invalid")
    assert await error(outside) == "access_denied"


async def test_reactions(client: AsyncWebClient, ts: str) -> None:
    """A reaction is given once and taken back once."""
    await client.reactions_add(channel="C0GENERAL", timestamp=ts, name="eyes")
    assert await error(client.reactions_add(channel="C0GENERAL", timestamp=ts, name="eyes")) == "already_reacted"
    got = await client.reactions_get(channel="C0GENERAL", timestamp=ts)
    assert got["message"]["reactions"] == [{"name": "eyes", "users": ["U0TOCSIN"], "count": 1}]
    await client.reactions_remove(channel="C0GENERAL", timestamp=ts, name="eyes")
    taken = client.reactions_remove(channel="C0GENERAL", timestamp=ts, name="eyes")
    assert await error(taken) == "no_reaction"
    assert await error(client.reactions_remove(name="eyes")) == "no_item_specified"


async def test_upload(client: AsyncWebClient, hands: Hands, ts: str, session: aiohttp.ClientSession) -> None:
    """A file goes up in two steps, lands in a thread, can be read and deleted."""
    uploaded = await client.files_upload_v2(
        channel="C0GENERAL", thread_ts=ts, filename="draft.md", title="Draft", content="# What happened ü"
    )
    file_id = uploaded["file"]["id"]
    (root, reply) = await hands.messages("general", thread_ts=ts)
    assert (root["reply_count"], reply["files"][0]["title"]) == (1, "Draft")
    async with session.get(reply["files"][0]["url"]) as response:
        assert await response.text() == "# What happened ü"
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (await client.files_info(file=file_id))["file"]["filetype"] == "md"
    assert [one["id"] for one in (await client.files_list(channel="C0GENERAL"))["files"]] == [file_id]
    await client.files_delete(file=file_id)
    assert await error(client.files_info(file=file_id)) == "file_not_found"


async def test_upload_refusals(client: AsyncWebClient, session: aiohttp.ClientSession) -> None:
    """A file that was never sent, is of another length, or goes to a strange channel is refused."""
    issued = await client.files_getUploadURLExternal(filename="a.md", length=3)
    files = [{"id": issued["file_id"], "title": "A"}]
    assert await error(client.files_completeUploadExternal(files=files)) == "file_not_found"
    async with session.post(issued["upload_url"], data=b"four") as response:
        assert response.status == 400
    async with session.post(issued["upload_url"], data=b"abc") as response:
        assert response.status == 200
    away = client.files_completeUploadExternal(files=files, channel_id="C0INCIDENTS")
    assert await error(away) == "not_in_channel"
    assert (await client.files_completeUploadExternal(files=files))["ok"]
