"""The timeline: everything that happens writes itself down, and people add what they know."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.story import Story


async def timeline(story: Story) -> str:
    return await story.reads("Ada", "/incident timeline INC-1")


async def test_everything_that_happens(story: Story) -> None:
    """Declared, acknowledged, changed, claimed, given, noted, updated, resolved, reopened: each is a line, in order."""
    room = await story.declared("P1 checkout is down")
    deeds = {
        "ack": "acknowledged",
        "severity P0": "changed severity from P1 to P0",
        "status identified": "changed status from investigating to identified",
        "role commander": "took the role commander",
        "role comms @Ben": "gave the role comms to",
        "note restarted the cache": "noted: restarted the cache",
        "update it is the cache": "it is the cache",
        "remind 10m": "set updates to every 10 min",
        "remind snooze 5m": "snoozed the next update by 5 min",
        "resolve cache replaced": "changed status from identified to resolved",
        "reopen": "reopened",
    }
    for words in deeds:
        await story.types("Ada", f"/incident {words}", room)
    await story.fast_forward(minutes=11)
    text = await timeline(story)
    lines = ["declared P1: checkout is down", *deeds.values(), "tocsin posted an update from what is known"]
    places = [text.find(line) for line in lines]
    assert -1 not in places, [line for line, place in zip(lines, places, strict=True) if place < 0]
    assert places == sorted(places)


async def test_the_end_is_on_it(tale: Story) -> None:
    """Confirmed, and the work on the post-mortem."""
    room = await tale.declared("P1 checkout is down")
    await tale.types("Ada", "/incident resolve done", room)
    await tale.types("Ben", "/incident close INC-1")
    text = await timeline(tale)
    assert "<@U0BEN> confirmed the fix and closed" in text


@pytest.mark.parametrize("name", ["pushpin", "round_pushpin"])
async def test_the_pushpin_adds_and_removes(tale: Story, name: str) -> None:
    """The pushpin on a message puts it on the timeline; taking it away takes it off again."""
    room = await tale.declared("P1 checkout is down")
    ts = await tale.says("Ada", "the primary ran out of disk", room)
    wish: dict[str, Any] = {"user": "Ada", "channel": room, "ts": ts, "name": name}
    await tale.does("reaction", **wish)
    await tale.settle()
    assert "<@U0ADA> wrote: the primary ran out of disk" in await timeline(tale)
    await tale.does("reaction", **wish, remove=True)
    await tale.settle()
    assert "ran out of disk" not in await timeline(tale)
    await tale.does("reaction", **wish)
    await tale.settle()
    assert (await timeline(tale)).count("ran out of disk") == 1


async def test_other_reactions_mean_nothing(tale: Story) -> None:
    """A thumbs-up is only a thumbs-up; the pushpin elsewhere belongs to no incident."""
    room = await tale.declared("P1 checkout is down")
    ts = await tale.says("Ada", "the primary ran out of disk", room)
    await tale.does("reaction", user="Ada", channel=room, ts=ts, name="+1")
    elsewhere = await tale.says("Ada", "lunch is ready", "general")
    await tale.does("reaction", user="Ada", channel="general", ts=elsewhere, name="pushpin")
    await tale.settle()
    text = await timeline(tale)
    assert "ran out of disk" not in text
    assert "lunch" not in text


async def test_pins(tale: Story) -> None:
    """A pinned message is on the timeline until it is unpinned; the bot's own pinned card is not."""
    room = await tale.declared("P1 checkout is down")
    assert (await timeline(tale)).count("wrote") == 0
    ts = await tale.says("Ada", "error rate is 40 %", room)
    await tale.does("pin", user="Ada", channel=room, ts=ts)
    await tale.settle()
    assert "wrote: error rate is 40 %" in await timeline(tale)
    await tale.does("pin", user="Ada", channel=room, ts=ts, remove=True)
    await tale.settle()
    assert "error rate" not in await timeline(tale)


async def test_a_message_stays_while_any_mark_is_on_it(tale: Story) -> None:
    """Pinned, and with the pushpins of two people on it: only when the last of these is gone it is off the timeline."""
    room = await tale.declared("P1 checkout is down")
    await tale.types("Ben", "/incident role INC-1 commander")
    ts = await tale.says("Ada", "error rate is 40 %", room)
    marks: list[tuple[str, dict[str, Any]]] = [
        ("pin", {"user": "Ada"}),
        ("reaction", {"user": "Ada", "name": "pushpin"}),
        ("reaction", {"user": "Ada", "name": "round_pushpin"}),
        ("reaction", {"user": "Ben", "name": "pushpin"}),
    ]
    for what, mark in marks:
        assert (await tale.does(what, channel=room, ts=ts, **mark))["ok"]
    await tale.settle()
    for what, mark in marks:
        assert (await timeline(tale)).count("error rate is 40 %") == 1
        await tale.does(what, channel=room, ts=ts, remove=True, **mark)
        await tale.settle()
    assert "error rate" not in await timeline(tale)


async def test_what_the_shortcut_added_stays(tale: Story) -> None:
    """A pin that comes and goes does not take away what somebody added by the shortcut."""
    room = await tale.declared("P1 checkout is down")
    await tale.types("Ben", "/incident role INC-1 commander")
    ts = await tale.says("Ada", "error rate is 40 %", room)
    await tale.shortcut("Ada", "timeline.add", room, ts)
    for remove in (False, True):
        assert (await tale.does("pin", user="Ben", channel=room, ts=ts, remove=remove))["ok"]
    await tale.settle()
    assert (await timeline(tale)).count("error rate is 40 %") == 1


async def test_the_message_shortcut(tale: Story) -> None:
    """*Add to timeline* adds a message of the channel or of a thread in it, once."""
    room = await tale.declared("P1 checkout is down")
    first = await tale.says("Ada", "rolled out 1.42 at nine", room)
    reply = await tale.says("Ada", "and 1.43 at ten", room, first)
    for ts in (first, reply, reply):
        await tale.shortcut("Ada", "timeline.add", room, ts)
    text = await timeline(tale)
    assert text.count("rolled out 1.42 at nine") == 1
    assert text.count("and 1.43 at ten") == 1
    assert "On the timeline of INC-1" in (await tale.whispers("Ada", room))[0]


async def test_the_shortcut_elsewhere_asks_which(tale: Story) -> None:
    """On a message that belongs to no incident it says so, and adds nothing."""
    await tale.declared("P1 checkout is down")
    ts = await tale.says("Ada", "lunch is ready", "general")
    await tale.shortcut("Ada", "timeline.add", "general", ts)
    assert "Which one?" in (await tale.whispers("Ada", "general"))[-1]
    assert "lunch" not in await timeline(tale)


async def test_in_the_thread_of_a_card(tale: Story) -> None:
    """Where the incident lives in a thread, what is marked in that thread is on its timeline."""
    await tale.types("Ada", "/incident declare P3 a typo on the start page")
    card = await tale.card("incidents")
    ts = await tale.says("Ben", "it is a translation", "incidents", card["ts"])
    await tale.does("reaction", user="Ada", channel="incidents", ts=ts, name="pushpin")
    await tale.settle()
    assert "<@U0BEN> wrote: it is a translation" in await timeline(tale)


async def test_what_was_marked_is_in_the_next_update(tale: Story) -> None:
    """A marked message is told in the next update, once."""
    room = await tale.declared("P1 checkout is down")
    ts = await tale.says("Ada", "the primary ran out of disk", room)
    await tale.does("reaction", user="Ada", channel=room, ts=ts, name="pushpin")
    await tale.fast_forward(minutes=61)
    own = [text for text in await tale.by_the_bot(room) if "Posted by tocsin" in text]
    assert ["the primary ran out of disk" in text for text in own] == [True, False]


async def test_a_mark_put_back_is_told_by_a_later_update(story: Story) -> None:
    """A message that was off the timeline when an update was posted is in the next one after it is put back; once."""
    room = await story.declared("P1 checkout is down")
    ts = await story.says("Ada", "the primary ran out of disk", room)
    for remove, minutes in ((False, 1), (True, 31), (False, 31), (True, 1), (False, 31)):
        await story.does("reaction", user="Ada", channel=room, ts=ts, name="pushpin", remove=remove)
        await story.fast_forward(minutes=minutes)
    own = [text for text in await story.by_the_bot(room) if "Posted by tocsin" in text]
    assert ["the primary ran out of disk" in text for text in own] == [False, True, False]
    assert (await timeline(story)).count("ran out of disk") == 1


async def test_a_guest_marks_nothing(tale: Story) -> None:
    """What a guest pins stays off the timeline."""
    room = await tale.declared("P1 checkout is down")
    ts = await tale.says("Ada", "the primary ran out of disk", room)
    await tale.does("reaction", user="Ada", channel=room, ts=ts, name="eyes")
    workspace = tale.simulator.workspace
    workspace.find_channel(room).members["U0GUS"] = None
    await tale.does("reaction", user="Gus", channel=room, ts=ts, name="pushpin")
    await tale.settle()
    assert "ran out of disk" not in await timeline(tale)


async def test_an_empty_note_is_asked_again(tale: Story) -> None:
    """A note without words says what to write."""
    room = await tale.declared("P1 checkout is down")
    assert "Say what to note" in await tale.types("Ada", "/incident note", room)
