"""Alerts come in, stand on a card, and end; people acknowledge, silence, declare and resolve them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from bot.ports import Database
from bot.queue import inbox
from bot.services.ingest import alerts as ingest
from bot.store.tables import base as tables, queue as queue_tables
from tests.support.alerts import OPS, Monitoring, elements, firing, monitoring, over
from tests.support.catalogues import catalogue
from tests.support.clock import START, HandClock
from tests.support.story import Story, shown, tidy, told

SOON = timedelta(minutes=1)


async def count(story: Story, table: str) -> int:
    async with story.deps.database.reading() as tx:
        return int((await tx.execute(select(func.count()).select_from(tables.metadata.tables[table]))).scalar_one())


# --- the card ---------------------------------------------------------------------------------------------------------


async def test_from_a_firing_rule_to_a_card_and_its_end(sent: Monitoring) -> None:
    """One message shows the whole group: it is edited as alerts join, and struck through with how long it took."""
    story, since = sent.story, START - timedelta(minutes=10)
    first, second = firing(since=since, host="a"), firing(since=since + SOON, host="b")
    first["annotations"] = {"summary": "Requests take 4 s"}
    await sent.sends(first)
    card = await sent.card()
    assert tidy(shown(card)).splitlines()[:2] == ["🟠 *ALR-1 Slow*", "Requests take 4 s"]
    assert "*Severity*\nP1 High" in shown(card)
    assert "*Service*\nDefault service" in shown(card)
    assert "*Since*\n20 Nov, 08:50 UTC" in tidy(shown(card))
    assert "host=a" in shown(card)

    await sent.sends(first, second)
    assert "*Firing*\n2 alerts" in await sent.words()
    await sent.sends(over(first, START))
    assert "*Firing*\n1 of 2 alerts" in await sent.words()
    story.clock.advance(minutes=5)
    await sent.sends(over(second, story.clock.now()))
    lines = (await sent.words()).splitlines()
    assert lines[0] == "✅ ~ALR-1 Slow~"
    assert lines[1].startswith("Resolved after 15 min")
    assert elements(await sent.card()) == []
    assert [one["ts"] for one in await sent.cards()] == [card["ts"]]
    assert await story.audited("ALR-1") == [("tocsin", "alert.opened"), ("tocsin", "alert.resolved")]


async def test_links_lead_where_to_look(sender: Monitoring) -> None:
    """Graph, dashboard, runbook and source stand on the card; what is no link of http or https does not."""
    alert = firing(since=START)
    alert["generatorURL"] = "http://prometheus:9090/graph?g0.expr=up"
    alert["annotations"] = {"dashboard_url": "https://grafana/d/1", "runbook_url": "javascript:alert(1)"}
    await sender.sends(alert, externalURL="http://alertmanager:9093")
    text = await sender.words()
    assert "<http://prometheus:9090/graph?g0.expr=up|Graph> · <https://grafana/d/1|Dashboard>" in text
    assert "<http://alertmanager:9093|Source>" in text
    assert "javascript" not in text


async def test_nothing_comes_out_of_a_label(sender: Monitoring) -> None:
    """Mentions, broadcasts, links and markup in labels and annotations are text."""
    evil = "<!channel> <@U0ADA> <https://evil|click> @here *b* ~s~ `c` &lt;"
    alert = firing(evil, since=START, host=evil, **{evil: evil})
    alert["annotations"] = {"summary": evil}
    await sender.sends(alert)
    (card,) = await sender.cards()
    for text in (shown(card), card["text"]):
        for bad in ("<!channel", "<@U", "<https://evil", " @here", " *b*", " ~s~"):
            assert bad not in text.replace("\N{WORD JOINER}", "J"), bad
    await sender.sends(over(alert, START))
    assert shown((await sender.cards())[0]).count("~") >= 2


async def test_an_alert_without_anything(sender: Monitoring) -> None:
    """Without name, labels or times it is an alert all the same, and is shown as such."""
    await sender.sends({"status": "firing"})
    assert "*ALR-1 An alert without a name*" in await sender.words()
    assert "*Severity*\nP2 Medium" in await sender.words()


async def test_what_is_only_logged(sender: Monitoring) -> None:
    """`on_alert: log` keeps it without a card."""
    await sender.sends(firing("Chatter", severity="info"))
    assert await sender.cards() == []
    assert await count(sender.story, "alerts") == 1
    assert "P3 Low" in await sender.story.types("Ada", "/incident why ALR-1")


async def test_it_gets_worse(sender: Monitoring) -> None:
    """A worse alert makes its group worse: what was only logged gets a card, then an incident."""
    await sender.sends(firing(severity="info", host="a"))
    await sender.sends(firing(severity="warning", host="b"))
    assert "*Severity*\nP2 Medium" in await sender.words()
    await sender.sends(firing(severity="critical", host="c"))
    assert "*Severity*\nP0 Critical" in await sender.words()
    assert "*Led to*\n" in await sender.words()


async def test_truncated_groups(sender: Monitoring) -> None:
    """Where the sender left alerts out, the card says how many."""
    await sender.sends(firing(host="a"), firing(host="b"), truncatedAlerts=40)
    assert "*Firing*\n2 alerts, and 40 that its sender left out" in await sender.words()


# --- one alert is one alert -------------------------------------------------------------------------------------------


async def test_said_twice_is_one_alert(sent: Monitoring) -> None:
    """Repeated notifications and the same alert by another route change nothing, and edit nothing."""
    alert = firing(since=START, host="a")
    await sent.sends(alert)
    edits = len(sent.story.calls("chat.update"))
    for _ in range(3):
        sent.story.clock.advance(minutes=1)
        await sent.sends(alert)
    assert await count(sent.story, "alerts") == 1
    assert len(sent.story.calls("chat.update")) == edits
    assert len(await sent.cards()) == 1


async def test_worked_twice_counts_once(sent: Monitoring) -> None:
    """A message that is worked again after a crash changes nothing."""
    await sent.posts({"alerts": [firing(since=START), firing("Other", since=START)]})
    deps = sent.story.deps
    async with deps.database.reading() as tx:
        row = (
            await tx.execute(select(queue_tables.inbox).where(queue_tables.inbox.c.kind == "hook:alertmanager"))
        ).one()
    item = inbox.InboxItem(row.id, row.key, row.kind, row.payload, row.received_at, row.attempts)
    for _ in range(2):
        await ingest.handle(deps, item)
    await sent.story.settle()
    assert (await count(sent.story, "alert_groups"), await count(sent.story, "alerts")) == (2, 2)
    assert len(await sent.cards()) == 2


async def test_many_workers_at_once(sent: Monitoring) -> None:
    """Messages about the same alerts that are worked at the same time make one group of each key, and one card."""
    for number in range(6):
        sent.story.clock.advance(seconds=0.001)
        await sent.posts({"alerts": [firing(f"Rule{rule}", since=START, host=str(number)) for rule in (1, 2)]})
    deps = sent.story.deps
    async with deps.database.reading() as tx:
        rows = list(
            await tx.execute(select(queue_tables.inbox).where(queue_tables.inbox.c.kind == "hook:alertmanager"))
        )
    items = [inbox.InboxItem(row.id, row.key, row.kind, row.payload, row.received_at, row.attempts) for row in rows]
    await asyncio.gather(*(ingest.handle(deps, item) for item in items * 2))
    await sent.story.settle()
    assert (await count(sent.story, "alert_groups"), await count(sent.story, "alerts")) == (2, 12)
    assert "*Firing*\n6 alerts" in await sent.words("ALR-1")
    assert len(await sent.cards()) == 2


async def test_one_message_of_many_alerts(sender: Monitoring) -> None:
    """Hundreds of alerts in one message are all kept, in one group."""
    await sender.sends(*[firing(since=START, host=str(host)) for host in range(450)])
    assert "*Firing*\n450 alerts" in await sender.words()
    assert await count(sender.story, "alerts") == 450


async def test_one_that_cannot_be_kept_costs_one(sender: Monitoring) -> None:
    """Where the database refuses one alert, the others of its message are worked, and it is tried again."""
    deps = sender.story.deps
    refuse = "BEFORE INSERT ON alerts WHEN NEW.labels LIKE '%bad%' BEGIN SELECT RAISE(ABORT, 'no'); END"
    async with deps.database.transaction() as tx:
        await tx.exec_driver_sql(f"CREATE TRIGGER refuse {refuse}")
    await sender.posts({"alerts": [firing(host="bad"), firing(host="a"), firing(host="b")]})
    await sender.story.worker.work_once()
    await sender.story.worker.work_once()
    assert "*Firing*\n2 alerts" in await sender.words()
    async with deps.database.transaction() as tx:
        await tx.exec_driver_sql("DROP TRIGGER refuse")
    sender.story.clock.advance(minutes=10)
    await sender.story.settle()
    assert "*Firing*\n3 alerts" in await sender.words()


# --- what people do ---------------------------------------------------------------------------------------------------


async def test_acknowledged_by_button(sent: Monitoring) -> None:
    """The first click counts and is on the card; who comes second reads who was first; it can be taken back."""
    story = sent.story
    await sent.sends(firing())
    card = await sent.card()
    assert elements(card) == ["alert.ack", "alert.declare", "alert.resolve", "alert.silence"]
    await story.clicks("Ben", OPS, card, "alert.ack", times=2)
    assert "*On it*\n<@U0BEN>" in await sent.words()
    await story.clicks("Ada", OPS, card, "alert.unack")
    assert "On it" not in await sent.words()
    assert elements(await sent.card())[0] == "alert.ack"
    assert [attempted for who, attempted in await story.audited("ALR-1") if who.startswith("U")] == [
        "alert.acknowledged",
        "alert.unacknowledged",
    ]


async def test_acknowledged_by_word(sent: Monitoring) -> None:
    """`/incident ack ALR-1` does the same, and says who was first."""
    story = sent.story
    await sent.sends(firing())
    assert "You acknowledged ALR-1." in await story.types("Ben", "/incident ack ALR-1")
    assert "<@U0BEN> already acknowledged ALR-1." in await story.types("Ada", "/incident ack alr-1")
    assert "There is no ALR-9." in await story.types("Ada", "/incident ack ALR-9")


async def test_resolved_by_hand(sent: Monitoring) -> None:
    """Somebody says that it is over: struck through with their name. If it still fires later, it is a new card."""
    story, alert = sent.story, firing(since=START)
    await sent.sends(alert)
    await story.clicks("Ben", OPS, await sent.card(), "alert.resolve")
    assert "Resolved by <@U0BEN> after 0 s." in await sent.words()
    assert "is resolved already" in await story.types("Ada", "/incident ack ALR-1")
    await sent.sends(alert)
    assert len(await sent.cards()) == 1
    story.clock.advance(minutes=10)
    await sent.sends(alert)
    assert "*ALR-2 Slow*" in await sent.words("ALR-2")


async def test_silenced(sent: Monitoring) -> None:
    """Until its end the silence is on the card, and what opens again waits for it without a card."""
    story, alert = sent.story, firing(since=START)
    await sent.sends(alert)
    await story.clicks("Ben", OPS, await sent.card(), "alert.silence", selected="1h")
    assert "Silenced until 20 Nov, 10:00 UTC by <@U0BEN>" in tidy(await sent.words())
    await sent.sends(over(alert, START + SOON))
    story.clock.advance(minutes=10)
    await sent.sends(firing(since=story.clock.now(), severity="high"))
    assert len(await sent.cards()) == 1
    await story.fast_forward(minutes=51)
    assert "*ALR-2 Slow*" in await sent.words("ALR-2")


async def test_nobody_silences_unseen(sender: Monitoring) -> None:
    """Who silences an alert for days is named beside it: the edit of its card alone would tell nobody."""
    story = sender.story
    await sender.sends(firing())
    card = await sender.card()
    for lasting in ("24h", "7d"):
        await story.types("Ben", f"/incident silence ALR-1 {lasting}")
    (line,) = await story.thread(OPS, card["ts"])
    assert line == "<@U0BEN> silenced ALR-1 until 27 Nov, 09:00 UTC: nobody is called for it meanwhile."
    assert ("U0BEN", "alert.silenced") in await story.audited("ALR-1")


async def test_silenced_until_morning(sender: Monitoring) -> None:
    """Morning is nine o'clock where the service is."""
    story = sender.story
    story.clock.advance(hours=1)
    await sender.sends(firing())
    await story.clicks("Ben", OPS, await sender.card(), "alert.silence", selected="morning")
    assert "Silenced until 21 Nov, 09:00 UTC" in tidy(await sender.words())
    await story.fast_forward(hours=24)
    assert "Silenced" not in await sender.words()


async def test_who_may_not(sender: Monitoring) -> None:
    """Guests cannot press anything on a card."""
    story = sender.story
    await sender.sends(firing())
    await story.clicks("Gus", OPS, await sender.card(), "alert.ack")
    assert "On it" not in await sender.words()


# --- incidents --------------------------------------------------------------------------------------------------------


async def test_declared_by_hand(sent: Monitoring) -> None:
    """However many people click, one incident, with the group's severity; the card says what it led to."""
    story = sent.story
    await sent.sends(firing("Checkout slow", since=START))
    card = await sent.card()
    for user in ("Ben", "Ada"):
        await story.does("click", user=user, channel=OPS, ts=card["ts"], action_id="alert.declare", times=2)
    await story.settle()
    assert await count(story, "incidents") == 1
    assert "|INC-1>" in (await sent.words()).partition("*Led to*\n")[2]
    assert "alert.declare" not in elements(await sent.card())
    room = await story.channel("inc-1-checkout-slow")
    assert "P1 High" in shown(await story.card(room["id"]))
    assert "|ALR-1> fires" in shown(await story.card(room["id"])).partition("Alert: <http")[2]


async def test_declared_by_itself(sent: Monitoring) -> None:
    """`on_alert: declare` declares once while the group is open; later alerts and its end stand in the timeline."""
    story = sent.story
    alerts = [firing("APIDown", since=START, severity="critical", host=host) for host in ("a", "b")]
    await sent.sends(alerts[0])
    await sent.sends(*alerts)
    assert await count(story, "incidents") == 1
    room = (await story.channel("inc-1-apidown"))["id"]
    assert "P0 Critical" in shown(await story.card(room))
    story.clock.advance(minutes=3)
    await sent.sends(*[over(alert, story.clock.now()) for alert in alerts])
    text = await story.reads("Ada", "/incident timeline INC-1")
    assert "1 more alert fires in ALR-1, APIDown: 2 now" in text
    assert "ALR-1, APIDown, is resolved after 3 min" in text


async def test_it_fires_again_while_its_incident_is_open(sent: Monitoring) -> None:
    """A new group of the same key joins the incident that is still worked on; after its end there is a new one."""
    story = sent.story

    async def episode() -> None:
        alert = firing("APIDown", since=story.clock.now(), severity="critical")
        await sent.sends(alert)
        story.clock.advance(minutes=6)
        await sent.sends(over(alert, story.clock.now()))

    await episode()
    await episode()
    assert await count(story, "incidents") == 1
    assert "ALR-2, APIDown, belongs to it" in await story.reads("Ada", "/incident timeline INC-1")
    await story.types("Ada", "/incident resolve INC-1 restarted")
    await episode()
    assert await count(story, "incidents") == 2


async def test_an_incident_whose_alert_fires_does_not_close(sent: Monitoring) -> None:
    """Resolved and unanswered it closes by itself only when no alert that belongs to it fires."""
    story, alert = sent.story, firing("APIDown", since=START, severity="critical")
    await sent.sends(alert)
    await story.types("Ada", "/incident resolve INC-1 restarted")
    await story.fast_forward(hours=2)
    assert "resolved" in await story.reads("Ada", "/incident show INC-1")
    await sent.sends(over(alert, story.clock.now()))
    await story.fast_forward(minutes=31)
    assert "*Status*\nclosed" in await story.reads("Ada", "/incident show INC-1")


async def test_whoever_is_on_the_one_is_on_the_other(sent: Monitoring) -> None:
    """Acknowledging the alert acknowledges its incident, and the other way round."""
    story = sent.story
    await sent.sends(firing("A", severity="critical"))
    await sent.sends(firing("B", severity="critical"))
    await story.types("Ben", "/incident ack ALR-1")
    assert "<@U0BEN> already acknowledged INC-1" in await story.types("Ada", "/incident ack INC-1")
    await story.types("Ben", "/incident ack INC-2")
    assert "*On it*\n<@U0BEN>" in await sent.words("ALR-2")


# --- why --------------------------------------------------------------------------------------------------------------


async def test_why(sender: Monitoring) -> None:
    """`/incident why ALR-1` says which route matched, what followed, and what was odd."""
    await sender.sends({**firing(), "startsAt": "yesterday"})
    text = await sender.story.types("Ada", "/incident why ALR-1")
    assert "*ALR-1 Slow*: P1 High of Default service, #ops-alerts." in text
    assert "• No route matched." in text
    assert "• The label severity says “high”, which is P1." in text
    assert "• Alerts with the same service=default, alertname=Slow are one group." in text
    assert "startsAt is not a time" in text
    assert "Name the alert" in await sender.story.types("Ada", "/incident why")


async def test_the_runbook_of_its_route(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Where the routing names a runbook its button opens the form; the route's channel and severity hold."""
    org = """
access: {execute: [everyone]}
routes:
  - {match: ['job="api"'], severity: P1, channel: api-alerts, runbook: practice}
"""
    folder = catalogue(tmp_path, org=org)
    async with told(sqlite_database, clock, catalogue=[folder]) as story, monitoring(story) as sender:
        await sender.sends(firing(severity="info", job="api"))
        assert await sender.cards() == []
        (card,) = [one for one in await story.messages("api-alerts") if "ALR-1" in shown(one)]
        assert "runbook.run" in elements(card)
        view = await story.opens_by_click("Ada", "api-alerts", card, "runbook.run")
        assert view["callback_id"] == "runbook.run"
