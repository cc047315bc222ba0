"""Escalation policies followed: who is told when, until somebody is on it, and what reports itself when a step does not
come.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from bot.catalogue.load import load
from bot.domain.people.person import Actor, Person
from bot.ports import Database
from bot.services.alerts import operations as alert_operations
from bot.services.escalation import progress as escalations
from bot.services.incidents import lifecycle as incidents, resolution
from bot.services.response import page_and_escalate
from bot.services.subjects import Subject
from bot.store.tables.audit import audit_log
from bot.store.tables.queue import timers
from tests.support.alerts import over
from tests.support.catalogues import catalogue
from tests.support.clock import START, HandClock
from tests.support.escalations import ORG, SHOP, Shop, opened, pager_of, pagerduty, restarted
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.story import tidy, worker_of


@pytest.fixture
async def duty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PagerDutyStandIn]:
    async with pagerduty(tmp_path, monkeypatch) as stand_in:
        yield stand_in


@pytest.fixture
async def escalating(
    database: Database, clock: HandClock, tmp_path: Path, duty: PagerDutyStandIn
) -> AsyncIterator[Shop]:
    """On one of the two databases."""
    pager = pager_of(duty)
    async with opened(database, clock, tmp_path, pager=pager) as made:
        yield made
    pager.close()


@pytest.fixture
async def escalating_on_sqlite(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[Shop]:
    """Where the database makes no difference, and nobody is paged."""
    async with opened(sqlite_database, clock, tmp_path) as made:
        yield made


def pages(duty: PagerDutyStandIn) -> list[str]:
    """What people were woken for, however PagerDuty was told."""
    triggered = [event["payload"]["summary"] for event in duty.events if event["event_action"] == "trigger"]
    return triggered + [one["title"] for one in duty.incidents.values() if "title" in one]


async def noted(escalating: Shop, action: str) -> list[dict[str, Any]]:
    async with escalating.story.deps.database.reading() as tx:
        rows = await tx.execute(select(audit_log.c.detail).where(audit_log.c.action == action).order_by(audit_log.c.id))
        return [dict(row.detail) for row in rows]


async def click(escalating: Shop, action: str, user: str = "Ada", name: str = "ALR-1") -> None:
    await escalating.story.clicks(user, "ops-alerts", await escalating.card(name), action)


# --- step by step -----------------------------------------------------------------------------------------------------


async def test_nobody_answers(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """At once in Slack and by e-mail, a page after 15 minutes, management after 30, and after two hours once more."""
    await escalating.fires()
    (first,) = await escalating.thread()
    assert first.startswith("ALR-1 APIDown fires: P0 Critical of Shop. Nobody is on it yet. Ops gets an e-mail now.")
    assert re.search(
        r"Acknowledge with the button on <http\S+/archives/\S+\|its card> or `/incident ack ALR-1`\.", first
    )
    assert "At 09:15 UTC the person on call is paged, unless it is acknowledged by then." in first
    assert escalating.mailed("ops@example.com") == ["[ALR-1] APIDown fires: P0 Critical of Shop"]
    assert "Next: at 09:15 UTC page the person on call, unless acknowledged." in await escalating.card_says()
    await escalating.at(14, 59)
    assert pages(duty) == []
    await escalating.at(15)
    assert pages(duty) == ["Nobody has acknowledged ALR-1 APIDown for 15 min"]
    assert "Next: at 09:30 UTC e-mail management, unless acknowledged." in await escalating.card_says()
    await escalating.at(30)
    assert escalating.mailed("boss@example.com") == ["[ALR-1] Nobody has acknowledged APIDown for 30 min"]
    await escalating.at(120)
    (direct_message,) = await escalating.story.direct("U0DAN")
    assert direct_message.startswith("ALR-1 APIDown is not resolved after 2 h. Nobody is on it yet.")
    assert direct_message.endswith("That was the last step of its escalation policy.")
    assert set(await escalating.promised()) == {"met"}
    assert "Next:" not in await escalating.card_says()
    await escalating.audits()
    assert escalating.story.alarm.heard == []


async def test_acknowledged_in_time(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """Somebody acknowledges at 14:59: nobody is paged, and of two hours management hears all the same."""
    await escalating.fires()
    await escalating.at(14, 59)
    await click(escalating, "alert.ack")
    assert "Next: at 11:00 UTC message <@U0DAN>, unless resolved." in await escalating.card_says()
    await escalating.story.fast_forward(minutes=100)
    assert (pages(duty), escalating.mailed("boss@example.com")) == ([], [])
    assert await escalating.promised() == ["met", "met", "cancelled", "cancelled", "open"]
    skipped = await noted(escalating, "escalation.skipped")
    assert [(one["step"], one["why"]) for one in skipped] == [(2, "ALR-1 is acknowledged by now."),
                                                              (3, "ALR-1 is acknowledged by now.")]  # fmt: skip
    await escalating.story.fast_forward(minutes=10)
    (direct_message,) = await escalating.story.direct("U0DAN")
    assert "<@U0ADA> is on it." in direct_message
    await escalating.audits()
    assert escalating.story.alarm.heard == []


@pytest.mark.parametrize("way", ["/incident ack ALR-1", "/incident ack INC-1", "/incident role INC-1 commander"])
async def test_acknowledged_anywhere(escalating_on_sqlite: Shop, way: str) -> None:
    """By a command, on the alert or on its incident, or by leading it: it stops everywhere, and both cards say who."""
    await escalating_on_sqlite.fires()
    await escalating_on_sqlite.story.types("Ben", way)
    assert "<@U0BEN>" in await escalating_on_sqlite.card_says()
    assert "commander" in way or "<@U0BEN> acknowledged" in tidy(
        str(await escalating_on_sqlite.story.card("incidents"))
    )
    await escalating_on_sqlite.story.fast_forward(minutes=40)
    assert escalating_on_sqlite.mailed("boss@example.com") == []


async def test_taken_back(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """Who takes the acknowledgement back sets the escalation policy to its first step, and its incident has nobody
    either.
    """
    await escalating.fires()
    await escalating.story.fast_forward(minutes=10)
    await click(escalating, "alert.ack")
    await escalating.story.fast_forward(minutes=10)
    await click(escalating, "alert.unack")
    (_, again) = await escalating.thread()
    assert again.startswith("ALR-1 APIDown fires still: P0 Critical of Shop. Nobody is on it yet.")
    assert "Next: at 09:35 UTC page the person on call" in await escalating.card_says()
    assert "nobody yet" in tidy(str(await escalating.story.card("incidents")))
    await escalating.story.fast_forward(minutes=14, seconds=59)
    assert pages(duty) == []
    await escalating.story.fast_forward(seconds=1)
    assert len(pages(duty)) == 1


async def test_resolved(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """What is over wakes nobody, and nothing more of it is promised."""
    alert = await escalating.fires(severity="high")
    await escalating.story.fast_forward(minutes=3)
    await escalating.sends(over(alert, escalating.story.clock.now()))
    await escalating.story.fast_forward(hours=2)
    assert await escalating.thread() == []
    assert set(await escalating.promised()) == {"cancelled"}


async def test_an_alert_that_ends_before_its_incident(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """Nobody is paged for an alert that has ended; that its incident lasts over two hours management hears."""
    alert = await escalating.fires()
    await escalating.story.fast_forward(minutes=5)
    await escalating.sends(over(alert, escalating.story.clock.now()))
    await escalating.story.fast_forward(minutes=114)
    assert (pages(duty), await escalating.story.direct("U0DAN")) == ([], [])
    await escalating.story.fast_forward(minutes=1)
    assert len(await escalating.story.direct("U0DAN")) == 1


async def test_a_resolved_incident_ends_its_alerts_escalation(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """Who resolves the incident has dealt with the alert, though it fires still."""
    await escalating.fires()
    await escalating.story.fast_forward(minutes=5)
    await escalating.story.types("Ada", "/incident resolve INC-1 rolled back")
    await escalating.story.fast_forward(hours=3)
    assert (pages(duty), await escalating.story.direct("U0DAN")) == ([], [])


async def test_one_incident_is_told_of_once(escalating_on_sqlite: Shop) -> None:
    """An alert that ends and fires again joins its incident: of two hours management hears once."""
    alert = await escalating_on_sqlite.fires()
    await escalating_on_sqlite.story.fast_forward(minutes=10)
    await escalating_on_sqlite.sends(over(alert, escalating_on_sqlite.story.clock.now()))
    await escalating_on_sqlite.story.fast_forward(minutes=10)
    await escalating_on_sqlite.fires()
    await escalating_on_sqlite.story.fast_forward(hours=4)
    assert len(await escalating_on_sqlite.story.direct("U0DAN")) == 1
    assert any(
        "ALR-1 has told them of INC-1" in one["why"] for one in await noted(escalating_on_sqlite, "escalation.skipped")
    )


async def test_repeat_and_assigned(escalating_on_sqlite: Shop) -> None:
    """An escalation policy that repeats comes round once more; who acknowledged an alert without an incident is
    assigned to it.
    """
    await escalating_on_sqlite.fires("Slow", "high")
    await escalating_on_sqlite.story.fast_forward(minutes=30)
    assert (len(await escalating_on_sqlite.thread()), len(await escalating_on_sqlite.story.direct("U0DAN"))) == (2, 1)
    assert "Nobody has acknowledged ALR-1 Slow for 25 min." in (await escalating_on_sqlite.thread())[1]
    await escalating_on_sqlite.story.types("Ada", "/incident ack ALR-1")
    await escalating_on_sqlite.story.fast_forward(hours=2)
    assert (len(await escalating_on_sqlite.thread()), len(await escalating_on_sqlite.story.direct("U0DAN"))) == (2, 1)


async def test_who_is_told_now(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """The message in the thread names who is paged at that moment, and what comes next."""
    both = SHOP.replace('notify: ["page:oncall"]', 'notify: ["slack:#ops-alerts", "page:oncall", "dm:U0DAN"]')
    async with opened(sqlite_database, clock, tmp_path, shop=both) as escalating:
        await escalating.fires()
        await escalating.at(15, 5)
        assert re.sub(r"<http[^|]+\|([^>]+)>", r"\1", (await escalating.thread())[1]) == (
            "Nobody has acknowledged ALR-1 APIDown for 15 min. <@U0BEN> is paged and <@U0DAN> gets a message now. "
            "Acknowledge with the button on its card or `/incident ack ALR-1`. "
            "At 09:30 UTC management gets an e-mail, unless it is acknowledged by then."
        )


async def test_business_hours(escalating_on_sqlite: Shop) -> None:
    """A step for business hours waits over the weekend, and the card says until when."""
    await escalating_on_sqlite.story.fast_forward(hours=9)  # Friday, 18:00 UTC
    await escalating_on_sqlite.fires("Disk", "warning")
    assert "Next: at 08:00 UTC post in #ops-alerts, unless acknowledged." in await escalating_on_sqlite.card_says()
    await escalating_on_sqlite.story.fast_forward(hours=61)
    assert await escalating_on_sqlite.thread() == []
    await escalating_on_sqlite.story.fast_forward(hours=1)
    assert len(await escalating_on_sqlite.thread()) == 1


async def test_severity_rises(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """An alert that becomes worse follows the worse escalation policy from now on, and the other one no more."""
    await escalating.fires("Slow", "high")
    await escalating.story.fast_forward(minutes=10)
    await escalating.fires("Slow", "critical", host="b")
    assert "Next: at 09:25 UTC page the person on call" in await escalating.card_says()
    await escalating.story.fast_forward(minutes=15)
    assert (len(pages(duty)), await escalating.story.direct("U0DAN")) == (1, [])


# --- quiet ------------------------------------------------------------------------------------------------------------


async def test_silenced(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """While it is silent nothing goes out; what fires still afterwards escalates from the first step, with T+0
    then.
    """
    await escalating.fires()
    await escalating.story.fast_forward(minutes=10)
    await escalating.story.clicks(
        "Ada", "ops-alerts", await escalating.card(), "alert.silence", value="1h", selected="1h"
    )
    assert "Next:" not in await escalating.card_says()
    await escalating.story.fast_forward(minutes=59)
    assert pages(duty) == []
    await escalating.story.fast_forward(minutes=1)
    (_, again) = await escalating.thread()
    assert again.startswith("ALR-1 APIDown fires still: P0 Critical of Shop. Nobody is on it yet.")
    await escalating.story.fast_forward(minutes=14, seconds=59)
    assert pages(duty) == []
    await escalating.story.fast_forward(seconds=1)
    assert len(pages(duty)) == 1


# --- by hand ----------------------------------------------------------------------------------------------------------


async def test_escalated(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """The next level goes out now, and the others follow at their distance; the answer says whom it reaches."""
    await escalating.fires()
    await escalating.story.fast_forward(minutes=2)
    answer = tidy(await escalating.story.types("Ben", "/incident escalate ALR-1"))
    assert answer == (
        "Escalated ALR-1: the person on call is paged now. "
        "At 09:17 UTC management gets an e-mail, unless it is acknowledged by then."
    )
    assert pages(duty) == ["ben escalated ALR-1 APIDown"]
    assert "escalated ALR-1" in await escalating.story.reads("Ada", "/incident timeline INC-1")
    await escalating.story.fast_forward(minutes=14)
    assert escalating.mailed("boss@example.com") == []
    await escalating.story.types("Ben", "/incident escalate INC-1")
    assert escalating.mailed("boss@example.com") == ["[ALR-1] ben escalated APIDown"]
    assert len(pages(duty)) == 1
    await escalating.audits()
    assert escalating.story.alarm.heard == []


async def test_escalated_by_who_is_on_it(escalating: Shop) -> None:
    """Who acknowledged and escalates reads that the later levels rest, not that there are none."""
    await escalating.fires("Slow", "high")
    await click(escalating, "alert.ack", "Ben")
    answer = await escalating.story.types("Ben", "/incident escalate ALR-1")
    assert answer == "Escalated ALR-1: #ops-alerts reads of it now. The steps after it rest while somebody is on it."
    assert (await escalating.thread())[-1].endswith(
        "<@U0BEN> is on it. The steps after it rest while somebody is on it."
    )


async def test_nothing_above(escalating_on_sqlite: Shop) -> None:
    """Where there is no escalation policy, no level above, or nothing left, a sentence says what to do instead."""
    await escalating_on_sqlite.fires("Chatter", "low")
    answer = await escalating_on_sqlite.story.types("Ada", "/incident escalate ALR-1")
    assert answer == "ALR-1 has no escalation policy. Page somebody by name: `/incident page ALR-1 @person`."
    alert = await escalating_on_sqlite.fires("Disk", "warning")
    await escalating_on_sqlite.story.types("Ada", "/incident escalate ALR-2")
    answer = await escalating_on_sqlite.story.types("Ada", "/incident escalate ALR-2")
    assert answer == "The escalation policy “calm” has no step above this one. Page somebody by name."
    await escalating_on_sqlite.sends(over(alert, escalating_on_sqlite.story.clock.now()))
    answer = await escalating_on_sqlite.story.types("Ada", "/incident escalate ALR-2")
    assert answer == "ALR-2 is resolved, so nobody else is told of it."
    assert "Did you mean `/incident escalate`" in await escalating_on_sqlite.story.types(
        "Ada", "/incident escallate ALR-2"
    )


async def test_paged_by_hand(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """A person, a service, a contact, or nobody by name: each is woken with the words that were typed."""
    room = await escalating.story.declared("P2 shop checkout is slow")
    said = await escalating.story.types("Ada", "/incident page <@U0BEN> please look at the cache", room)
    assert said == "Paging <@U0BEN> for INC-1. What becomes of it is said beside INC-1."
    said = await escalating.story.types("Ada", "/incident page shop", room)
    assert said.startswith("Paging <@U0BEN> (on call for Shop) for INC-1.")
    said = await escalating.story.types("Ada", "/incident page INC-1 production the disk is full")
    assert said.startswith("Paging production for INC-1.")
    assert pages(duty) == ["INC-1 checkout is slow: ada asks for you"] * 3
    text = await escalating.story.reads("Ada", "/incident timeline", room)
    assert "paged ben: please look at the cache" in text
    assert "paged production: the disk is full" in text
    assert [one["who"] for one in await noted(escalating, "page.by_hand")] == [["U0BEN"], ["oncall"], ["production"]]


async def test_a_slip_in_whom_to_page(escalating_on_sqlite: Shop) -> None:
    """The nearest word is offered, and nobody is woken meanwhile."""
    room = await escalating_on_sqlite.story.declared("P2 shop checkout is slow")
    said = await escalating_on_sqlite.story.types("Ada", "/incident page prodution", room)
    assert said == "There is no service or contact “prodution”. Did you mean “production”?"
    said = await escalating_on_sqlite.story.types("Ada", "/incident page @strangername", room)
    assert "Write them as a mention" in said
    assert "Which one? Name it first" in await escalating_on_sqlite.story.types("Ada", "/incident page")
    assert await noted(escalating_on_sqlite, "page.by_hand") == []


async def test_paged_without_pagerduty(escalating_on_sqlite: Shop) -> None:
    """Where PagerDuty is not set up people are told by message and e-mail, and the answer says so."""
    room = await escalating_on_sqlite.story.declared("P2 shop checkout is slow")
    said = await escalating_on_sqlite.story.types("Ada", "/incident page <@U0BEN>", room)
    assert said == (
        "PagerDuty is not set up here, so for INC-1 a direct message and, where an address is known, an e-mail "
        "go to <@U0BEN>."
    )
    assert any("You are paged" in text for text in await escalating_on_sqlite.story.direct("U0BEN"))
    assert escalating_on_sqlite.mailed("ben@example.com") != []


async def test_mentions_take_the_same_words(escalating_on_sqlite: Shop) -> None:
    """In a thread the bot is mentioned with the same verbs."""
    await escalating_on_sqlite.fires()
    card = await escalating_on_sqlite.card()
    await escalating_on_sqlite.story.says("U0ADA", "<@U0TOCSIN> escalate ALR-1", "ops-alerts", card["ts"])
    assert any(
        "escalated ALR-1" in one
        for one in [*await escalating_on_sqlite.story.direct("U0BEN"), *escalating_on_sqlite.mailed("ben@example.com")]
    )


# --- incidents --------------------------------------------------------------------------------------------------------


async def test_an_incident_by_hand(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """It follows its severity's escalation policy; another severity begins another one; a commander and the end
    stop it.
    """
    room = await escalating.story.declared("P0 shop checkout is down")
    assert escalating.mailed("ops@example.com") == ["[INC-1] checkout is down is declared: P0 Critical of Shop"]
    assert "Next: at 09:15 UTC page the person on call" in tidy(str(await escalating.story.card(room)))
    await escalating.story.fast_forward(minutes=15)
    assert pages(duty) == ["Nobody has acknowledged INC-1 checkout is down for 15 min"]
    await escalating.story.types("Ada", "/incident severity P1", room)
    assert "Next: at 09:20 UTC post in #ops-alerts" in tidy(str(await escalating.story.card(room)))
    await escalating.story.fast_forward(minutes=5)
    assert any("Nobody has acknowledged INC-1" in text for text in await escalating.story.by_the_bot("ops-alerts"))
    await escalating.story.types("Ada", "/incident ack", room)
    await escalating.story.fast_forward(minutes=10)
    (direct_message,) = await escalating.story.direct("U0DAN")
    assert direct_message.startswith("Nobody leads INC-1 checkout is down after 15 min.")
    await escalating.story.types("Ada", "/incident role commander", room)
    await escalating.story.fast_forward(hours=1)
    assert len(await escalating.story.direct("U0DAN")) == 1
    await escalating.audits()
    assert escalating.story.alarm.heard == []


async def test_reopened(escalating_on_sqlite: Shop) -> None:
    """A resolved incident tells nobody; reopened, what lasts is counted from then."""
    room = await escalating_on_sqlite.story.declared("P0 shop checkout is down")
    await escalating_on_sqlite.story.fast_forward(minutes=5)
    await escalating_on_sqlite.story.types("Ada", "/incident resolve fixed", room)
    await escalating_on_sqlite.story.fast_forward(minutes=10)
    await escalating_on_sqlite.story.types("Ada", "/incident reopen", room)
    await escalating_on_sqlite.story.fast_forward(minutes=119)
    assert await escalating_on_sqlite.story.direct("U0DAN") == []
    assert escalating_on_sqlite.mailed("boss@example.com") == []
    await escalating_on_sqlite.story.fast_forward(minutes=1)
    assert len(await escalating_on_sqlite.story.direct("U0DAN")) == 1


async def test_a_worse_incident_takes_over_from_its_alert(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """Who makes an alert's incident worse sets it on the worse escalation policy; its alert's own is followed no
    more.
    """
    await escalating.fires("Slow", "high")
    await click(escalating, "alert.declare")
    await escalating.story.types("Ada", "/incident severity INC-1 P0")
    await escalating.story.fast_forward(minutes=15)
    assert pages(duty) == ["Nobody has acknowledged INC-1 Slow for 15 min"]
    assert await escalating.story.direct("U0DAN") == []


async def test_private(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """Of a private incident people hear without its title, and channels and contacts nothing."""
    await escalating.story.declared("private P0 shop the secret is out")
    await escalating.story.fast_forward(hours=2)
    assert escalating.mail.received == []
    assert not [text for text in await escalating.story.by_the_bot("ops-alerts") if "INC-1" in text]
    (direct_message,) = await escalating.story.direct("U0DAN")
    assert direct_message.startswith("INC-1 is not resolved after 2 h.")
    assert "It is private: ask <@U0ADA> to let you in." in direct_message
    assert "secret" not in direct_message + str(duty.events) + str(duty.incidents)
    await escalating.audits()
    assert escalating.story.alarm.heard == []
    answer = await escalating.story.types("Ada", "/incident page INC-1 production")
    assert answer.startswith("INC-1 is private: page people, not a contact outside.")


async def test_a_missed_step_of_a_private_incident(escalating: Shop) -> None:
    """Of a step that did not go out only the operators' second channel reads where the incident is private."""
    await escalating.story.declared("private P0 shop the secret is out")
    for position in range(6):
        await lease_lost(escalating, position)
    await escalating.story.fast_forward(hours=3)
    await escalating.audits()
    assert any("INC-1: step" in sentence for sentence in escalating.story.alarm.heard)
    assert escalating.mail.received == []
    assert not [text for text in await escalating.story.by_the_bot("ops-alerts") if "INC-1" in text]


async def test_a_drill(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """A drill says so in every message, and PagerDuty hears nothing of it."""
    room = await escalating.story.declared("drill P0 shop checkout is down")
    await escalating.story.fast_forward(minutes=30)
    assert pages(duty) == []
    assert escalating.mailed("boss@example.com") == [
        "[Drill] [INC-1] Nobody has acknowledged checkout is down for 30 min"
    ]
    assert any("This is a drill: now the person on call would be paged." in text
               for text in await escalating.story.by_the_bot(room))  # fmt: skip
    await escalating.audits()
    assert escalating.story.alarm.heard == []


# --- whatever happens -------------------------------------------------------------------------------------------------


async def lease_lost(escalating: Shop, position: int) -> None:
    """Somebody deletes the timer's row of that step by hand."""
    async with escalating.story.deps.database.transaction() as tx:
        await tx.execute(delete(timers).where(timers.c.dedupe_key.like(f"{escalations.STEP}:%:{position}")))


async def test_a_removed_timer_reports_itself(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """The page does not come, and within its grace that is said: by the second channel, by e-mail and among the
    alerts, once.
    """
    async with opened(database, clock, tmp_path) as escalating:
        await escalating.fires()
        await lease_lost(escalating, 1)
        await escalating.at(16)
        await escalating.audits()
        assert escalating.story.alarm.heard == []
        await escalating.at(16, 1)
        for _ in range(3):
            await escalating.audits()
        said = "ALR-1: step 2 of the escalation policy “critical” (page oncall)"
        said += " was due at 2026-11-20 09:15 UTC and did not go out."
        assert escalating.story.alarm.heard == [said]
        assert [one for one in await escalating.story.by_the_bot("ops-alerts") if one == said] == [said]
        assert escalating.mailed("ops@example.com")[1:] == [
            "[ALR-1] A step of the escalation policy “critical” did not go out"
        ]
        assert escalating.mailed("boss@example.com") == [
            "[ALR-1] A step of the escalation policy “critical” did not go out"
        ]
        assert len(await noted(escalating, "commitment.missed")) == 1
        assert "It did not go out in time." in await escalating.story.types("Ada", "/incident why ALR-1")


async def test_started_anew_between_two_steps(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """A worker that was away for the moment of a step takes it up late, once."""
    await escalating.fires()
    escalating.story.clock.advance(minutes=16)
    await restarted(escalating.story)
    await restarted(escalating.story)
    assert len(pages(duty)) == 1
    await escalating.story.fast_forward(minutes=20)
    assert len(pages(duty)) == 1
    assert len(escalating.mailed("boss@example.com")) == 1


async def test_acknowledged_while_the_page_waits(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """PagerDuty is away when the page is due; once somebody has acknowledged, it no longer leaves."""
    await escalating.fires()
    for _ in range(200):
        duty.answers(503)
    await escalating.story.fast_forward(minutes=15, seconds=5)
    assert duty.requests != []
    answer = await escalating.story.types("Ada", "/incident ack ALR-1")
    assert answer.startswith("You acknowledged ALR-1.")
    duty._bad_days.clear()
    await escalating.story.fast_forward(minutes=30)
    assert pages(duty) == []


@pytest.mark.both_databases
async def test_everything_at_one_moment(escalating: Shop, duty: PagerDutyStandIn) -> None:
    """Steps come due, people acknowledge, resolve and change incidents, all at once: nobody is told an error, nothing
    is lost, and each page is one at most.
    """
    alerts = [await escalating.fires(f"Rule{number}") for number in range(1, 9)]
    await escalating.at(14, 50)
    escalating.story.clock.set(START + timedelta(minutes=15))
    deps, ada = escalating.story.deps, Actor(Person("U0ADA", "ada"))
    others = [worker_of(deps) for _ in range(2)]
    deeds: list[Coroutine[Any, Any, object]] = [
        alert_operations.acknowledge(deps, number, ada) for number in (1, 2, 3, 4)
    ]
    deeds += [incidents.set_severity(deps, number, "P1", ada) for number in (3, 5)]
    deeds += [resolution.resolve(deps, number, ada, fix="rolled back") for number in (4, 6)]
    deeds += [page_and_escalate.escalate(deps, Subject(await alert_operations.by_name(deps, "ALR-7")), ada)]
    await escalating.posts({"version": "4", "alerts": [over(alerts[5], START), over(alerts[7], START)]})
    await asyncio.gather(*deeds, *(worker.work_once() for worker in others))
    await escalating.story.settle()
    await escalating.at(60)
    told = pages(duty)
    assert len(told) == len(set(told))
    late = " ".join(escalating.mailed("boss@example.com"))
    assert [name for name in ("ALR-1]", "ALR-2]", "ALR-4]", "ALR-6]", "ALR-8]") if name in late] == []
    await escalating.audits()
    assert escalating.story.alarm.heard == []


async def test_an_edited_catalogue(escalating_on_sqlite: Shop, tmp_path: Path) -> None:
    """What was promised stays so; what begins afterwards follows the new escalation policy."""
    await escalating_on_sqlite.fires()
    (tmp_path / "new").mkdir()
    edited = SHOP.replace('{after: 30m, notify: ["email:management"]}', '{after: 20m, notify: ["email:nobody"]}')
    assert edited != SHOP
    loaded = load([catalogue(tmp_path / "new", org=ORG, shop=edited)])
    assert loaded.catalogue is not None
    escalating_on_sqlite.story.deps.current_catalogue.current = loaded.catalogue
    await escalating_on_sqlite.story.fast_forward(minutes=30)
    assert escalating_on_sqlite.mailed("boss@example.com") == ["[ALR-1] Nobody has acknowledged APIDown for 30 min"]
    assert "09:30 UTC" in tidy(await escalating_on_sqlite.story.types("Ada", "/incident why ALR-1"))
    await escalating_on_sqlite.fires("Another")
    assert "step 3" not in await escalating_on_sqlite.card_says("ALR-2")
    await escalating_on_sqlite.story.fast_forward(minutes=30)
    assert len(escalating_on_sqlite.mailed("boss@example.com")) == 1


async def test_nothing_comes_out_of_a_label(escalating_on_sqlite: Shop) -> None:
    """Mentions, broadcasts, links and markup in an alert's name are text in every message of its escalation policy."""
    evil = "<!channel> <@U0ADA> <https://evil|click> @here *b* ~s~ `c`"
    await escalating_on_sqlite.fires(evil)
    await escalating_on_sqlite.story.fast_forward(hours=2)
    texts = [
        *await escalating_on_sqlite.thread(),
        *await escalating_on_sqlite.story.direct("U0DAN"),
        await escalating_on_sqlite.card_says(),
    ]
    for text in texts:
        for bad in ("<!channel", "<@U0ADA", "<https://evil", " @here", " *b*", " ~s~"):
            assert bad not in text.replace("\N{WORD JOINER}", "J"), bad
    assert all("\n" not in subject for subject in escalating_on_sqlite.mailed("boss@example.com"))


async def test_why(escalating_on_sqlite: Shop) -> None:
    """Every step is listed with what became of it."""
    await escalating_on_sqlite.fires()
    await escalating_on_sqlite.story.fast_forward(minutes=31)
    await escalating_on_sqlite.story.types("Ada", "/incident ack ALR-1")
    lines = [
        line
        for line in tidy(await escalating_on_sqlite.story.types("Ada", "/incident why ALR-1")).splitlines()
        if "tep " in line
    ]
    assert lines == [
        "• Step 1, 09:00 UTC: post in #ops-alerts and e-mail ops. It went out.",
        "• Step 2, 09:15 UTC: page the person on call. It went out.",
        "• Step 3, 09:30 UTC: e-mail management. It went out.",
        "• Step 4, 11:00 UTC: message <@U0DAN>. It goes out unless the alert is resolved by then.",
    ]


async def test_slack_is_away(escalating_on_sqlite: Shop) -> None:
    """A message that Slack did not take for longer than its grace reports itself, and is said when Slack is back."""
    await escalating_on_sqlite.fires("Slow", "high")
    await escalating_on_sqlite.at(4)
    await escalating_on_sqlite.story.fault("rate_limited", method="chat.postMessage", retry_after=300)
    await escalating_on_sqlite.at(7)
    await escalating_on_sqlite.audits()
    said = "ALR-1: step 1 of the escalation policy “high” (slack #ops-alerts)"
    said += " was due at 2026-11-20 09:05 UTC and did not go out."
    assert escalating_on_sqlite.story.alarm.heard == [said]
    assert await escalating_on_sqlite.thread() == []
    await escalating_on_sqlite.at(12)
    assert len(await escalating_on_sqlite.thread()) == 1


async def test_an_escalation_policy_of_a_storm(escalating_on_sqlite: Shop) -> None:
    """Alerts that are shown together in a storm's card do not fill its channel with steps; people are told of each."""
    now = escalating_on_sqlite.story.clock.now()
    names = [f"Rule{number}" for number in range(12)]
    alerts = [
        {"status": "firing", "startsAt": (now - timedelta(seconds=1)).isoformat(),
         "labels": {"alertname": name, "severity": "high", "service": "shop"}} for name in names
    ]  # fmt: skip
    await escalating_on_sqlite.sends(*alerts)
    await escalating_on_sqlite.story.fast_forward(minutes=16)
    posts = [
        one for one in await escalating_on_sqlite.story.by_the_bot("ops-alerts") if "Nobody has acknowledged" in one
    ]
    assert len(posts) <= 8
    assert len(await escalating_on_sqlite.story.direct("U0DAN")) == 12
    await escalating_on_sqlite.audits()
    assert not [text for text in escalating_on_sqlite.story.alarm.heard if "slack" in text]
