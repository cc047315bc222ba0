"""Time and promises: a missed one reports itself, and a clock that jumped over many makes up for them once."""

from __future__ import annotations

from sqlalchemy import delete, select

from bot.store.tables.audit import audit_log
from bot.store.tables.queue import timers
from tests.support.story import Story, shown, tidy

OWN = "Posted by tocsin"


async def lease_lost(story: Story, kind: str) -> None:
    """Somebody deletes a timer's row by hand."""
    async with story.deps.database.transaction() as tx:
        await tx.execute(delete(timers).where(timers.c.kind == kind))


async def actions(story: Story) -> list[str]:
    async with story.deps.database.reading() as tx:
        return [row.action for row in await tx.execute(select(audit_log.c.action).order_by(audit_log.c.id))]


async def test_a_lost_timer_reports_itself(story: Story) -> None:
    """With the timer's row gone the update does not come; the self-audit says so once, and writes it down."""
    room = await story.declared("P1 checkout is down")
    await lease_lost(story, "update.due")
    await story.fast_forward(minutes=36)
    assert not [text for text in await story.by_the_bot(room) if OWN in text]
    for _ in range(3):
        await story.worker.do_chores()
        await story.settle()
    (said,) = story.alarm.heard
    assert "INC-1: the update promised for 2026-11-20 09:30 UTC was not delivered" in said
    assert (await actions(story)).count("commitment.missed") == 1


async def test_a_kept_promise_is_silent(tale: Story) -> None:
    """While everything works nothing is reported."""
    room = await tale.declared("P1 checkout is down")
    await tale.fast_forward(minutes=40)
    await tale.types("Ada", "/incident resolve done", room)
    await tale.fast_forward(hours=60)
    await tale.worker.do_chores()
    await tale.settle()
    assert tale.alarm.heard == []


async def test_an_alarm_that_could_not_be_raised_is_raised_later(tale: Story) -> None:
    """When the second channel is away too, the report waits for it."""
    await tale.declared("P1 checkout is down")
    await lease_lost(tale, "update.due")
    tale.alarm.broken = True
    await tale.fast_forward(minutes=36)
    await tale.worker.do_chores()
    await tale.settle()
    assert tale.alarm.heard == []
    tale.alarm.broken = False
    await tale.fast_forward(minutes=10)
    assert len(tale.alarm.heard) == 1


async def test_an_update_that_slack_does_not_take_reports_itself(tale: Story) -> None:
    """The bot wrote in time, and Slack was away: that is a missed promise as well."""
    room = await tale.declared("P1 checkout is down")
    await tale.fault("rate_limited", method="chat.postMessage", retry_after=900, channel=room)
    await tale.fast_forward(minutes=37)
    await tale.worker.do_chores()
    await tale.settle()
    assert any("INC-1" in said and "was not delivered in time" in said for said in tale.alarm.heard)
    await tale.fast_forward(minutes=15)
    assert [text for text in await tale.by_the_bot(room) if OWN in text]


async def test_the_clock_jumps_while_nothing_runs(story: Story) -> None:
    """Five hours away: one update when it is back, not ten, no stale reminder, and the next one promised from now."""
    room = await story.declared("P1 checkout is down")
    story.clock.advance(hours=5)
    await story.settle()
    assert len([text for text in await story.by_the_bot(room) if OWN in text]) == 1
    assert not [text for text in await story.by_the_bot(room) if "was promised" in text]
    assert "by 14:30" in tidy(shown(await story.card(room)))
    await story.fast_forward(minutes=29)
    assert len([text for text in await story.by_the_bot(room) if OWN in text]) == 1


async def test_the_watch_ends_while_nothing_runs(tale: Story) -> None:
    """The question comes late, and people have their half hour to answer all the same."""
    room = await tale.declared("P1 checkout is down")
    await tale.types("Ada", "/incident resolve done", room)
    tale.clock.advance(hours=5)
    await tale.settle()
    posted = await tale.by_the_bot(room)
    assert any("Does the fix of INC-1 hold?" in text for text in posted)
    assert not any("is closed" in text for text in posted)
    await tale.fast_forward(minutes=31)
    assert any("INC-1 is closed" in text for text in await tale.by_the_bot(room))


async def test_the_clock_is_set_back(tale: Story) -> None:
    """A clock that is set back an hour repeats nothing."""
    room = await tale.declared("P1 checkout is down")
    await tale.fast_forward(minutes=31)
    tale.clock.advance(hours=-1)
    await tale.settle()
    await tale.fast_forward(minutes=60)
    assert len([text for text in await tale.by_the_bot(room) if OWN in text]) == 1
