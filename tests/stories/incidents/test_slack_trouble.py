"""Slack answers 429, 500, or not at all: whatever goes wrong, people see the same in the end, nothing twice."""

from __future__ import annotations

import asyncio
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.ports import Database
from bot.store.db.database import open_database
from tests.support.clock import HandClock
from tests.support.story import Story, shown, tidy, told

METHODS = (
    "conversations.create",
    "conversations.invite",
    "conversations.setTopic",
    "bookmarks.add",
    "pins.add",
    "chat.postMessage",
    "chat.update",
    "files.getUploadURLExternal",
    "files.completeUploadExternal",
)


async def whole_day(story: Story) -> None:
    """Declared, updated by a person and by the bot, resolved, confirmed. Ada is slow to answer when Slack is."""
    await story.types("Ada", "/incident declare P1 checkout is down")
    await story.types("Ben", "/incident role INC-1 commander")
    await story.types("Ada", "/incident update INC-1 the disk is full")
    await story.fast_forward(minutes=31)
    await story.types("Ada", "/incident resolve INC-1 disk replaced")
    await story.fast_forward(minutes=31)
    await story.types("Ada", "/incident close INC-1")


async def picture(story: Story) -> dict[str, Any]:
    """What people see at the end, without the moments at which they saw it."""
    state = await story.state()
    rooms = {one["name"]: one for one in state["channels"] if one["name"].startswith(("inc-", "incidents"))}
    direct_messages = [_timeless(shown(one)) for user in ("Ada", "Ben") for one in await story.direct_messages(user)]
    return {
        "letters": sorted(direct_messages),
        **{name: _seen(room, state["messages"]) for name, room in rooms.items()},
    }


def _seen(room: dict[str, Any], messages: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    own = [one for one in messages[room["id"]] if one.get("bot_id") and not one.get("subtype")]
    return {
        "said": sorted(_timeless(shown(one)) for one in own if not one.get("ephemeral") and not one.get("files")),
        "files": sum(len(one.get("files", ())) for one in own),
        "members": sorted(room["members"]),
        "topic": room["topic"],
        "bookmarks": len(room["bookmarks"]),
        "pins": len(room["pins"]),
    }


def _timeless(text: str) -> str:
    """Without clock times and without how long things took: both differ by the seconds that Slack was away."""
    return re.sub(r"\d\d:\d\d UTC|(?<![\w-])(?:\d+ (?:h|min|s)\b ?)+", "…", tidy(text))


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> dict[str, Any]:
    """The picture after a day on which nothing went wrong, painted once."""
    path = tmp_path_factory.mktemp("calm") / "tocsin.db"
    shutil.copyfile(sqlite_template, path)
    with asyncio.Runner() as runner:  # an async fixture would share one test's loop
        return runner.run(_calm_day(f"sqlite:///{path}"))


async def _calm_day(url: str) -> dict[str, Any]:
    database = await open_database(url)
    try:
        async with told(database, HandClock()) as story:
            await whole_day(story)
            return await picture(story)
    finally:
        await database.close()


def test_the_calm_day_is_what_we_think(calm: dict[str, Any]) -> None:
    """The picture that the others are held against: a card in each place, six messages and a file."""
    room = calm["inc-1-checkout-is-down"]
    assert len(calm["incidents"]["said"]) == 1
    assert len(room["said"]) == 7
    assert any("Does the fix of INC-1 hold?" in text for text in room["said"])
    assert room["files"] == 1
    assert room["bookmarks"] == room["pins"] == 1


@pytest.mark.parametrize("method", METHODS)
async def test_an_answer_is_lost(tale: Story, calm: dict[str, Any], method: str) -> None:
    """Slack did what was asked and the answer never came: nothing is done twice, nothing is missing."""
    await tale.fault("drop_response", method=method)
    await whole_day(tale)
    assert not list(tale.simulator.faults), "it did go wrong"
    assert await picture(tale) == calm


@pytest.mark.parametrize(("method", "times"), [("chat.postMessage", 3), ("conversations.create", 1)])
async def test_answers_are_lost_on_both_databases(story: Story, calm: dict[str, Any], method: str, times: int) -> None:
    """The same on both databases, with several answers lost in a row where there are several."""
    await story.fault("drop_response", method=method, times=times)
    await whole_day(story)
    assert not list(story.simulator.faults), "it did go wrong"
    assert await picture(story) == calm


@pytest.mark.parametrize("method", [one for one in METHODS if one.startswith(("conversations.c", "chat", "files.c"))])
async def test_slack_answers_500(tale: Story, calm: dict[str, Any], method: str) -> None:
    """An answer of 500 says nothing about whether it was done: it is looked up, then tried again."""
    await tale.fault("http_500", method=method, times=2)
    await whole_day(tale)
    assert not list(tale.simulator.faults), "it did go wrong"
    assert await picture(tale) == calm


async def test_slack_is_away_altogether(tale: Story, calm: dict[str, Any]) -> None:
    """Ten calls in a row fail, whatever they are: in the end everything is there once."""
    await tale.fault("http_500", times=10)
    await whole_day(tale)
    assert not list(tale.simulator.faults), "it did go wrong"
    assert await picture(tale) == calm


@pytest.mark.parametrize("method", ["chat.postMessage", "conversations.create"])
async def test_slack_says_slow_down(tale: Story, calm: dict[str, Any], method: str) -> None:
    """A 429 closes that method until its Retry-After is over, other methods go on, and nothing is lost."""
    await tale.fault("rate_limited", method=method, retry_after=7)
    await whole_day(tale)
    assert not list(tale.simulator.faults), "it did go wrong"
    assert await picture(tale) == calm
    calls = tale.calls(method)
    refused = next(one for one in calls if not one["ok"])
    after = [one for one in calls if one["seq"] > refused["seq"]]
    reopened = datetime.fromisoformat(refused["at"]) + timedelta(seconds=7)
    waiting = [one for one in after if datetime.fromisoformat(one["at"]) < reopened]
    assert len(waiting) <= 2, "at most what was on its way already"


OUTAGES = {
    "refused": {"kind": "rate_limited", "retry_after": 75 * 60},
    "unconfirmed": {"kind": "http_500", "times": 1_000_000},
}


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)
async def test_an_hour_without_slack_is_one_update(story: Story, fault: dict[str, Any]) -> None:
    """After an hour and more in which Slack took nothing, one update of the bot names all that changed meanwhile."""
    room = await story.declared("P1 checkout is down")
    await story.fault(method="chat.postMessage", **fault)
    await story.fast_forward(minutes=31)
    await story.types("Ada", "/incident note the load balancer was restarted", room)
    await story.fast_forward(minutes=31)
    await story.types("Ada", "/incident severity P0", room)
    await story.fast_forward(minutes=16)
    story.simulator.faults.clear()
    await story.fast_forward(minutes=31)
    own = [text for text in await story.by_the_bot(room) if "Posted by tocsin" in text]
    assert len(own) <= 3, "the one of the outage, and those due since"
    for fact in ("the load balancer was restarted", "changed severity from P1 to P0"):
        assert [fact in text for text in own] == [True, *[False] * (len(own) - 1)]


async def test_a_card_that_is_not_posted_yet_is_not_edited(tale: Story) -> None:
    """What changes before Slack takes the card is in the card: no edit comes after it."""
    await tale.fault("rate_limited", method="chat.postMessage", retry_after=300)
    await tale.types("Ada", "/incident declare P2 checkout is down")
    await tale.fast_forward(seconds=30)
    await tale.types("Ada", "/incident severity INC-1 P1")
    await tale.fast_forward(minutes=6)
    (card,) = [one for one in tale.calls("chat.postMessage") if one["ok"] and one["args"]["channel"] == "C0INCIDENTS"]
    assert "P1" in card["args"]["text"]
    assert not [one for one in tale.calls("chat.update") if one["args"]["channel"] == "C0INCIDENTS"]


async def test_a_persons_update_takes_over_what_the_bot_could_not_say(tale: Story) -> None:
    """Where Slack did not take the bot's own update, a person's after it names the changes of both."""
    room = await tale.declared("P1 checkout is down")
    await tale.fault("rate_limited", method="chat.postMessage", retry_after=1200)
    await tale.types("Ada", "/incident status identified", room)
    await tale.fast_forward(minutes=31)
    await tale.types("Ada", "/incident update it is the cache", room)
    await tale.fast_forward(minutes=25)
    said = [text for text in await tale.by_the_bot(room) if "changed status from investigating" in text]
    assert len(said) == 1
    assert "it is the cache" in said[0]


async def test_a_refused_invitation_does_not_stop_the_rest(tale: Story) -> None:
    """Somebody who cannot be invited costs nobody else anything."""
    await tale.fault("error", method="conversations.invite", error="user_is_restricted")
    room = await tale.declared("P1 checkout is down")
    assert len(await tale.cards(room)) == 1
    assert (await tale.channel(room))["topic"]


# --- the door ---


async def test_a_connection_drops(sqlite_database: Database, clock: HandClock) -> None:
    """One of the two connections goes away: the next command comes in by the other."""
    async with told(sqlite_database, clock, connections=2) as story:
        await story.does("faults", kind="drop_socket", times=1)
        assert "Declared INC-1" in await story.types("Ada", "/incident declare P1 checkout is down")
        assert story.violations() == []


async def test_events_come_twice(story: Story) -> None:
    """A mention and a reaction that Slack delivers twice count once."""
    room = await story.declared("P1 checkout is down")
    await story.fault("duplicate_delivery")
    await story.says("Ada", "@tocsin update the disk is full", room)
    ts = await story.says("Ada", "error rate is 40 %", room)
    await story.fault("duplicate_delivery", times=2)
    await story.does("reaction", user="Ada", channel=room, ts=ts, name="pushpin")
    await story.settle()
    assert len([text for text in await story.by_the_bot(room) if "Update on INC-1" in text]) == 1
    assert (await story.reads("Ada", "/incident timeline", room)).count("error rate is 40 %") == 1


async def test_a_double_click_is_one_click(tale: Story) -> None:
    """Confirm pressed twice at once closes it once."""
    room = await tale.declared("P1 checkout is down")
    await tale.types("Ada", "/incident resolve done", room)
    await tale.clicks("Ada", room, await tale.card(room), "incident.confirm", times=2)
    assert len([text for text in await tale.by_the_bot(room) if "confirmed that the fix holds" in text]) == 1


async def test_an_old_button_answers(tale: Story) -> None:
    """A button of a card that has changed since answers with what is true now."""
    room = await tale.declared("P1 checkout is down")
    card = await tale.card(room)
    await tale.types("Ben", "/incident ack INC-1")
    await tale.types("Ben", "/incident resolve INC-1 done")
    workspace = tale.simulator.workspace
    message = workspace.find_channel(room).messages[card["ts"]]
    message.blocks = list(card["blocks"])
    await tale.clicks("Ada", room, card, "role.claim:commander")
    assert "/incident reopen" in (await tale.whispers("Ada", room))[-1]
