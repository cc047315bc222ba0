"""What goes wrong around an incident: revoked tokens, lost channels, long absences, two people at the same form."""

from __future__ import annotations

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
