"""What people say about alerts, in words instead of buttons: in the thread of a card, and by name."""

from __future__ import annotations

import re

from tests.support.alerts import OPS, Monitoring, firing, over
from tests.support.story import shown, tidy

BOT = "<@U0TOCSIN>"


async def replied(sender: Monitoring, words: str, name: str = "ALR-1") -> str:
    """What the bot answers in the thread of a card."""
    card = await sender.card(name)
    await sender.story.says("Ben", f"{BOT} {words}", OPS, card["ts"])
    return tidy((await sender.story.thread(OPS, card["ts"], "U0BEN"))[-1])


async def test_the_thread_of_a_card_names_its_alert(sender: Monitoring) -> None:
    """Who answers in the thread of a card means that alert, even while incidents are open elsewhere."""
    await sender.story.declared("P2 something else")
    await sender.sends(firing("Slow"))
    assert "• No route matched." in await replied(sender, "why")
    assert (
        await replied(sender, "ack") == "You acknowledged ALR-1. If you cannot look after it, take it back on its card."
    )
    assert "ALR-1 is silent until" in await replied(sender, "silence 1h")
    assert await replied(sender, "unsilence") == "ALR-1 is no longer silenced."
    assert await replied(sender, "silence 1h, please") == await replied(sender, "silence ALR-1 1h, please")
    assert await replied(sender, "resolve") == "ALR-1 is resolved."


async def test_who_names_another_means_another(sender: Monitoring) -> None:
    """A name that is said counts for more than the thread it is said in."""
    room = await sender.story.declared("P2 something else")
    await sender.sends(firing("Slow"))
    await sender.sends(firing("Full"))
    assert "You acknowledged INC-1." in await replied(sender, "ack INC-1")
    assert "You acknowledged ALR-2." in await replied(sender, "ack ALR-2")
    assert "Acknowledged" not in await sender.words("ALR-1")
    assert "SIL-1 silences" in await replied(sender, 'silence 1h alertname="Slow"')
    assert (await sender.story.types("Ada", "/incident ack", room)).startswith("<@U0BEN> already acknowledged INC-1")


async def test_resolved_by_name(sender: Monitoring) -> None:
    """An alert is ended by its name; what fixed it belongs to incidents, and the answer says so."""
    await sender.sends(firing("Slow"))
    said = await sender.story.types("Ada", "/incident resolve ALR-1 turned it off and on")
    assert said == "What fixed it is kept with incidents only. To end the alert: `/incident resolve ALR-1`."
    assert await sender.story.types("Ada", "/incident resolve ALR-1") == "ALR-1 is resolved."
    assert await sender.story.types("Ada", "/incident resolve alr1") == "ALR-1 was resolved already."
    assert "Resolved by <@U0ADA>" in await sender.words()


async def test_the_list_names_what_is_silenced_by_its_card(sender: Monitoring) -> None:
    """`/incident silence` knows silences with matchers and alerts that are silenced by themselves."""
    await sender.sends(firing("Slow"))
    await sender.story.types("Ben", "/incident silence ALR-1 1h")
    assert tidy(await sender.story.types("Ada", "/incident silence")).splitlines() == [
        "• *ALR-1* Slow: by <@U0BEN>, until 20 Nov, 10:00 UTC.",
        "End one early: `/incident silence end ALR-1`.",
    ]
    await sender.story.types("Ada", "/incident silence end ALR-1")
    assert await sender.story.types("Ada", "/incident silence") == "No silence is in force."


async def test_why_nobody_was_called(sender: Monitoring) -> None:
    """`why` says what keeps an alert quiet, and that it has no escalation policy."""
    await sender.sends(firing("Slow"))
    assert "• It has no escalation policy, so nobody is called for it beyond that." in await sender.story.types(
        "Ada", "/incident why ALR-1"
    )
    await sender.story.types("Ben", "/incident silence ALR-1 1h")
    said = tidy(await sender.story.types("Ada", "/incident why ALR-1"))
    assert "• Silenced until 20 Nov, 10:00 UTC by <@U0BEN>." in said
    await sender.sends(firing("Small", severity="P3"))
    said = await sender.story.types("Ada", "/incident why ALR-2")
    assert "• Alerts of P3 are only logged: it has no card, and nobody is called for it." in said


async def test_an_incident_names_its_alerts(sender: Monitoring) -> None:
    """Who comes into the channel sees which alerts it is about, where they stand, and when they have ended."""
    await sender.sends(firing("Slow", severity="P0"))
    (card,) = await sender.story.cards("inc-1-slow")
    assert re.search(r"Alert: <http\S+/archives/\S+\|ALR-1> fires", shown(card))
    assert "Declared from" not in shown(card)
    await sender.sends(over(firing("Slow", severity="P0"), sender.story.clock.now()))
    (card,) = await sender.story.cards("inc-1-slow")
    assert re.search(r"Alert: <http\S+\|ALR-1> is resolved", shown(card))


async def test_home_shows_what_nobody_is_on(sender: Monitoring) -> None:
    """The Home tab has the alerts that wait for somebody; who acknowledges there takes them off it."""
    assert "Alerts that nobody is on" not in shown(await sender.story.home("Ada"))
    await sender.sends(firing("Small", severity="P2"))
    await sender.sends(firing("Slow", severity="P1"))
    await sender.sends(firing("Quiet", severity="P2"))
    await sender.story.types("Ben", "/incident silence ALR-3 1h")
    home = await sender.story.home("Ada")
    text = shown(home)
    assert text.index("|ALR-2> Slow") < text.index("|ALR-1> Small")
    assert "ALR-3" not in text
    await sender.story.does(
        "click", user="Ada", view_id=home["id"], channel="general", action_id="alert.ack", value="ALR-2"
    )
    await sender.story.settle()
    assert "ALR-2" not in shown(await sender.story.home("Ada"))
    assert "*On it*\n<@U0ADA>" in await sender.words("ALR-2")
