"""The Home tab: what waits for me and what is open, with the buttons to act on it."""

from __future__ import annotations

from typing import Any

from tests.support.story import Story, shown, tidy


def accessory(home: dict[str, Any], action: str) -> dict[str, Any]:
    found = [block["accessory"] for block in home["blocks"] if block.get("accessory")]
    return next(one for one in found if one["action_id"] == action)


async def test_nothing_waits(tale: Story) -> None:
    """On a quiet day it says so, and offers to declare."""
    home = await tale.home("Ada")
    text = shown(home)
    assert "Nothing waits for you" in text
    assert "No incident is open" in text
    answer = await tale.does("click", user="Ada", view_id=home["id"], channel="general", action_id="incident.declare")
    assert answer["views"][-1]["callback_id"] == "incident.declare"


async def test_what_waits_for_whom(story: Story) -> None:
    """The commander reads what they lead and when the update is due; others only that it is open."""
    room = await story.declared("P1 checkout is down")
    await story.types("Ben", "/incident role INC-1 commander")
    mine = tidy(shown(await story.home("Ben")))
    assert "you lead it; the next update is promised by 09:30" in mine
    theirs = tidy(shown(await story.home("Cleo")))
    assert "Nothing waits for you" in theirs
    assert "checkout is down" in theirs
    await story.types("Ben", "/incident resolve INC-1 done")
    owed = await story.home("Ben")
    assert "the post-mortem is due" in shown(owed)
    assert "No incident is open" in shown(owed)
    assert accessory(owed, "postmortem.edit")["value"] == "INC-1"
    assert room


async def test_acting_from_home(tale: Story) -> None:
    """Post update there opens the form, and Home shows the new promise afterwards."""
    await tale.declared("P1 checkout is down")
    await tale.types("Ben", "/incident role INC-1 commander")
    home = await tale.home("Ben")
    answer = await tale.does("click", user="Ben", view_id=home["id"], channel="general", action_id="incident.update")
    tale.clock.advance(minutes=10)
    await tale.submits("Ben", answer["views"][-1], text="disk replaced")
    assert "promised by 09:40" in tidy(shown(await tale.home("Ben")))


async def test_home_of_a_guest(tale: Story) -> None:
    """A guest's Home shows nothing of what goes on."""
    await tale.declared("P1 checkout is down")
    home = await tale.home("Gus")
    assert "checkout" not in shown(home)
