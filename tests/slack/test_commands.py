"""Slash commands through Socket Mode: what the acknowledgement says, and what happens when it cannot."""

from __future__ import annotations

import asyncio

import pytest

from bot.slack.app import SlackDoor
from bot.slack.background_tasks import Tasks
from bot.slack.dispatcher import Dispatcher
from bot.slack.payloads import Interaction, Kind
from tests.slack.conftest import Worker, Workspace
from tests.slack.table import Shop


async def test_the_acknowledgement_carries_the_reply(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """The answer to a command is in its acknowledgement, for the person alone."""
    said = await workspace.says("Ada", "/incident buy bread & butter")
    assert said == {"response_type": "ephemeral", "text": "Bought bread & butter."}
    assert shop.asked[0].by.person.name == "ada"
    assert shop.asked[0].where.channel == "C0GENERAL"
    assert shop.asked[0].by.key


async def test_a_public_reply(door: SlackDoor, workspace: Workspace) -> None:
    """A public reply is seen by the whole channel."""
    await workspace.says("Ada", "/incident buy loud")
    assert "Bought loud." in await workspace.texts(as_user="U0BEN")


async def test_an_alias_and_a_bare_command(door: SlackDoor, workspace: Workspace) -> None:
    """An alias is its verb, any case; a command alone is the overview."""
    assert (await workspace.says("Ada", "/incident PURCHASE milk"))["text"] == "Bought milk."
    assert (await workspace.says("Ada", "/incident"))["text"] == "Nothing is open."


async def test_mentions_keep_their_form(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """A person and a channel named in a command arrive as ids, not as text."""
    await workspace.says("Ada", "/incident buy @Ben #incidents <b>")
    text = shop.asked[0].text
    assert text.startswith("<@U0BEN")
    assert "<#C0INCIDENTS" in text
    assert text.endswith("<b>")


async def test_an_unknown_verb(door: SlackDoor, workspace: Workspace) -> None:
    """A verb nobody knows is answered with the nearest one and the way to help."""
    said = (await workspace.says("Ada", "/incident bui bread"))["text"]
    assert "Did you mean `/incident buy`?" in said
    assert "/incident help" in said


async def test_a_verb_like_no_other_stays_text(door: SlackDoor, workspace: Workspace) -> None:
    """What was typed is quoted without its markup."""
    said = (await workspace.says("Ada", "/incident <!channel>*zzz*"))["text"]
    assert "<!channel>" not in said
    assert "`/incident help`" in said


async def test_help(door: SlackDoor, workspace: Workspace) -> None:
    """Help is made from the table; `help buy` is the one line."""
    said = await workspace.says("Ada", "/incident help")
    assert "`/incident buy &lt;thing&gt;` buys a thing" in said["text"]
    assert said["blocks"]
    one = (await workspace.says("Ada", "/incident help purchase"))["text"]
    assert one == "`/incident buy &lt;thing&gt;` buys a thing"
    assert not workspace.violations()


async def test_a_problem_is_its_sentence(door: SlackDoor, workspace: Workspace) -> None:
    """What cannot be done is said in the words of the problem."""
    assert (await workspace.says("Ada", "/incident buy everything"))["text"] == "Ben bought everything already."


async def test_a_surprise_is_a_calm_sentence(door: SlackDoor, workspace: Workspace) -> None:
    """A failure of ours shows a reference, and nothing of what broke."""
    said = (await workspace.says("Ada", "/incident broken"))["text"]
    assert "not your fault" in said
    assert "RuntimeError" not in said
    assert "xoxb" not in said


@pytest.mark.parametrize("budget_seconds", [0.3])
async def test_slower_than_the_budget(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """What takes too long is acknowledged empty, and its answer comes by response_url."""
    assert await workspace.says("Ada", "/incident slow") == {}
    shop.wait.set()
    await workspace.until_said("Done at last.")
    assert "Done at last." not in await workspace.texts(as_user="U0BEN")


async def test_the_same_delivery_twice(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """A command that Slack delivers twice is carried out once and answered alike."""
    await workspace.fault("duplicate_delivery")
    assert (await workspace.says("Ada", "/incident buy bread"))["text"] == "Bought bread."
    assert len(shop.asked) == 1


async def test_the_same_key_in_another_process(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """A request that another replica carried out is answered with what was said then."""
    first = await workspace.says("Ada", "/incident counted")
    interaction = Interaction(
        Kind.COMMAND, key=shop.asked[0].by.key or "", user="U0ADA", name="/incident", text="counted"
    )
    again = await Dispatcher(door.listeners, lambda: door.deps, Tasks()).answer(interaction)
    assert first["text"] == "Number 1."
    assert "Number 1." in again.body
    assert len(shop.asked) == 1


async def test_nobody_but_members(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """A guest is refused in a sentence."""
    assert "Guests" in (await workspace.says("Gus", "/incident buy bread"))["text"]
    assert not shop.asked


async def test_a_command_opens_the_form(door: SlackDoor, workspace: Workspace) -> None:
    """A verb that needs a form has it opened at once."""
    answer = await workspace.does("command", user="Ada", channel="general", text="/incident form")
    assert [view["callback_id"] for view in answer["views"]] == ["order"]


async def test_one_of_two_connections_drops(door: SlackDoor, workspace: Workspace) -> None:
    """With one of two sockets gone, what people do still arrives."""
    await workspace.fault("drop_socket")
    for thing in ("a", "b", "c", "d"):
        await asyncio.sleep(0.01)
        answer = await workspace.does("command", user="Ada", channel="general", text=f"/incident buy {thing}")
        assert answer["ok"], answer
    assert door.connected()


async def test_slack_forgets_a_person(door: SlackDoor, workspace: Workspace, worker: Worker) -> None:
    """Somebody deactivated a moment ago is refused as soon as Slack has said so."""
    await workspace.says("Ben", "/incident buy bread")
    await workspace.does("users", id="U0BEN", kind="guest")
    async with asyncio.timeout(30):
        while "Guests" not in (await workspace.says("Ben", "/incident buy bread"))["text"]:
            await worker.works()
