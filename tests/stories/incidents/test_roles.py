"""Roles: the first to claim one holds it, the other is told who; given by name; claim buttons vanish once taken."""

from __future__ import annotations

import asyncio

from tests.support.story import Story, buttons, shown


async def test_the_second_commander_is_told_who_was_first(story: Story) -> None:
    """Two people want to lead, one after the other: the first does, the second reads who it is."""
    room = await story.declared("P1 checkout is down")
    assert "You are commander of INC-1" in await story.types("Ben", "/incident role INC-1 commander")
    answer = await story.types("Cleo", "/incident role INC-1 commander")
    assert "<@U0BEN> already is commander of INC-1" in answer
    assert "commander: <@U0BEN>" in shown(await story.card(room))


async def test_two_claim_at_the_same_moment(story: Story) -> None:
    """Two people press Take commander at once: exactly one of them gets it, and the other is told who."""
    room = await story.declared("P1 checkout is down")
    card = await story.card(room)
    for user in ("Ben", "Cleo"):
        await story.does("join", user=user, channel=room)
    wish = {"channel": room, "ts": card["ts"], "action_id": "role.claim:commander"}
    await asyncio.gather(story.does("click", user="Ben", **wish), story.does("click", user="Cleo", **wish))
    await story.settle()
    said = {user: (await story.whispers(user, room))[-1] for user in ("U0BEN", "U0CLEO")}
    (winner,) = [user for user, text in said.items() if "You are commander" in text]
    (loser,) = [user for user, text in said.items() if "already is commander" in text]
    assert f"<@{winner}> already is commander of INC-1" in said[loser]
    assert f"commander: <@{winner}>" in shown(await story.card(room))


async def test_a_role_is_given_by_mention(tale: Story) -> None:
    """`role comms @Cleo` gives it to Cleo, invites her and shows her on both cards; it can be handed on."""
    room = await tale.declared("P1 checkout is down")
    assert "<@U0CLEO> is comms of INC-1 now" in await tale.types("Ada", "/incident role comms @Cleo", room)
    assert "U0CLEO" in (await tale.channel(room))["members"]
    for place in (room, "incidents"):
        assert "comms: <@U0CLEO>" in shown(await tale.card(place))
    await tale.types("Cleo", "/incident role comms @Dan", room)
    assert "comms: <@U0DAN>" in shown(await tale.card(room))


async def test_a_claim_button_vanishes_once_taken(tale: Story) -> None:
    """Each role has a button until somebody holds it; the topic names the commander."""
    room = await tale.declared("P1 checkout is down")
    card = await tale.card(room)
    assert [one for one in buttons(card) if one.startswith("role.claim")] == [
        "role.claim:commander",
        "role.claim:comms",
        "role.claim:ops",
        "role.claim:scribe",
    ]
    await tale.clicks("Ada", room, card, "role.claim:ops")
    await tale.clicks("Ada", room, await tale.card(room), "role.claim:commander")
    left = [one for one in buttons(await tale.card(room)) if one.startswith("role.claim")]
    assert left == ["role.claim:comms", "role.claim:scribe"]
    assert "commander ada" in (await tale.channel(room))["topic"].casefold()


async def test_a_role_that_nobody_knows(tale: Story) -> None:
    """A role that does not exist, or nobody's name, is answered with what there is."""
    room = await tale.declared("P1 checkout is down")
    assert "commander, comms, ops and scribe" in await tale.types("Ada", "/incident role king", room)
    assert "as a mention" in await tale.types("Ada", "/incident role comms somebody", room)
    assert "Say which role" in await tale.types("Ada", "/incident role", room)


async def test_a_guest_cannot_be_given_a_role(tale: Story) -> None:
    """Only full members hold roles."""
    room = await tale.declared("P1 checkout is down")
    assert "not a full member" in await tale.types("Ada", "/incident role ops @Gus", room)
    assert "nobody yet" in shown(await tale.card(room))


async def test_acknowledging_is_done_once(tale: Story) -> None:
    """The first who acknowledges is named; the second reads who it was, and the button is gone."""
    room = await tale.declared("P1 checkout is down")
    assert "You acknowledged INC-1" in await tale.types("Ben", "/incident ack INC-1")
    assert "<@U0BEN> already acknowledged INC-1" in await tale.types("Ada", "/incident ack", room)
    for place in (room, "incidents"):
        assert "incident.ack" not in buttons(await tale.card(place))
    assert "<@U0BEN>" in shown(await tale.card(room))


async def test_what_stops_people_from_being_called_is_audited(tale: Story) -> None:
    """Who acknowledged, led, moved on and turned reminders off is in the audit log, whatever the timeline says."""
    room = await tale.declared("P1 checkout is down")
    await tale.types("Ben", "/incident ack INC-1")
    await tale.types("Ada", "/incident role comms @Cleo", room)
    await tale.types("Cleo", "/incident role commander", room)
    await tale.types("Ada", "/incident status mitigating", room)
    await tale.types("Ada", "/incident remind snooze 10m", room)
    await tale.types("Ada", "/incident remind off", room)
    assert [attempted for attempted in await tale.audited("INC-1") if attempted[0] != "tocsin"][1:] == [
        ("U0BEN", "incident.acknowledged"),
        ("U0ADA", "incident.role"),
        ("U0CLEO", "incident.role"),
        ("U0ADA", "incident.status"),
        ("U0ADA", "incident.snoozed"),
        ("U0ADA", "incident.cadence"),
    ]
