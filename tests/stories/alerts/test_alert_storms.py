"""A storm of alerts is one card: the worst first, edited in place, and nothing is lost in it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from bot.store.tables import alerts as alerts_tables
from tests.support.alerts import OPS, Monitoring, elements, firing, over
from tests.support.clock import START
from tests.support.story import shown, tidy


async def storm(sent: Monitoring, groups: int, *, severity: str = "warning") -> None:
    for start in range(0, groups, 20):
        names = [f"Rule{number}" for number in range(start, min(start + 20, groups))]
        await sent.posts({"alerts": [firing(name, since=START, severity=severity) for name in names]})
    await sent.story.settle()


async def test_a_storm_is_one_card(sent: Monitoring) -> None:
    """More than eight new groups in a channel within a minute are shown together, with a breakdown, and right."""
    await storm(sent, 100)
    cards = await sent.cards()
    assert len(cards) == 1
    text = tidy(shown(cards[0]))
    assert "🟡 *A storm of alerts* since 09:00 UTC" in text
    assert "100 groups, 100 of them open with 100 alerts that fire." in text
    assert "🟡 P2 Default service · Rule0: 1 alert fires\n" in text
    assert "And 85 more kinds of alert: 85 groups, 85 alerts fire." in text
    async with sent.story.deps.database.reading() as tx:
        assert (await tx.execute(select(func.count()).select_from(alerts_tables.alerts))).scalar_one() == 100


async def test_the_important_first(sent: Monitoring) -> None:
    """What is worst is first in the card, and can be acknowledged there; then the next ones come up."""
    story = sent.story
    await storm(sent, 12)
    await sent.sends(firing("Down", since=START, severity="high"))
    (card,) = await sent.cards()
    assert shown(card).splitlines()[2].startswith("🟠 P1 Default service · Down")
    assert elements(card) == ["alert.ack"] * 5
    await story.clicks("Ben", OPS, card, "alert.ack", value="ALR-13")
    (card,) = await sent.cards()
    assert "*ALR-13 Down*" not in shown(card)
    assert elements(card) == ["alert.ack"] * 5


async def test_a_storm_ends(sent: Monitoring) -> None:
    """As its groups end, the card follows; when all are over it is struck through."""
    await storm(sent, 12)
    alerts = [firing(f"Rule{number}", since=START, severity="warning") for number in range(12)]
    sent.story.clock.advance(minutes=2)
    ends = sent.story.clock.now()
    await sent.sends(*[over(alert, ends) for alert in alerts[:10]])
    assert "12 groups, 2 of them open with 2 alerts that fire." in shown((await sent.cards())[0])
    await sent.sends(*[over(alert, ends) for alert in alerts[10:]])
    text = shown((await sent.cards())[0])
    assert "✅ ~A storm of alerts~" in text
    assert "All 12 groups since" in text


async def test_after_a_storm(sent: Monitoring) -> None:
    """A minute after the last new group, the next one has a card of its own again."""
    await storm(sent, 12)
    sent.story.clock.advance(seconds=61)
    await sent.sends(firing("Later", since=sent.story.clock.now()))
    assert len(await sent.cards()) == 2
    assert "alert.silence" in elements(await sent.card("ALR-13"))


async def test_eight_are_no_storm(sent: Monitoring) -> None:
    """Eight groups have a card each, one a second; those that are up when a storm begins stay and are kept right."""
    await storm(sent, 8)
    assert len(await sent.cards()) == 8
    await sent.sends(firing("Ninth", since=START, severity="warning"))
    cards = await sent.cards()
    assert len(cards) == 9
    assert "1 group" in shown(cards[-1])
    await sent.sends(over(firing("Rule0", since=START, severity="warning"), START + timedelta(minutes=1)))
    assert "✅ ~ALR-1 Rule0~" in await sent.words("ALR-1")


async def test_a_card_in_doubt_when_the_storm_comes(sent: Monitoring) -> None:
    """A card whose answer was lost is looked for before the storm's takes its place: it stays, and is kept right."""
    story = sent.story
    await story.fault("drop_response", method="chat.postMessage")
    await story.fault("http_500", method="conversations.history", times=1_000)
    first = firing("First", since=START, severity="warning")
    await sent.sends(first)
    await storm(sent, 12)
    story.simulator.faults.clear()
    await story.fast_forward(minutes=2)
    assert len(await sent.cards()) == 2
    await sent.sends(over(first, story.clock.now()))
    card, _ = await sent.cards()
    assert "✅ ~ALR-1 First~" in shown(card)
