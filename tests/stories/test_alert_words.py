"""What people say about alerts, in words instead of buttons: in the thread of a card, and by name."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from tests.support.alerts import OPS, Monitoring, firing, monitoring, over
from tests.support.story import Story, shown, tidy

BOT = "<@U0TOCSIN>"


@pytest.fixture
async def sent(tale: Story) -> AsyncIterator[Monitoring]:
    async with monitoring(tale) as found:
        yield found


async def replied(sent: Monitoring, words: str, name: str = "ALR-1") -> str:
    """What the bot answers in the thread of a card."""
    card = await sent.card(name)
    await sent.story.says("Ben", f"{BOT} {words}", OPS, card["ts"])
    return tidy((await sent.story.thread(OPS, card["ts"], "U0BEN"))[-1])


async def test_the_thread_of_a_card_names_its_alert(sent: Monitoring) -> None:
    """Who answers in the thread of a card means that alert, even while incidents are open elsewhere."""
    await sent.story.declared("P2 something else")
    await sent.sends(firing("Slow"))
    assert "• No route matched." in await replied(sent, "why")
    assert (
        await replied(sent, "ack") == "You acknowledged ALR-1. If you cannot look after it, take it back on its card."
    )
    assert "ALR-1 is silent until" in await replied(sent, "silence 1h")
    assert await replied(sent, "unsilence") == "ALR-1 is not silenced any more."
    assert await replied(sent, "silence 1h, please") == await replied(sent, "silence ALR-1 1h, please")
    assert await replied(sent, "resolve") == "ALR-1 is resolved."


async def test_who_names_another_means_another(sent: Monitoring) -> None:
    """A name that is said counts for more than the thread it is said in."""
    room = await sent.story.declared("P2 something else")
    await sent.sends(firing("Slow"))
    await sent.sends(firing("Full"))
    assert "You acknowledged INC-1." in await replied(sent, "ack INC-1")
    assert "You acknowledged ALR-2." in await replied(sent, "ack ALR-2")
    assert "Acknowledged" not in await sent.words("ALR-1")
    assert "SIL-1 silences" in await replied(sent, 'silence 1h alertname="Slow"')
    assert (await sent.story.types("Ada", "/incident ack", room)).startswith("<@U0BEN> already acknowledged INC-1")


async def test_resolved_by_name(sent: Monitoring) -> None:
    """An alert is ended by its name; what fixed it belongs to incidents, and the answer says so."""
    await sent.sends(firing("Slow"))
    said = await sent.story.types("Ada", "/incident resolve ALR-1 turned it off and on")
    assert said == "What fixed it is kept with incidents only. To end the alert: `/incident resolve ALR-1`."
    assert await sent.story.types("Ada", "/incident resolve ALR-1") == "ALR-1 is resolved."
    assert await sent.story.types("Ada", "/incident resolve alr1") == "ALR-1 was resolved already."
    assert "Resolved by <@U0ADA>" in await sent.words()


async def test_the_list_names_what_is_silenced_by_its_card(sent: Monitoring) -> None:
    """`/incident silence` knows silences with matchers and alerts that are silenced by themselves."""
    await sent.sends(firing("Slow"))
    await sent.story.types("Ben", "/incident silence ALR-1 1h")
    assert tidy(await sent.story.types("Ada", "/incident silence")).splitlines() == [
        "• *ALR-1* Slow: by <@U0BEN>, until 20 Nov, 10:00 UTC.",
        "End one early: `/incident silence end ALR-1`.",
    ]
    await sent.story.types("Ada", "/incident silence end ALR-1")
    assert await sent.story.types("Ada", "/incident silence") == "No silence is in force."


async def test_why_nobody_was_called(sent: Monitoring) -> None:
    """`why` says what keeps an alert quiet, and that it has no escalation policy."""
    await sent.sends(firing("Slow"))
    assert "• It has no escalation policy, so nobody is called for it beyond that." in await sent.story.types(
        "Ada", "/incident why ALR-1"
    )
    await sent.story.types("Ben", "/incident silence ALR-1 1h")
    said = tidy(await sent.story.types("Ada", "/incident why ALR-1"))
    assert "• Silenced until 20 Nov, 10:00 UTC by <@U0BEN>." in said
    await sent.sends(firing("Small", severity="P3"))
    said = await sent.story.types("Ada", "/incident why ALR-2")
    assert "• Alerts of P3 are only logged: it has no card, and nobody is called for it." in said


async def test_an_incident_names_its_alerts(sent: Monitoring) -> None:
    """Who comes into the channel sees which alerts it is about, where they stand, and when they have ended."""
    await sent.sends(firing("Slow", severity="P0"))
    (card,) = await sent.story.cards("inc-1-slow")
    assert re.search(r"Alert: <http\S+/archives/\S+\|ALR-1> fires", shown(card))
    assert "Declared from" not in shown(card)
    await sent.sends(over(firing("Slow", severity="P0"), sent.story.clock.now()))
    (card,) = await sent.story.cards("inc-1-slow")
    assert re.search(r"Alert: <http\S+\|ALR-1> is resolved", shown(card))


async def test_home_shows_what_nobody_is_on(sent: Monitoring) -> None:
    """The Home tab has the alerts that wait for somebody; who acknowledges there takes them off it."""
    assert "Alerts that nobody is on" not in shown(await sent.story.home("Ada"))
    await sent.sends(firing("Small", severity="P2"))
    await sent.sends(firing("Slow", severity="P1"))
    await sent.sends(firing("Quiet", severity="P2"))
    await sent.story.types("Ben", "/incident silence ALR-3 1h")
    home = await sent.story.home("Ada")
    text = shown(home)
    assert text.index("|ALR-2> Slow") < text.index("|ALR-1> Small")
    assert "ALR-3" not in text
    await sent.story.does(
        "click", user="Ada", view_id=home["id"], channel="general", action_id="alert.ack", value="ALR-2"
    )
    await sent.story.settle()
    assert "ALR-2" not in shown(await sent.story.home("Ada"))
    assert "*On it*\n<@U0ADA>" in await sent.words("ALR-2")
