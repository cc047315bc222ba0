"""Silences with matchers, maintenance, and alerts that must keep arriving."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.catalogue.load import load
from bot.ports import Database
from bot.services.alerts import maintenance, silences
from bot.store.tables import alerts as alerts_tables, base as tables
from tests.support import escalations
from tests.support.alerts import OPS, Monitoring, elements, firing, monitoring, over
from tests.support.catalogues import catalogue
from tests.support.clock import START, HandClock
from tests.support.story import Story, shown, tidy, told

SHOP = """
service: shop
name: Shop
channels: {alerts: shop-alerts}
default_severity: P2
severities:
  - {key: P0, aliases: [critical], name: Critical, on_alert: declare, channel: true}
  - {key: P2, aliases: [warning], name: Warning, on_alert: card}
  - {key: P3, aliases: [info], name: Info, on_alert: log}
"""


@pytest.fixture
async def own_channel(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[Monitoring]:
    """With a service that has an alerts channel of its own."""
    folder = catalogue(tmp_path, shop=SHOP)
    async with told(sqlite_database, clock, catalogue=[folder]) as story, monitoring(story) as found:
        yield found
        assert story.violations() == []


async def count(story: Story, table: str) -> int:
    async with story.deps.database.reading() as tx:
        return int((await tx.execute(select(func.count()).select_from(tables.metadata.tables[table]))).scalar_one())


async def said(story: Story, name: str, channel: str = OPS) -> list[str]:
    """The lines in that channel that begin with this name."""
    return [tidy(one) for one in await story.by_the_bot(channel) if one.startswith(f"{name}:") or f"{name} was" in one]


# --- silences ---------------------------------------------------------------------------------------------------------


async def test_silenced_by_matchers(sent: Monitoring) -> None:
    """What is open falls silent, what opens stays away, what is not meant is told; at the end what fires is told."""
    story = sent.story
    await sent.sends(firing("Slow", host="a"))
    await sent.sends(firing("Other", host="a"))
    answer = tidy(await story.types("Ben", '/incident silence 2h alertname=~"Slow|Down" host="a" -- new disks'))
    assert answer == ('SIL-1 silences alertname=~"Slow|Down" host="a" until 20 Nov, 11:00 UTC. It silences ALR-1 now.')
    assert await said(story, "SIL-1") == [
        'SIL-1: <@U0BEN> silenced alertname=~"Slow|Down" host="a" until 20 Nov, 11:00 UTC. Reason: new disks'
    ]
    assert "Silenced until 20 Nov, 11:00 UTC by <@U0BEN> (SIL-1)." in tidy(await sent.words())
    assert "Silenced" not in await sent.words("ALR-2")

    await sent.sends(firing("Down", host="a", severity="critical"))
    assert await count(story, "incidents") == 0
    assert [name for name in ("ALR-1", "ALR-2", "ALR-3") if any(name in shown(one) for one in await sent.cards())] == [
        "ALR-1",
        "ALR-2",
    ]
    listed = tidy(await story.types("Ada", "/incident silence"))
    assert "*SIL-1*" in listed
    assert "by <@U0BEN>, until 20 Nov, 11:00 UTC, holds 2 groups of alerts. Reason: new disks" in listed

    await story.fast_forward(hours=2)
    assert "*ALR-3 Down*" in await sent.words("ALR-3")
    assert await count(story, "incidents") == 1
    assert "Silenced" not in await sent.words()
    assert await story.types("Ada", "/incident silence") == "No silence is in force."
    assert ("U0BEN", "silence.made") in await story.audited("SIL-1")


async def test_who_joins_and_is_not_meant_wakes(sent: Monitoring) -> None:
    """An alert that the silence does not mean wakes its whole group, whether it is silent for long or was just born."""
    story = sent.story
    await story.types("Ben", '/incident silence 2h alertname="Slow" host="a"')
    await sent.sends(firing("Slow", host="a"))
    assert await sent.cards() == [one for one in await sent.cards() if "SIL-1" in shown(one)]
    await sent.sends(firing("Slow", host="a"), firing("Slow", host="b"))
    assert "*Firing*\n2 alerts" in await sent.words()
    assert "Silenced" not in await sent.words()
    assert ("tocsin", "alert.unsilenced") in await story.audited("ALR-1")
    await story.types("Ben", '/incident silence 2h alertname="Down" host="a"')
    await sent.sends(firing("Down", host="a"), firing("Down", host="b"))
    assert "*ALR-2 Down*" in await sent.words("ALR-2")
    await story.fast_forward(hours=3)
    assert len([one for one in await sent.cards() if "ALR-" in shown(one)]) == 2


async def test_an_alert_that_becomes_another_matter(sender: Monitoring) -> None:
    """An alert that is silenced for its severity, and rises above it under the key it had, is silenced no longer."""
    await sender.story.types("Ben", '/incident silence 2h severity="warning"')
    alert = {**firing("Slow", severity="warning"), "fingerprint": "0123456789abcdef"}
    await sender.sends(alert)
    assert await count(sender.story, "incidents") == 0
    await sender.sends({**alert, "labels": {**alert["labels"], "severity": "critical"}})
    assert ("tocsin", "alert.unsilenced") in await sender.story.audited("ALR-1")
    assert await count(sender.story, "incidents") == 1


async def test_ended_early(sent: Monitoring) -> None:
    """Ending it wakes what fires still, and the channel hears of it; a second end is told that it is over."""
    story = sent.story
    await story.types("Ben", '/incident silence 2h service="default" severity="critical"')
    await sent.sends(firing("Down", severity="critical"))
    await sent.sends(firing("Gone", severity="critical", since=START))
    await sent.sends(over(firing("Gone", severity="critical", since=START), START + timedelta(minutes=1)))
    assert await count(story, "incidents") == 0
    assert await story.types("Ada", "/incident silence end sil-1") == "SIL-1 is over. Awake again: ALR-1."
    assert await count(story, "incidents") == 1
    assert "*ALR-1 Down*" in await sent.words()
    assert (await said(story, "SIL-1"))[-1].startswith("SIL-1 was ended by <@U0ADA>")
    assert await story.types("Ada", "/incident unsilence SIL-1") == "SIL-1 is over already."
    assert "There is no SIL-9." in await story.types("Ada", "/incident silence end SIL-9")
    assert "Name the silence" in await story.types("Ada", "/incident silence end")
    await story.fast_forward(hours=3)
    assert await count(story, "incidents") == 1


async def test_two_silences(sender: Monitoring) -> None:
    """The one that lasts longest holds a group; when it is ended, another that means the same alerts goes on."""
    story = sender.story
    await story.types("Ben", '/incident silence 3h alertname="Slow"')
    await story.types("Ada", '/incident silence 1h host="a"')
    await sender.sends(firing("Slow", host="a"))
    await story.types("Ben", "/incident silence end SIL-1")
    assert "1 group of alerts" in await story.types("Ada", "/incident silence")
    await story.fast_forward(minutes=61)
    assert "*ALR-1 Slow*" in await sender.words()


async def test_the_shorter_one_ends_first(sender: Monitoring) -> None:
    """A group that its card silenced for an hour goes on to be silent while a silence with matchers means it."""
    story = sender.story
    await sender.sends(firing("Slow", host="a"))
    await story.clicks("Ben", OPS, await sender.card(), "alert.silence", selected="15m")
    await story.types("Ben", '/incident silence 10m alertname="Slow"')
    assert "until 20 Nov, 09:15 UTC by <@U0BEN>." in tidy(await sender.words())
    await story.types("Ben", '/incident silence 30m alertname="Slow"')
    assert "until 20 Nov, 09:30 UTC by <@U0BEN> (SIL-2)." in tidy(await sender.words())
    await story.clicks("Ben", OPS, await sender.card(), "alert.silence", selected="15m")
    await story.fast_forward(minutes=16)
    assert "until 20 Nov, 09:30 UTC by <@U0BEN> (SIL-2)." in tidy(await sender.words())
    await story.fast_forward(minutes=15)
    assert "Silenced" not in await sender.words()


async def test_one_group_by_word_and_back(sent: Monitoring) -> None:
    """`silence ALR-1 1h` is the card's select; its button, or `unsilence`, takes it back for this group alone."""
    story = sent.story
    await sent.sends(firing())
    assert "ALR-1 is silent until" in await story.types("Ben", "/incident silence ALR-1 1h")
    assert "alert.unsilence" in elements(await sent.card())
    await story.clicks("Ada", OPS, await sent.card(), "alert.unsilence")
    assert "Silenced" not in await sent.words()
    assert "alert.unsilence" not in elements(await sent.card())
    await story.types("Ben", "/incident silence alr-1 morning")
    assert await story.types("Ada", "/incident unsilence ALR-1") == "ALR-1 is no longer silenced."
    assert await story.types("Ada", "/incident silence end ALR-1") == "ALR-1 was not silenced."
    assert "Say for how long" in await story.types("Ada", "/incident silence ALR-1")


async def test_a_silence_that_is_refused(tale: Story) -> None:
    """One that means everything makes no silence, and a sentence says why."""
    assert "That would silence every alert." in await tale.types("Ada", '/incident silence 2h alertname=~".*"')
    assert await count(tale, "silences") == 0


async def test_guests_silence_nothing(tale: Story) -> None:
    """It needs whatever responding needs."""
    for words in ('silence 2h alertname="Slow"', "maintenance default 2h"):
        await tale.types("Gus", f"/incident {words}")
    assert await count(tale, "silences") + await count(tale, "maintenance_windows") == 0


async def test_as_telephones_write(tale: Story) -> None:
    """Curly quotes and dashes are what they stand for; nothing that was typed becomes markup."""
    await tale.types("Ada", "/incident silence alertname=“Slow <!channel> *b*” 1h — <@U0BEN> _knows_")
    (line,) = await said(tale, "SIL-1")
    assert "<!channel" not in line
    assert "<@U0BEN>" not in line
    assert line.replace("\N{WORD JOINER}", "").endswith("Reason: &lt;@U0BEN&gt; _knows_")


async def test_many_groups_fall_silent(sender: Monitoring, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much for one transaction follows at once."""
    monkeypatch.setattr(silences, "AT_ONCE", 2)
    story = sender.story
    await sender.sends(*[firing(f"Slow{number}", host="a") for number in range(5)])
    answer = await story.types("Ben", '/incident silence 2h host="a"')
    assert "It silences ALR-1, ALR-2, ALR-3, ALR-4 and ALR-5 now." in answer
    assert "holds 5 groups of alerts" in await story.types("Ben", "/incident silence")
    await story.types("Ben", "/incident silence end SIL-1")
    for number in range(1, 6):
        assert ("U0BEN", "alert.unsilenced") in await story.audited(f"ALR-{number}")


# --- maintenance ------------------------------------------------------------------------------------------------------


async def test_maintenance(own_channel: Monitoring) -> None:
    """Alerts are kept and shown, nothing is declared; at the end what fires still is done; a line says both."""
    story = own_channel.story
    answer = tidy(await story.types("Ben", "/incident maintenance shop 2h new disks"))
    assert answer == "MNT-1: Shop is in maintenance until 20 Nov, 11:00 UTC. Nobody is paged meanwhile."
    alerts = [firing("Down", service="shop", severity="critical", host=host, since=START) for host in ("a", "b")]
    await own_channel.sends(*alerts)
    (card,) = [one for one in await story.by_the_bot("shop-alerts") if "ALR-1" in one]
    assert "Maintenance MNT-1 until 11:00 UTC: nobody is paged." in tidy(card)
    assert "*Firing*\n2 alerts" in card
    assert await count(story, "incidents") == 0
    assert "1 group of alerts fires." in await story.types("Ada", "/incident maintenance")
    await own_channel.sends(firing("Other", severity="critical"))
    assert await count(story, "incidents") == 1

    await story.fast_forward(hours=2)
    assert await count(story, "incidents") == 2
    (card,) = [one for one in await story.by_the_bot("shop-alerts") if "*ALR-1" in one]
    assert "Maintenance" not in card
    assert await said(story, "MNT-1", "shop-alerts") == [
        (
            "MNT-1: <@U0BEN> began maintenance of Shop, until 20 Nov, 11:00 UTC."
            " Alerts are shown, and nobody is paged. Reason: new disks"
        ),
        "MNT-1: maintenance of Shop is over. 1 group of alerts fires still.",
    ]
    assert await story.audited("MNT-1") == [("U0BEN", "maintenance.begun"), ("tocsin", "maintenance.ended")]


async def test_maintenance_moved_and_ended(sent: Monitoring) -> None:
    """Saying it again moves its end; ending it, by number or by service, wakes what fires; what is over stays kept."""
    story = sent.story
    await sent.sends(firing("Slow"))
    assert "1 group of alerts fires" in await story.types("Ben", "/incident maintenance on default 1h")
    assert "MNT-1 until 10:00 UTC" in tidy(await sent.words())
    assert "It was on already." in await story.types("Ben", "/incident maintenance default on 3h")
    await story.fast_forward(hours=2)
    assert "MNT-1 until 12:00 UTC" in tidy(await sent.words())
    await sent.sends(firing("Down", severity="critical"))
    assert await count(story, "incidents") == 0
    assert "MNT-1: maintenance of Default service is over." in await story.types(
        "Ada", "/incident maintenance end default"
    )
    assert await count(story, "incidents") == 1
    assert "Maintenance" not in await sent.words()
    assert await story.types("Ada", "/incident maintenance end MNT-1") == "MNT-1 is over already."
    assert "is not in maintenance" in await story.types("Ada", "/incident maintenance end default")
    assert "Nothing is in maintenance." in await story.types("Ada", "/incident maintenance")
    await story.fast_forward(hours=2)
    assert len(await said(story, "MNT-1")) == 3


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("end", "Say what ends"),
        ("end MNT-9", "There is no MNT-9."),
    ],
)
async def test_maintenance_that_is_refused(tale: Story, words: str, answer: str) -> None:
    """A sentence says what is missing."""
    assert answer in await tale.types("Ada", f"/incident maintenance {words}")
    assert await count(tale, "maintenance_windows") == 0


async def test_what_people_declare_meanwhile(tale: Story) -> None:
    """An incident of a person is an incident; its card says that maintenance is on, and no longer when it is over."""
    before = await tale.declared("P1 checkout is down")
    await tale.types("Ben", "/incident maintenance default 1h")
    after = await tale.declared("P1 search is down")
    for channel in (before, after):
        assert "Maintenance MNT-1 of Default service is on until 10:00 UTC." in tidy(shown(await tale.card(channel)))
    await tale.types("Ben", "/incident maintenance end MNT-1")
    for channel in (before, after):
        assert "Maintenance" not in shown(await tale.card(channel))


async def test_silenced_in_maintenance(sender: Monitoring) -> None:
    """Both must be over before anything is done."""
    story = sender.story
    await story.types("Ben", "/incident maintenance default 2h")
    await story.types("Ben", '/incident silence 1h alertname="Down"')
    await sender.sends(firing("Down", severity="critical"))
    assert not any("ALR-1" in shown(one) for one in await sender.cards())
    await story.fast_forward(minutes=61)
    assert "Maintenance MNT-1" in await sender.words()
    assert await count(story, "incidents") == 0
    await story.types("Ben", '/incident silence 2h alertname="Down"')
    await story.fast_forward(minutes=60)
    assert "Maintenance" not in await sender.words()
    assert await count(story, "incidents") == 0
    await story.fast_forward(minutes=61)
    assert await count(story, "incidents") == 1


async def test_many_groups_in_maintenance(sender: Monitoring, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much for one transaction follows at once."""
    monkeypatch.setattr(maintenance, "AT_ONCE", 2)
    story = sender.story
    await sender.sends(*[firing(f"Slow{number}") for number in range(5)])
    assert "5 groups of alerts fire" in await story.types("Ben", "/incident maintenance default 1h")
    assert "5 groups of alerts fire." in await story.types("Ben", "/incident maintenance")
    await story.types("Ben", "/incident maintenance end default")
    async with story.deps.database.reading() as tx:
        kept = (await tx.execute(select(alerts_tables.alert_groups.c.maintenance))).scalars().all()
    assert set(kept) == {None}


# --- alerts that must keep arriving -----------------------------------------------------------------------------------

WATCHED = """
routes:
  - {match: ['alertname="Watchdog"'], heartbeat: {every: 5m, severity: P0}}
group_by: [service, alertname, cluster]
"""
SILENT = "Watchdog is silent"


@pytest.fixture
async def watched(database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[Monitoring]:
    """With a route whose alert must keep arriving; on both databases."""
    folder = catalogue(tmp_path, org=WATCHED)
    async with told(database, clock, catalogue=[folder]) as story, monitoring(story) as found:
        yield found
        assert story.violations() == []


def watchdog(**labels: str) -> dict[str, Any]:
    return firing("Watchdog", severity="none", since=START, **labels)


async def test_it_arrives_and_nobody_is_told(watched: Monitoring) -> None:
    """As long as it arrives in time, however often, there is no card, no group and one timer."""
    for _ in range(4):
        await watched.sends(watchdog())
        await watched.story.fast_forward(minutes=4, seconds=59)
    assert await watched.cards() == []
    assert await count(watched.story, "alert_groups") == 0
    async with watched.story.deps.database.reading() as tx:
        last_at = (await tx.execute(select(alerts_tables.alerts.c.last_at))).scalar_one()
    assert last_at == START + timedelta(minutes=14, seconds=57)


async def test_it_is_silent_and_heard_again(watched: Monitoring) -> None:
    """Its absence is an alert of its own severity, once; the next arrival ends it, and another absence is another."""
    story = watched.story
    await watched.sends(watchdog())
    await story.fast_forward(minutes=5)
    text = await watched.words()
    assert f"*ALR-1 {SILENT}*" in text
    assert "P0 Critical" in text
    assert "Watchdog must arrive every 5 minutes." in text
    assert "*Since*\n20 Nov, 09:00 UTC" in tidy(text)
    assert await count(story, "incidents") == 1
    why = await story.types("Ada", "/incident why ALR-1")
    assert "It must keep arriving, and did not: that is P0 of default." in why
    await story.fast_forward(minutes=7)
    assert len(await watched.cards()) == 1

    await watched.sends(watchdog())
    assert f"~ALR-1 {SILENT}~\nHeard again after 12 min" in await watched.words()
    assert "is over: heard again after 12 min" in await story.reads("Ada", "/incident timeline INC-1")
    await story.fast_forward(minutes=4)
    await watched.sends(watchdog())
    await story.fast_forward(minutes=4)
    assert len(await watched.cards()) == 1
    await story.fast_forward(minutes=2)
    assert f"*ALR-2 {SILENT}*" in await watched.words("ALR-2")


async def test_each_cluster_is_watched(watched: Monitoring) -> None:
    """What has a group of its own has a watch of its own."""
    story = watched.story
    await watched.sends(watchdog(cluster="a"), watchdog(cluster="b"))
    await story.fast_forward(minutes=3)
    await watched.sends(watchdog(cluster="b"), firing("Other"))
    await story.fast_forward(minutes=2)
    assert await count(story, "alert_groups") == 2
    assert "cluster=a" in await watched.words("ALR-2")
    assert "service=default, cluster=a, alertname" in await story.types("Ada", "/incident why ALR-2")
    assert f"*ALR-2 {SILENT}*" in await watched.words("ALR-2")
    await story.fast_forward(minutes=3)
    assert f"*ALR-3 {SILENT}*" in await watched.words("ALR-3")


async def test_resolved_by_hand_it_is_silent_no_more(watched: Monitoring) -> None:
    """Who says that it is over is not told again before it has been heard once more."""
    story = watched.story
    await watched.sends(watchdog())
    await story.fast_forward(minutes=6)
    await story.clicks("Ben", OPS, await watched.card(), "alert.resolve")
    await story.fast_forward(hours=1)
    assert len([one for one in await watched.cards() if SILENT in shown(one)]) == 1
    await watched.sends(watchdog())
    await story.fast_forward(minutes=5)
    assert f"*ALR-2 {SILENT}*" in await watched.words("ALR-2")


async def test_after_a_stop_it_has_all_of_its_time_again(watched: Monitoring) -> None:
    """While no worker was there nobody could be heard: it is counted from the start, once, and then it is told."""
    story = watched.story
    await watched.sends(watchdog())
    story.clock.advance(minutes=20)
    await story.worker.recover()
    await story.settle()
    assert await watched.cards() == []
    await story.fast_forward(minutes=4)
    await story.worker.recover()
    await story.fast_forward(seconds=59)
    assert await watched.cards() == []
    story.clock.advance(minutes=1)
    await story.worker.recover()
    await story.settle()
    assert SILENT in await watched.words()


async def test_a_short_stop_changes_nothing(watched: Monitoring) -> None:
    """A restart of seconds gives nobody more time."""
    story = watched.story
    await watched.sends(watchdog())
    await story.fast_forward(minutes=4)
    story.clock.advance(seconds=10)
    await story.worker.recover()
    await story.fast_forward(seconds=50)
    assert SILENT in await watched.words()


async def test_what_came_and_is_not_worked_yet_counts(watched: Monitoring) -> None:
    """A message that waits to be worked when the time is over was in time."""
    story = watched.story
    await watched.sends(watchdog())
    story.clock.advance(minutes=4, seconds=59)
    await watched.posts({"version": "4", "alerts": [watchdog()]})
    story.clock.advance(minutes=1)
    await story.settle()
    await story.fast_forward(seconds=60)
    assert await watched.cards() == []


async def test_a_route_that_left_the_catalogue(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its watch ends, said in the log; what still fires is an alert like any other."""
    (tmp_path / "with").mkdir()
    with_route = load([catalogue(tmp_path / "with", org=WATCHED)]).catalogue
    async with told(sqlite_database, clock) as story, monitoring(story) as sender:
        without, current_catalogue = story.deps.catalogue, story.deps.current_catalogue
        assert with_route is not None
        current_catalogue.current = with_route
        await sender.sends(watchdog())
        current_catalogue.current = without
        await story.fast_forward(minutes=6)
        assert await count(story, "heartbeats") == 0
        assert "heartbeat.ended" in capsys.readouterr().out
        assert await sender.cards() == []
        await sender.sends(watchdog())
        assert "*ALR-1 Watchdog*" in await sender.words()


async def test_an_absence_in_maintenance(watched: Monitoring) -> None:
    """It stays on its card like any other alert, and pages nobody before the end."""
    story = watched.story
    await watched.sends(watchdog())
    await story.types("Ben", "/incident maintenance default 1h")
    await story.fast_forward(minutes=6)
    assert "Maintenance MNT-1" in await watched.words()
    assert await count(story, "incidents") == 0
    await story.fast_forward(minutes=55)
    assert await count(story, "incidents") == 1


async def test_an_absence_that_is_silenced(watched: Monitoring) -> None:
    """It goes by its own name, and by its own severity."""
    story = watched.story
    await story.types("Ben", f'/incident silence 1h alertname="{SILENT}" severity="critical"')
    await watched.sends(watchdog())
    await story.fast_forward(minutes=6)
    assert SILENT not in "".join(shown(one) for one in await watched.cards() if "SIL-1" not in shown(one))
    await story.types("Ben", "/incident silence end SIL-1")
    assert "Silenced" not in await watched.words()
    assert "silences ALR-1 now" in await story.types("Ben", '/incident silence 1h severity="P0" service="default"')


# --- escalation policies ----------------------------------------------------------------------------------------------


async def test_escalation_waits_until_it_is_quiet_no_more(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """An escalation under way ends with the begin of maintenance or of a silence, and begins again when
    that is over.
    """
    async with escalations.opened(database, clock, tmp_path) as own_channel:
        story = own_channel.story
        await own_channel.fires("Slow", severity="high")
        await story.types("Ben", "/incident maintenance shop 1h")
        await own_channel.at(30)
        assert own_channel.mailed("boss@example.com") == []
        await story.types("Ben", "/incident ack ALR-1")
        await story.clicks("Ben", OPS, await own_channel.card(), "alert.unack")
        await own_channel.at(59)
        assert await own_channel.thread() == []
        await own_channel.at(64)
        assert await own_channel.thread() == []
        await own_channel.at(65, seconds=5)
        assert len(await own_channel.thread()) == 1
        await story.types("Ben", '/incident silence 1h alertname="Slow"')
        await own_channel.at(124)
        assert len(await own_channel.thread()) == 1
        await story.types("Ben", "/incident silence end SIL-1")
        await own_channel.at(128)
        assert len(await own_channel.thread()) == 1
        await own_channel.at(129, seconds=30)
        assert len(await own_channel.thread()) == 2
        reasons = [why for _, why in await story.audited("ALR-1") if why.startswith("escalation.")]
        assert reasons.count("escalation.begun") == 3
        assert reasons.count("escalation.ended") == 2


async def test_an_absence_pages_by_its_escalation_policy(
    sqlite_database: Database, clock: HandClock, tmp_path: Path
) -> None:
    """What must keep arriving and does not follows the escalation policy of its severity, and ends with the next
    arrival.
    """
    org = """
default_service: shop
teams: {management: [U0DAN]}
routes: [{match: ['alertname="Watchdog"'], heartbeat: {every: 5m, severity: critical}}]
"""
    async with escalations.opened(sqlite_database, clock, tmp_path, org=org) as own_channel:
        await own_channel.sends(watchdog())
        await own_channel.at(6)
        assert len(own_channel.mailed("ops@example.com")) >= 1
        assert own_channel.mailed("boss@example.com") == []
        await own_channel.at(36)
        assert len(own_channel.mailed("boss@example.com")) == 1
        await own_channel.sends(watchdog())
        assert "Heard again after 36 min" in await own_channel.words()
