"""Private incidents: a private channel, announced nowhere, seen by nobody else."""

from __future__ import annotations

from bot.simulator.content.channels import add_member
from tests.support.story import Story, shown

LEAK = "/incident declare private P1 tokens have leaked"


async def seen_by(story: Story, user: str) -> str:
    """What a person reads in every list there is."""
    home = shown(await story.home(user))
    lists = [await story.reads(user, f"/incident {words}") for words in ("", "list", "list all", "update hello")]
    return "\n".join([home, *lists])


async def test_a_private_incident_is_announced_nowhere(story: Story) -> None:
    """It opens a private channel with the declarer in it; #incidents hears nothing."""
    await story.types("Ada", LEAK)
    channel = await story.channel("inc-1-tokens-have-leaked", "Ada")
    assert channel["is_private"]
    assert set(channel["members"]) == {"U0ADA", "U0TOCSIN"}
    assert "Private" in shown(await story.card(channel["name"]))
    await story.types("Ada", "/incident severity P0", channel["name"])
    await story.fast_forward(minutes=40)
    assert await story.by_the_bot("incidents") == []
    assert any("Posted by tocsin" in text for text in await story.by_the_bot(channel["name"]))


async def test_others_do_not_see_it(tale: Story) -> None:
    """For everybody else it is in no list, and asking for it by number says that there is none."""
    await tale.types("Ada", LEAK)
    assert "tokens have leaked" not in await seen_by(tale, "Cleo")
    for words in ("show", "timeline", "ack", "postmortem", "note", "role", "resolve"):
        answer = await tale.reads("Cleo", f"/incident {words} INC-1 commander")
        assert "There is no INC-1" in answer
        assert "leaked" not in answer
    assert "There is no INC-2" in await tale.reads("Cleo", "/incident show INC-2"), "the same words for one not there"


async def test_the_declarer_sees_it_everywhere(tale: Story) -> None:
    """Who declared it finds it in every list."""
    await tale.types("Ada", LEAK)
    assert (await seen_by(tale, "Ada")).count("tokens have leaked") >= 4


async def test_who_holds_a_role_sees_it(tale: Story) -> None:
    """A role opens it: its holder is invited and finds it from anywhere."""
    await tale.types("Ada", LEAK)
    await tale.types("Ada", "/incident role comms @Ben", "inc-1-tokens-have-leaked")
    assert "U0BEN" in (await tale.channel("inc-1", "Ben"))["members"]
    assert "tokens have leaked" in await tale.reads("Ben", "/incident show INC-1")
    assert "tokens have leaked" in await tale.reads("Ben", "/incident list")


async def test_inside_its_channel_it_is_seen(tale: Story) -> None:
    """Somebody whom people brought into its channel works on it there, and sees it nowhere else."""
    await tale.types("Ada", LEAK)
    workspace = tale.simulator.workspace
    add_member(workspace, workspace.find_channel("inc-1-tokens-have-leaked"), "U0DAN")
    await tale.settle()
    assert "tokens have leaked" in await tale.reads("Dan", "/incident show", "inc-1-tokens-have-leaked")
    assert "Noted" in await tale.types("Dan", "/incident note keys revoked", "inc-1-tokens-have-leaked")
    card = await tale.card("inc-1-tokens-have-leaked", "U0DAN")
    await tale.clicks("Dan", "inc-1-tokens-have-leaked", card, "role.claim:ops")
    assert "ops: <@U0DAN>" in shown(await tale.card("inc-1-tokens-have-leaked"))
    assert "There is no INC-1" in await tale.reads("Cleo", "/incident show INC-1")


async def test_a_private_one_never_lives_in_a_thread(tale: Story) -> None:
    """A thread in #incidents would not be private: a P3 gets a channel too, and is never announced instead of one."""
    await tale.types("Ada", "/incident declare private P3 a laptop was lost")
    assert (await tale.channel("inc-1-a-laptop-was-lost", "Ada"))["is_private"]
    await tale.fault("error", method="conversations.create", error="restricted_action")
    await tale.types("Ada", "/incident declare private P1 it was stolen")
    assert await tale.by_the_bot("incidents") == []
