"""Declaring: in one line, in the form, from a message; once however often it is sent; two trips deep."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.ports import Database
from bot.services.workspace import channels
from tests.support.catalogues import PAYMENTS, catalogue
from tests.support.clock import HandClock
from tests.support.story import Story, field, shown, tidy, told

HERE = "/incident declare P1 checkout is down"


async def incident_rooms(story: Story) -> list[str]:
    return [one["name"] for one in (await story.state())["channels"] if one["name"].startswith("inc-")]


# --- once ---


async def test_the_same_words_within_a_minute(tale: Story) -> None:
    """The same words typed again within 60 s are the same incident, answered with its link; later it is another."""
    await tale.types("Ada", HERE)
    room = await tale.channel("inc-1")
    tale.clock.advance(30)
    answer = await tale.types("Ada", HERE)
    assert "INC-1 is already declared" in answer
    assert f"<#{room['id']}>" in answer
    tale.clock.advance(31)
    assert "Declared INC-2" in await tale.types("Ada", HERE)
    assert len(await tale.cards("incidents")) == 2


async def test_the_same_words_at_the_same_moment(story: Story) -> None:
    """The command sent twice at once declares one incident."""
    wish = {"user": "Ada", "channel": "general", "text": HERE}
    answers = await asyncio.gather(story.does("command", **wish), story.does("command", **wish))
    await story.settle()
    texts = sorted(one["response"]["text"] for one in answers)
    assert texts[0].startswith("Declared INC-1")
    assert texts[1].startswith("INC-1 is already declared")
    assert len(await incident_rooms(story)) == 1


async def test_two_people_may_mean_two_things(tale: Story) -> None:
    """Another person with the same words declares an incident of their own."""
    await tale.types("Ada", HERE)
    assert "Declared INC-2" in await tale.types("Ben", HERE)


async def test_a_double_click_on_declare(story: Story) -> None:
    """The form sent twice by a double click is one incident."""
    view = await story.opens("Ada", "/incident declare")
    answer = await story.submits("Ada", view, times=2, title="checkout is down", severity="P1")
    assert answer["ok"], answer
    assert await incident_rooms(story) == ["inc-1-checkout-is-down"]
    assert len(await story.cards("incidents")) == 1


async def test_slack_delivers_the_command_twice(tale: Story) -> None:
    """A command that Slack delivers twice is carried out once, and both deliveries get the same answer."""
    await tale.fault("duplicate_delivery")
    await tale.types("Ada", HERE)
    assert len(await incident_rooms(tale)) == 1
    assert len(await tale.cards("incidents")) == 1


# --- two deep ---


PATIENCE_SECONDS = (0.2, 1.0, 4.0)  # a busy machine may need longer than a call is slow to show what runs beside it
SECOND = ("conversations.invite", "conversations.setTopic", "card")


async def order_of_calls(story: Story, seconds: float, slow: str, channel: str | None = None) -> list[str]:
    """Declare with that method slow; what came back from Slack, in order. Posts are named by what they post."""
    order = {"method": slow, "seconds": seconds} | ({"channel": channel} if channel else {})
    await story.fault("slow", **order)
    since = max(one["seq"] for one in story.simulator.journal.since())
    await story.types("Ada", f"{HERE} {seconds}")
    incidents = (await story.channel("incidents"))["id"]
    return [_what(one, incidents) for one in story.simulator.journal.since(since) if one.get("entry") == "call"]


def _what(call: dict[str, Any], incidents: str) -> str:
    if call["method"] != "chat.postMessage":
        return str(call["method"])
    return "announce" if call["args"]["channel"] == incidents else "card"


async def test_announcing_does_not_wait_for_the_channel(tale: Story) -> None:
    """The channel is created and the card announced at the same time; everything else waits for the channel alone."""
    for seconds in PATIENCE_SECONDS:
        calls = await order_of_calls(tale, seconds, "conversations.create")
        created = calls.index("conversations.create")
        assert all(calls.index(one) > created for one in (*SECOND, "bookmarks.add"))
        if calls.index("announce") < created:
            return
    raise AssertionError(calls)


async def test_the_channel_does_not_wait_for_the_announcement(tale: Story) -> None:
    """Invited, card up, topic set: all of it before the announcement is through, so two trips after submit."""
    for seconds in PATIENCE_SECONDS:
        calls = await order_of_calls(tale, seconds, "chat.postMessage", "incidents")
        announced = calls.index("announce")
        if all(calls.index(one) < announced for one in ("conversations.create", *SECOND)):
            return
    raise AssertionError(calls)


@pytest.mark.parametrize(
    "slow", ["conversations.invite", "conversations.setTopic", "chat.postMessage", "bookmarks.add"]
)
async def test_the_second_trip_is_one_trip(tale: Story, slow: str) -> None:
    """Invitation, card and topic do not wait for one another, nor for the bookmark."""
    for seconds in PATIENCE_SECONDS:
        calls = await order_of_calls(tale, seconds, slow, "inc-*" if slow == "chat.postMessage" else None)
        last = calls.index("card" if slow == "chat.postMessage" else slow)
        if all(calls.index(one) <= last for one in SECOND):
            return
    raise AssertionError(calls)


# --- its name and its place ---


async def test_a_taken_name_gets_a_number(tale: Story) -> None:
    """Where the channel's name is taken, the incident gets the same name with a number after it."""
    await tale.fault("error", method="conversations.create", error="name_taken")
    assert await tale.declared("P1 checkout is down") == "inc-1-checkout-is-down-2"
    assert len(await tale.cards("inc-1-checkout-is-down-2")) == 1


async def test_without_channels_it_lives_in_a_thread(story: Story) -> None:
    """Where the workspace forbids creating channels, people work in the thread of the card, by mention."""
    await story.fault("error", method="conversations.create", error="restricted_action")
    await story.types("Ada", HERE)
    assert await incident_rooms(story) == []
    card = await story.card("incidents")
    assert "in the thread of this message" in shown(card)
    await story.says("Ada", "@tocsin update the disk is full", "incidents", card["ts"])
    assert any("the disk is full" in text for text in await story.thread("incidents", card["ts"]))
    await story.fast_forward(minutes=31)
    assert any("Posted by tocsin" in text for text in await story.thread("incidents", card["ts"]))


async def test_low_severities_live_in_a_thread(tale: Story) -> None:
    """A P3 has no channel: its card is in #incidents, and mentions in its thread work on it."""
    answer = await tale.types("Ada", "/incident declare low a typo on the start page")
    assert "Its card goes up in #incidents" in answer
    assert await incident_rooms(tale) == []
    card = await tale.card("incidents")
    await tale.says("Ben", "@tocsin role commander", "incidents", card["ts"])
    await tale.says("Ben", "@tocsin note it is on every page", "incidents", card["ts"])
    assert "commander: <@U0BEN>" in shown(await tale.card("incidents"))
    assert "it is on every page" in await tale.reads("Ada", "/incident timeline INC-1")


async def test_the_announcing_channel_by_its_real_name(sqlite_database: Database, clock: HandClock) -> None:
    """Where incidents are announced elsewhere than in #incidents, or it was renamed, sentences and links say so."""
    async with told(sqlite_database, clock, incidents_channel="general") as story:
        assert "Its card goes up in #general" in await story.types("Ada", "/incident declare low a typo")
        room = await story.declared("P1 checkout is down")
        assert [one["title"] for one in (await story.channel(room))["bookmarks"]] == ["INC-2 in #general"]
        await channels.renamed(story.deps, "C0GENERAL", "everybody")
        await story.fault("error", method="conversations.create", error="restricted_action")
        await story.types("Ada", "/incident declare P1 search is down")
        (direct_message,) = await story.direct("Ada")
        assert "in the thread of its card in #everybody" in direct_message


async def test_one_card_in_each_place(tale: Story) -> None:
    """Whatever changes, there is one card in #incidents and one in the channel, and both show it."""
    room = await tale.declared("P1 checkout is down")
    for words in ("severity P0", "status identified", "role commander", "ack", "note hello", "update it is the cache"):
        await tale.types("Ada", f"/incident {words}", room)
    for place in (room, "incidents"):
        (card,) = await tale.cards(place)
        for fact in ("P0", "identified", "commander: <@U0ADA>", "it is the cache"):
            assert fact in shown(card)
    posted = [one for one in tale.calls("chat.postMessage") if one["ok"]]
    assert len(posted) == 3, "two cards and one update"


async def test_the_answer_tells_the_truth_of_the_moment(tale: Story) -> None:
    """The acknowledgement says what was declared, what happens now, and when the first update comes."""
    answer = tidy(await tale.types("Ada", HERE))
    assert answer == "Declared INC-1 at P1. Opening its channel and inviting you. First update by 09:30 UTC."


async def test_a_drill_says_so(tale: Story) -> None:
    """A drill is marked on both cards and in its updates."""
    room = await tale.declared("drill P1 checkout is down")
    for place in (room, "incidents"):
        assert "Drill" in shown(await tale.card(place))
    await tale.fast_forward(minutes=31)
    assert any("This is a drill" in text for text in await tale.by_the_bot(room))


async def test_whom_a_severity_invites_and_tells(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """The severity's own people are invited, its channels and people are told, and none of them of a private one."""
    told_of = PAYMENTS.replace(
        "update_every: 15m", 'update_every: 15m, invite: [U0CLEO], notify: ["slack:#general", "dm:U0DAN"]'
    )
    async with told(sqlite_database, clock, catalogue=[catalogue(tmp_path, payments=told_of)]) as story:
        room = await story.declared("payments S1 cards fail")
        assert {"U0ADA", "U0CLEO"} <= set((await story.channel(room))["members"])
        assert any("cards fail" in text for text in await story.by_the_bot("general"))
        assert any("cards fail" in text for text in await story.direct("Dan"))
        await story.types("Ada", "/incident declare private payments S1 keys have leaked")
        assert not any("leaked" in text for text in [*await story.by_the_bot("general"), *await story.direct("Dan")])


async def test_three_words_for_it(tale: Story) -> None:
    """declare, create and new are one verb."""
    for number, verb in enumerate(("declare", "create", "new", "NEW"), start=1):
        assert f"Declared INC-{number}" in await tale.types("Ada", f"/incident {verb} P1 shop {number} is down")


async def test_declared_by_a_mention(tale: Story) -> None:
    """A mention declares too; the card links back to it."""
    ts = await tale.says("Ada", "@tocsin declare P1 checkout is down", "general")
    assert "Declared INC-1" in (await tale.whispers("Ada", "general"))[-1]
    assert f"p{ts.replace('.', '')}" in shown(await tale.card("inc-1-checkout-is-down"))


# --- the form ---


async def test_the_form_from_no_words(tale: Story) -> None:
    """Without a title the form opens, with what was said already filled in."""
    view = await tale.opens("Ada", "/incident declare private P1")
    assert view["callback_id"] == "incident.declare"
    assert field(view, "severity")["initial_option"]["value"] == "P1"
    assert field(view, "private")["initial_options"]
    view = await tale.opens("Ada", "/incident declare")
    await tale.submits("Ada", view, title="disk full", severity="P0", impact="nobody can pay")
    card = shown(await tale.card("inc-1-disk-full"))
    assert "P0" in card
    assert "nobody can pay" in card


async def test_a_message_becomes_an_incident(tale: Story) -> None:
    """The shortcut on a message opens the form with its words; the incident links back to the message."""
    ts = await tale.says("Ben", "the checkout answers 500 & worse", "general")
    answer = await tale.shortcut("Ada", "incident.declare_from", "general", ts)
    view = answer["views"][-1]
    assert field(view, "title")["initial_value"] == "the checkout answers 500 & worse"
    await tale.submits("Ada", view, severity="P1")
    card = shown(await tale.card("inc-1-the-checkout-answers-500-worse"))
    general = (await tale.channel("general"))["id"]
    assert f"/archives/{general}/p{ts.replace('.', '')}" in card


async def test_the_global_shortcut(tale: Story) -> None:
    """*Declare an incident* works from anywhere."""
    answer = await tale.shortcut("Cleo", "incident.declare")
    await tale.submits("Cleo", answer["views"][-1], title="search is slow", severity="P2")
    assert "U0CLEO" in (await tale.channel("inc-1-search-is-slow"))["members"]


async def test_another_service_has_other_severities(
    sqlite_database: Database, clock: HandClock, tmp_path: Path
) -> None:
    """Choosing a service in the form offers that service's severities, and what was typed stays."""
    async with told(sqlite_database, clock, catalogue=[catalogue(tmp_path, payments=PAYMENTS)]) as story:
        view = await story.opens("Ada", "/incident declare")
        view = await story.chooses("Ada", view, "service", "payments", title="cards fail", impact="everybody")
        assert [one["value"] for one in field(view, "severity")["options"]] == ["S1", "S2"]
        assert field(view, "severity")["initial_option"]["value"] == "S2"
        await story.submits("Ada", view, severity="S1")
        card = shown(await story.card("inc-1-cards-fail"))
        for fact in ("S1 Urgent", "Payments", "everybody"):
            assert fact in card


# --- who may ---


@pytest.mark.parametrize(("user", "why"), [("Gus", "Guests can read along"), ("Sia", "from another workspace")])
async def test_who_is_no_full_member_is_refused(tale: Story, user: str, why: str) -> None:
    """Guests and people of another workspace are refused in a sentence, in commands and mentions alike."""
    await tale.does("join", user=user, channel="general")
    assert why in await tale.types(user, HERE)
    await tale.says(user, "@tocsin declare P1 checkout is down", "general")
    assert why in (await tale.whispers(user, "general"))[-1]
    assert await incident_rooms(tale) == []


async def test_a_deactivated_person_is_refused(tale: Story) -> None:
    """Who has left the company may not act with a form they still had open."""
    view = await tale.opens("Dan", "/incident declare")
    await tale.does("users", id="U0DAN", deactivated=True)
    await tale.settle()
    tale.simulator.workspace.people["U0DAN"].kind = "member"  # a click that was on its way when the account closed
    answer = await tale.submits("Dan", view, title="checkout is down", severity="P1")
    assert "deactivated" in str(answer.get("errors"))
    assert await incident_rooms(tale) == []


async def test_the_catalogue_says_who_may_declare(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Where the catalogue names who may declare, others are refused, and the refusal names the line."""
    org = "default_service: default\naccess:\n  declare: [U0BEN]\n"
    async with told(sqlite_database, clock, catalogue=[catalogue(tmp_path, org=org)]) as story:
        answer = await story.types("Ada", HERE)
        assert "`access.declare` in org.yml names <@U0BEN>" in answer
        assert "Declared INC-1" in await story.types("Ben", HERE)
