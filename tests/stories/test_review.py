"""What goes wrong around an incident: revoked tokens, lost channels, long absences, two people at the same form."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.simulator.channels import archive, remove_member
from bot.store.tables import deliveries
from tests.support.story import Story, shown


async def test_a_revoked_token_loses_nothing(tale: Story) -> None:
    """While Slack refuses the bot's token, what is to be said waits; with the token in force again it is said."""
    room = await tale.declared("P1 checkout is down")
    await tale.fault("error", method="chat.*", error="token_revoked", times=5)
    await tale.types("Ada", "/incident update the disk is full", room)
    await tale.fast_forward(minutes=5)
    assert any("the disk is full" in text for text in await tale.by_the_bot(room))
    assert "the disk is full" in shown(await tale.card(room))


async def test_an_update_that_came_late_reports_itself(story: Story) -> None:
    """The process was away when an update was due: it is made up for, and the second channel says that it was late."""
    await story.declared("P1 checkout is down")
    story.clock.advance(hours=5)
    await story.settle()
    await story.worker.do_chores()
    await story.settle()
    (said,) = story.alarm.heard
    assert said == "INC-1: the update promised for 2026-11-20 09:30 UTC was not delivered in time."
    await story.fast_forward(minutes=45)
    await story.worker.do_chores()
    await story.settle()
    assert len(story.alarm.heard) == 1


# --- places that cannot be used ---


@pytest.mark.parametrize("error", ["too_many_channels", "restricted_action"])
async def test_no_channel_can_be_opened(tale: Story, error: str) -> None:
    """Whatever Slack's reason, the incident lives on in its card's thread, and whoever declared it is told."""
    await tale.fault("error", method="conversations.create", error=error)
    await tale.types("Ada", "/incident declare P1 checkout is down")
    card = await tale.card("incidents")
    assert "in the thread of this message" in shown(card)
    (letter,) = await tale.direct("Ada")
    assert "I could not open a channel" in letter
    assert error in letter
    await tale.types("Ada", "/incident update INC-1 the disk is full")
    assert any("the disk is full" in text for text in await tale.thread("incidents", card["ts"]))


async def test_no_private_channel_can_be_opened(tale: Story) -> None:
    """A private incident never leaves for a public place: whoever declared it is told once, and it is tried again."""
    await tale.fault("error", method="conversations.create", error="restricted_action", times=3)
    await tale.types("Ada", "/incident declare private P1 keys leaked")
    await tale.fast_forward(minutes=6)
    (letter,) = await tale.direct("Ada")
    assert "Ask an administrator" in letter
    assert await tale.cards("incidents") == []
    for _ in range(3):
        tale.clock.advance(minutes=5, seconds=1)
        await tale.settle()
    assert (await tale.channel("inc-1", "Ada"))["name"] == "inc-1-keys-leaked"


async def test_the_channel_is_archived_under_it(story: Story) -> None:
    """What was promised goes on in the thread of the card when somebody archives the channel, and it is said why."""
    room = await story.declared("P1 checkout is down")
    await story.types("Ben", "/incident role INC-1 commander")
    workspace = story.simulator.workspace
    archive(workspace, workspace.find_channel(room), "U0ADA")
    await story.fast_forward(minutes=31)
    card = await story.card("incidents")
    assert any("Posted by tocsin" in text for text in await story.thread("incidents", card["ts"]))
    assert any("I cannot write in its channel any more" in text for text in await story.direct("Ben"))
    await story.types("Ada", "/incident resolve INC-1 done")
    assert len(await story.files("incidents")) == 1
    await story.worker.do_chores()
    await story.settle()
    assert story.alarm.heard == []


async def test_the_bot_is_thrown_out_of_the_channel(tale: Story) -> None:
    """It goes back into a public channel by itself and says what it had to say."""
    room = await tale.declared("P1 checkout is down")
    workspace = tale.simulator.workspace
    remove_member(workspace, workspace.find_channel(room), tale.deps.config.bot_user)
    await tale.types("Ada", "/incident update the disk is full", room)
    assert any("the disk is full" in text for text in await tale.by_the_bot(room))


async def test_a_commander_who_cannot_be_written_to(tale: Story) -> None:
    """The reminder is said in the channel where Slack does not take it to the commander."""
    room = await tale.declared("P1 checkout is down")
    await tale.types("Ben", "/incident role INC-1 commander")
    await tale.fault("error", method="chat.postMessage", error="cannot_dm_bot", channel="D*")
    await tale.fault("error", method="chat.postMessage", error="cannot_dm_bot", channel="U*")
    await tale.fast_forward(minutes=26)
    assert any("was promised" in text for text in await tale.by_the_bot(room))


async def test_who_took_a_role_before_the_channel_opened(tale: Story) -> None:
    """The channel opens late: whoever took a role meanwhile is invited too."""
    await tale.fault("rate_limited", method="conversations.create", retry_after=600)
    await tale.types("Ada", "/incident declare P1 checkout is down")
    await tale.types("Ben", "/incident role INC-1 commander")
    await tale.fast_forward(minutes=11)
    assert "U0BEN" in (await tale.channel("inc-1"))["members"]


async def test_waiting_for_an_outage_costs_little(tale: Story) -> None:
    """The longer a delivery waits for its place, the less often it is looked at; when the place is there, it goes."""
    await tale.fault("rate_limited", method="conversations.create", retry_after=3600)
    await tale.types("Ada", "/incident declare P1 checkout is down")
    await tale.types("Ada", "/incident update INC-1 the disk is full")
    for _ in range(9):
        tale.clock.advance(minutes=6, seconds=1)
        await tale.settle()
    async with tale.deps.database.reading() as tx:
        looks = await tx.scalar(select(deliveries.c.epoch).where(deliveries.c.kind == "update"))
    assert looks < 100
    tale.clock.advance(minutes=7)
    await tale.settle()
    assert any("the disk is full" in text for text in await tale.by_the_bot("inc-1-checkout-is-down"))
