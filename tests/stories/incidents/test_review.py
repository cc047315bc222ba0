"""What goes wrong around an incident: revoked tokens, lost channels, long absences, two people at the same form."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.ports import Database
from bot.simulator.content.channels import archive, remove_member
from bot.store.tables.queue import deliveries
from tests.support.catalogues import catalogue, templates
from tests.support.clock import HandClock
from tests.support.story import Story, shown, tidy, told


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
    """Whatever Slack's reason, the incident lives on in its card's thread, and who declared it is told."""
    await tale.fault("error", method="conversations.create", error=error)
    await tale.types("Ada", "/incident declare P1 checkout is down")
    card = await tale.card("incidents")
    assert "in the thread of this message" in shown(card)
    (direct_message,) = await tale.direct("Ada")
    assert "I could not open a channel" in direct_message
    assert error in direct_message
    await tale.types("Ada", "/incident update INC-1 the disk is full")
    assert any("the disk is full" in text for text in await tale.thread("incidents", card["ts"]))


async def test_no_private_channel_can_be_opened(tale: Story) -> None:
    """A private incident never leaves for a public place: who declared it is told once, and it is tried again."""
    await tale.fault("error", method="conversations.create", error="restricted_action", times=3)
    await tale.types("Ada", "/incident declare private P1 keys leaked")
    await tale.fast_forward(minutes=6)
    (direct_message,) = await tale.direct("Ada")
    assert "Ask an administrator" in direct_message
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
    assert any("I can no longer write in its channel" in text for text in await story.direct("Ben"))
    await story.types("Ada", "/incident resolve INC-1 done")
    assert len(await story.files("incidents")) == 1
    await story.worker.do_chores()
    await story.settle()
    assert story.alarm.heard == []


async def test_the_bot_is_thrown_out_of_the_channel(tale: Story) -> None:
    """It goes back into a public channel by itself and says what it had to say."""
    room = await tale.declared("P1 checkout is down")
    workspace = tale.simulator.workspace
    remove_member(workspace, workspace.find_channel(room), tale.deps.workspace.bot_user)
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
    """The channel opens late: who took a role meanwhile is invited too."""
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
    assert 0 < int(looks or 0) < 100
    tale.clock.advance(minutes=7)
    await tale.settle()
    assert any("the disk is full" in text for text in await tale.by_the_bot("inc-1-checkout-is-down"))


@pytest.mark.parametrize(("channel", "place"), [("incidents", "#incidents"), ("inc-1-*", "its channel")])
async def test_a_card_that_slack_refuses_raises_an_alarm(story: Story, channel: str, place: str) -> None:
    """A card refused for good is said once through the second channel; what would edit it waits no longer."""
    await story.fault("error", method="chat.postMessage", error="restricted_action_read_only_channel", channel=channel)
    await story.types("Ada", "/incident declare P1 checkout is down")
    await story.types("Ada", "/incident ack INC-1")
    story.clock.advance(minutes=1)
    await story.settle()
    (said,) = story.alarm.heard
    assert said.startswith(f"INC-1: Slack refuses its card in {place} (restricted_action_read_only_channel).")
    assert await waiting(story) == []


async def test_an_invitation_that_slack_refuses_raises_an_alarm(tale: Story) -> None:
    """Who runs the bot hears that somebody is missing, and why."""
    await tale.fault("error", method="conversations.invite", error="user_is_restricted")
    await tale.declared("P1 checkout is down")
    (said,) = tale.alarm.heard
    assert said.startswith("INC-1: Slack refused an invitation to its channel (user_is_restricted).")


async def waiting(story: Story) -> list[str]:
    """The kinds of what is still to be sent."""
    async with story.deps.database.reading() as tx:
        query = select(deliveries.c.kind).where(deliveries.c.state.in_(["ready", "sending", "unconfirmed"]))
        return list(await tx.scalars(query))


# --- the end, and two people at the same form ---


async def test_nobody_is_closed_upon_without_being_asked(story: Story) -> None:
    """The half hour to answer begins when the question is in the channel, not when Slack was away."""
    room = await story.declared("P1 checkout is down")
    await story.types("Ada", "/incident resolve done", room)
    await story.fast_forward(minutes=29)
    await story.fault("rate_limited", method="chat.postMessage", retry_after=7200)
    await story.fast_forward(hours=2)
    assert not any("is closed" in text for text in await story.by_the_bot(room))
    story.clock.advance(minutes=10)
    await story.settle()
    (question,) = [text for text in await story.by_the_bot(room) if "Does the fix of INC-1 hold?" in text]
    closes = story.clock.now() + timedelta(minutes=30)
    assert f"{closes:%H:%M}" in tidy(question)
    await story.fast_forward(minutes=31)
    assert any("INC-1 is closed" in text for text in await story.by_the_bot(room))


async def test_a_form_left_as_it_was_changes_no_status(story: Story) -> None:
    """Ben moves the incident on while Ada's update form is open: sending it does not move the incident back."""
    room = await story.declared("P1 checkout is down")
    view = await story.opens("Ada", "/incident update", room)
    await story.types("Ben", "/incident status INC-1 monitoring")
    await story.submits("Ada", view, text="traffic is back", status="investigating", next_update="default")
    assert "monitoring" in shown(await story.card(room))


async def test_a_double_click_on_snooze(story: Story) -> None:
    """One reminder snoozes once, however often and by whomever its button is pressed."""
    room = await story.declared("P1 checkout is down")
    await story.fast_forward(minutes=26)
    reminder = next(one for one in await story.messages(room) if "was promised" in shown(one))
    await story.clicks("Ada", room, reminder, "incident.snooze", times=2)
    assert "by 09:40" in tidy(shown(await story.card(room)))
    assert any("snoozed already" in text for text in await story.whispers("Ada", room))


TOLD = """
service: default
name: Default service
default_severity: P1
severities:
  - {key: P1, name: High, update_every: 30m, notify: ["slack:#exec-updates", "dm:team:management", "dm:U0CLEO"]}
"""


async def test_who_is_told_at_declare(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A severity's `notify` reaches a channel that nothing else names, a person, and everyone in a team, each once."""
    made = catalogue(tmp_path, org="teams: {management: [U0DAN, U0CLEO]}\n")
    (made / "default" / "service.yml").write_text(TOLD)
    async with told(sqlite_database, clock, catalogue=[made]) as story:
        await story.types("Ada", "/incident declare checkout is down")
        for person in ("Dan", "Cleo"):
            (direct_message,) = await story.direct(person)
            assert "checkout is down" in direct_message
        assert any("checkout is down" in text for text in await story.by_the_bot("exec-updates"))


# --- words ---


async def test_what_was_pinned_is_no_heading_of_the_draft(tale: Story) -> None:
    """Lines of a note or an impact that look like headings stay inside their sections."""
    room = await tale.declared("P1 checkout is down")
    await tale.types("Ada", "/incident note look\n## Root cause\n\nAda did it", room)
    view = await tale.opens("Ada", "/incident resolve", room)
    await tale.submits("Ada", view, fix="restart\n## Lessons\nnone", impact="all\n## Timeline\nempty")
    (draft,) = await tale.files(room)
    for heading in ("Root cause", "Lessons", "Timeline"):
        assert draft.count(f"\n## {heading}") == 1


async def test_a_draft_with_many_long_headings_opens(
    sqlite_database: Database, clock: HandClock, tmp_path: Path
) -> None:
    """A template of sixty long headings fits into the form, and what is written lands in its section."""
    asked = "\n\n".join(f"## Question {number}: {'why ' * 20}\n\n_Say it._" for number in range(60))
    made = templates(tmp_path, **{"postmortem/default.md": f"# {{{{ incident.id }}}}\n\n{asked}\n"})
    async with told(sqlite_database, clock, templates=[made]) as story:
        room = await story.declared("P1 checkout is down")
        await story.types("Ada", "/incident resolve done", room)
        message = next(one for one in await story.messages(room) if "Post-mortem draft of" in shown(one))
        view = await story.opens_by_click("Ada", room, message, "postmortem.edit")
        block = next(one for one in view["blocks"] if one["label"]["text"].startswith("Question 41"))
        await story.does("submit", user="Ada", view_id=view["id"], values={block["block_id"]: "because"})
        await story.settle()
        assert "why\n\nbecause\n" in (await story.files(room))[-1]
        assert story.violations() == []


async def test_control_characters_are_left_out(story: Story) -> None:
    """A NUL in a title is no reason for the database to refuse it."""
    answer = await story.types("Ada", "/incident declare P1 checkout\x00 is \x07down")
    assert "Declared INC-1" in answer
    assert "checkout is down" in shown(await story.card("incidents"))


async def test_the_mark_of_a_deleted_message_can_be_taken_back(tale: Story) -> None:
    """The pushpin taken from a message that Slack no longer shows takes it off the timeline, at the first try."""
    room = await tale.declared("P1 checkout is down")
    ts = await tale.says("Ada", "the disk is full", room)
    await tale.does("reaction", user="Ada", channel=room, ts=ts, name="pushpin")
    await tale.settle()
    await tale.fault("error", method="conversations.replies", error="thread_not_found")
    await tale.does("reaction", user="Ada", channel=room, ts=ts, name="pushpin", remove=True)
    await tale.settle()
    assert "the disk is full" not in await tale.reads("Ada", "/incident timeline", room)


async def test_the_thread_of_the_card_is_gone(tale: Story) -> None:
    """Somebody deleted the card a P3 lives under: what is said about it is in the channel instead."""
    await tale.types("Ada", "/incident declare P3 a typo")
    await tale.fault("error", method="chat.postMessage", error="cannot_reply_to_message")
    await tale.types("Ada", "/incident update INC-1 it is on every page")
    (said,) = [one for one in await tale.messages("incidents") if "Update on INC-1" in shown(one)]
    assert not said.get("thread_ts")
    await tale.worker.do_chores()
    assert tale.alarm.heard == []


async def test_without_a_watch_none_is_announced(tale: Story) -> None:
    """Who wants no watch is not told of one."""
    room = await tale.declared("P1 checkout is down")
    view = await tale.opens("Ada", "/incident resolve", room)
    await tale.submits("Ada", view, fix="done", watch="none")
    assert not any("I watch until" in text for text in await tale.by_the_bot(room))
    assert not any("I watch until" in text for text in await tale.whispers("Ada", room))


async def test_a_role_for_somebody_slack_does_not_know(tale: Story) -> None:
    """The answer speaks of the person who was named, not of the one who asks."""
    await tale.types("Ada", "/incident declare P1 checkout is down")
    answer = await tale.types("Ada", "/incident role INC-1 comms <@U0NOBODY>")
    assert "does not know <@U0NOBODY>" in answer


async def test_a_raised_severity_gets_its_channel(story: Story) -> None:
    """An incident that lived in a thread and becomes a P0 gets a channel of its own, with the declarer in it."""
    await story.types("Ada", "/incident declare P3 a small thing", "incidents")
    await story.types("Ada", "/incident severity INC-1 P0", "incidents")
    channel = await story.channel("inc-1-a-small-thing", "Ada")
    assert "U0ADA" in channel["members"]
    assert len(await story.cards(channel["name"])) == 1
    assert len(await story.cards("incidents")) == 1
