"""The end: resolved in words or in the form, watched, confirmed or reopened, closed by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.story import Story, buttons, field, shown, tidy

ASKED = "Does the fix of INC-1 hold?"


async def question(story: Story, room: str) -> dict[str, Any] | None:
    return next((one for one in await story.messages(room) if ASKED in shown(one)), None)


async def resolved(story: Story, words: str = "P1 checkout is down", watch: str = "15m") -> str:
    room = await story.declared(words)
    view = await story.opens("Ada", "/incident resolve", room)
    await story.submits("Ada", view, fix="rolled back", impact="nobody could pay", watch=watch)
    return room


async def test_the_form_asks_what_is_needed(tale: Story) -> None:
    """What fixed it, what customers noticed, and how long to watch: the severity's own period is chosen."""
    room = await tale.declared("P1 checkout is down")
    view = await tale.opens("Ada", "/incident resolve", room)
    assert [block["block_id"] for block in view["blocks"]] == ["fix", "impact", "watch"]
    watch = field(view, "watch")
    assert [one["value"] for one in watch["options"]] == ["none", "15m", "30m", "60m"]
    assert watch["initial_option"]["value"] == "30m"


async def test_resolving_says_so_and_stops_the_clock(tale: Story) -> None:
    """The channel reads that it is over and what fixed it; nothing more is promised; both cards say resolved."""
    room = await resolved(tale)
    (said,) = [tidy(text) for text in await tale.by_the_bot(room) if "is resolved" in text]
    for fact in ("rolled back", "nobody could pay", "I watch until 09:15"):
        assert fact in said
    for place in (room, "incidents"):
        card = shown(await tale.card(place))
        assert "resolved" in card
        assert "none: resolved" in card
    assert "resolved" in (await tale.channel(room))["topic"]
    await tale.fast_forward(hours=3)
    assert not [text for text in await tale.by_the_bot(room) if "Posted by tocsin" in text]


async def test_resolved_in_one_line(tale: Story) -> None:
    """`resolve <what fixed it>` needs no form; doing it again says that it is done."""
    room = await tale.declared("P1 checkout is down")
    assert "INC-1 is resolved" in await tale.types("Ben", "/incident resolve INC-1 disk replaced")
    assert "disk replaced" in shown(await tale.card(room))
    assert "already resolved" in await tale.types("Ada", "/incident resolve again", room)
    assert "/incident reopen" in await tale.types("Ada", "/incident update more", room)


async def test_the_buttons_of_the_card(tale: Story) -> None:
    """The card acknowledges, updates and resolves; the one in #incidents only acknowledges."""
    room = await tale.declared("P1 checkout is down")
    await tale.clicks("Ben", "incidents", await tale.card("incidents"), "incident.ack")
    assert buttons(await tale.card("incidents")) == []
    view = await tale.opens_by_click("Ada", room, await tale.card(room), "incident.update")
    await tale.submits("Ada", view, text="disk is full")
    view = await tale.opens_by_click("Ada", room, await tale.card(room), "incident.resolve")
    assert (await tale.submits("Ada", view, fix="disk replaced"))["ok"]
    card = shown(await tale.card(room))
    for fact in ("<@U0BEN>", "disk replaced", "resolved"):
        assert fact in card


async def test_after_the_watch_it_is_confirmed(story: Story) -> None:
    """When the watch period is over the channel is asked; Confirm closes it, and nobody is asked again."""
    room = await resolved(story)
    await story.fast_forward(minutes=14)
    assert await question(story, room) is None
    await story.fast_forward(minutes=2)
    asked = await question(story, room)
    assert asked
    assert buttons(asked) == ["incident.confirm", "incident.reopen"]
    await story.clicks("Ben", room, asked, "incident.confirm")
    assert any("<@U0BEN> confirmed that the fix holds" in text for text in await story.by_the_bot(room))
    before = len(await story.by_the_bot(room))
    await story.fast_forward(hours=2)
    assert len(await story.by_the_bot(room)) == before


async def test_unanswered_it_closes_by_itself(tale: Story) -> None:
    """Nobody answers for half an hour: it is closed, and the channel reads why."""
    room = await resolved(tale)
    await tale.fast_forward(minutes=44)
    assert not [text for text in await tale.by_the_bot(room) if "is closed" in text]
    await tale.fast_forward(minutes=2)
    assert any("INC-1 is closed: nobody objected" in text for text in await tale.by_the_bot(room))
    assert "closed" in shown(await tale.card("incidents"))


@pytest.mark.parametrize("way", ["button", "verb"])
async def test_reopened(tale: Story, way: str) -> None:
    """Reopen, by button or by verb, brings the updates back, and the question of the watch does not come."""
    room = await resolved(tale)
    await tale.fast_forward(minutes=5)
    if way == "button":
        await tale.clicks("Ben", room, await tale.card(room), "incident.reopen")
    else:
        assert "open again" in await tale.types("Ben", "/incident reopen INC-1")
    assert any("<@U0BEN> reopened INC-1" in text for text in await tale.by_the_bot(room))
    card = tidy(shown(await tale.card(room)))
    assert "investigating" in card
    assert "by 09:35" in card
    await tale.fast_forward(minutes=31)
    assert await question(tale, room) is None
    assert any("Posted by tocsin" in text for text in await tale.by_the_bot(room))


async def test_reopened_from_the_question_and_resolved_again(tale: Story) -> None:
    """After a reopening a second resolution is watched and asked about like the first."""
    room = await resolved(tale)
    await tale.fast_forward(minutes=16)
    asked = await question(tale, room)
    assert asked
    await tale.clicks("Ada", room, asked, "incident.reopen")
    view = await tale.opens("Ada", "/incident resolve", room)
    await tale.submits("Ada", view, fix="really fixed", watch="15m")
    await tale.fast_forward(minutes=16)
    assert len([one for one in await tale.messages(room) if ASKED in shown(one)]) == 2
    assert len([text for text in await tale.by_the_bot(room) if "is resolved" in text]) == 2


async def test_no_watch_asks_at_once(tale: Story) -> None:
    """*Do not watch* asks for confirmation right away."""
    room = await resolved(tale, watch="none")
    await tale.fast_forward(seconds=5)
    assert await question(tale, room)


async def test_close_needs_an_end_first(tale: Story) -> None:
    """An open incident cannot be closed; a closed one says so."""
    room = await tale.declared("P1 checkout is down")
    assert "still investigating" in await tale.types("Ada", "/incident close", room)
    assert "is open already" in await tale.types("Ada", "/incident reopen", room)
    await tale.types("Ada", "/incident resolve done", room)
    assert "INC-1 is closed" in await tale.types("Ada", "/incident close", room)
    assert "closed already" in await tale.types("Ada", "/incident close", room)
