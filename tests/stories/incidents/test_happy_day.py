"""The main job, end to end: declared, kept up to date, resolved, and its post-mortem drafted."""

from __future__ import annotations

from tests.support.story import Story, tidy


async def test_declared_in_one_line(story: Story) -> None:
    """One line opens the channel with the declarer in it, puts up both cards, and the answer tells the truth."""
    answer = await story.types("Ada", "/incident declare P1 checkout is down")
    assert tidy(answer).startswith("Declared INC-1 at P1. Opening its channel and inviting you. First update by 09:30")
    channel = await story.channel("inc-1-checkout-is-down", "Ada")
    assert "U0ADA" in channel["members"]
    assert "P1 investigating · no commander yet · checkout is down" in channel["topic"]
    assert [one["title"] for one in channel["bookmarks"]] == ["INC-1 in #incidents"]
    assert len(await story.cards(channel["name"])) == 1
    assert len(await story.cards("incidents")) == 1
    assert channel["pins"] == [(await story.card(channel["name"]))["ts"]]


async def test_the_whole_day(story: Story) -> None:
    """One person declares, the update posts itself on time, another resolves, and the draft is there to read."""
    await story.types("Ada", "/incident declare P1 checkout is down")
    room = (await story.channel("inc-1", "Ada"))["name"]
    await story.fast_forward(minutes=31)
    posted = await story.by_the_bot(room)
    own = [text for text in posted if "since nobody had written" in text]
    assert len(own) == 1
    assert "checkout is down" in own[0]

    await story.does("join", user="Ben", channel=room)
    view = await story.opens("Ben", "/incident resolve", room)
    answer = await story.submits("Ben", view, fix="rolled back 1.42", impact="nobody could pay", watch="15m")
    assert answer["ok"], answer
    posted = await story.by_the_bot(room)
    assert any("is resolved" in text and "rolled back 1.42" in text for text in posted)
    draft = next(one for one in await story.messages(room) if one.get("files"))
    assert draft["thread_ts"] == (await story.card(room))["ts"]

    await story.fast_forward(minutes=16)
    asked = next(one for one in await story.messages(room) if "Does the fix of INC-1 hold" in str(one.get("blocks")))
    await story.clicks("Ada", room, asked, "incident.confirm")
    assert any("INC-1 is closed: <@U0ADA> confirmed" in text for text in await story.by_the_bot(room))
    assert len(await story.cards(room)) == 1
    assert len(await story.cards("incidents")) == 1
