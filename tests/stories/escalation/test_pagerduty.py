"""People are paged by PagerDuty, and what they do there happens here; whatever becomes of PagerDuty."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.domain.text.secret import Secret
from bot.integrations.email import SmtpMailer
from bot.integrations.pagerduty import PagerDuty
from bot.ports import Database
from bot.queue.inbox import InboxItem
from bot.services.escalation import pages
from bot.services.escalation.pages import PageRequest
from bot.services.incidents import template_context
from bot.services.ingest import pagerduty_events
from bot.services.workspace import people
from bot.store.incidents import incidents as incidents_store
from bot.store.tables import escalation as escalation_tables, queue as queue_tables
from tests.support.alerts import OPS, Monitoring, firing, monitoring
from tests.support.catalogues import catalogue
from tests.support.clock import START, HandClock
from tests.support.mail_server import MailServer
from tests.support.pagerduty import API_KEY, ROUTING_KEY, SENDER, PagerDutyStandIn
from tests.support.story import Story, shown, tidy, told

SHOP = """
service: shop
name: Shop
default_severity: S1
owners: [U0BEN]
severities:
  - {key: S1, name: Urgent, escalation_policy: urgent}
  - {key: S2, name: Normal}
escalation_policies:
  urgent:
    steps:
      - {after: 15m, unless: acknowledged, notify: ["page:oncall"]}
      - {after: 30m, unless: acknowledged, notify: ["page:production"]}
oncall:
  primary: {who: [U0ADA]}
  nights: {pagerduty_schedule: PSCHED1}
contacts:
  production: {pagerduty_service: PSVC123}
  ops: {email: [ops@example.com], who: [U0BEN]}
"""
INSTEAD = "e-mail and a direct message go to them instead"
NAMES = {"PUADA": "Ada Lovelace", "PUEVE": "U0BEN"}
ADDRESSES = {"U0ADA": "ada@example.com", "U0BEN": "ben@example.com"}


def pager(stand_in: PagerDutyStandIn, *, rest: bool = True) -> PagerDuty:
    return PagerDuty(
        routing_key=Secret(ROUTING_KEY),
        api_key=Secret(API_KEY) if rest else None,
        sender=SENDER,
        events_url=stand_in.url,
        api_url=stand_in.url,
        timeout_seconds=30,
    )


def mailer(server: MailServer) -> SmtpMailer:
    return SmtpMailer("127.0.0.1", server.port, sender="tocsin@example.com", timeout_seconds=30, starttls="off")


@asynccontextmanager
async def scene(
    database: Database, clock: HandClock, folder: Path, *, pager: PagerDuty | None, mailer: SmtpMailer | None = None
) -> AsyncIterator[Monitoring]:
    folders = [catalogue(folder, org="default_service: shop", shop=SHOP)]
    async with told(database, clock, catalogue=folders, parts={"pager": pager, "mailer": mailer}) as story:
        for person, address in ADDRESSES.items():
            name = address.partition("@")[0]
            await people.remember(story.deps, {"id": person, "name": name, "profile": {"email": address}})
        async with monitoring(story) as sender:
            yield sender
        assert story.violations() == []
    if pager:
        pager.close()


@pytest.fixture
async def paging(
    database: Database, clock: HandClock, tmp_path: Path, pagerduty: PagerDutyStandIn, mail_server: MailServer
) -> AsyncIterator[Monitoring]:
    async with scene(database, clock, tmp_path, pager=pager(pagerduty), mailer=mailer(mail_server)) as sender:
        yield sender


async def wake(story: Story, target: str, key: str = "by hand", subject: str = "ALR-1") -> None:
    async with story.deps.database.transaction() as tx:
        title, text = f"{subject} Slow fires", "Requests take 4 s"
        await pages.wake(story.deps, tx, PageRequest(subject, target, "shop", title, text, key, by="U0CLEO"))
    await story.settle()


async def states(story: Story) -> list[str]:
    async with story.deps.database.reading() as tx:
        return list(
            (await tx.execute(select(escalation_tables.pages.c.state).order_by(escalation_tables.pages.c.at))).scalars()
        )


def urgent(**labels: str) -> dict[str, Any]:
    return firing("Slow", since=START, severity="S1", service="shop", **labels)


# --- out --------------------------------------------------------------------------------------------------------------


async def test_a_contact_is_paged(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Who answers for a service of PagerDuty's is paged there once, however often the same step asks."""
    await paging.sends(urgent())
    for _ in range(2):
        await wake(paging.story, "page:production")
    (made,) = pagerduty.incidents.values()
    assert (made["title"], made["service"]["id"]) == ("ALR-1 Slow fires", "PSVC123")
    assert "Requests take 4 s" in made["body"]["details"]
    assert "/incident ack ALR-1" in made["body"]["details"]
    assert await states(paging.story) == ["open"]
    await wake(paging.story, "page:production", "the next step")
    assert len(pagerduty.incidents) == 2


async def test_people_are_paged_by_their_address(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Who is on call is looked up when it goes out, and found at PagerDuty by their address."""
    await paging.sends(urgent())
    await wake(paging.story, "page:oncall")
    (made,) = pagerduty.incidents.values()
    assert [one["assignee"]["id"] for one in made["assignments"]] == ["PUADA"]


async def test_who_pagerduty_says_is_on_call(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """By a schedule of PagerDuty's those are paged whom it names, in Slack or not."""
    eve = {"id": "PUEVE", "name": "Eve", "email": "eve@example.com", "type": "user"}
    pagerduty.users.append(eve)
    pagerduty.schedules["PSCHED1"] = [{"escalation_level": 1, "user": one} for one in pagerduty.users]
    await paging.sends(urgent())
    await wake(paging.story, "page:oncall:nights")
    (made,) = pagerduty.incidents.values()
    assert [one["assignee"]["id"] for one in made["assignments"]] == ["PUADA", "PUEVE"]


async def test_an_acknowledgement_ends_it_there(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Who acknowledges in Slack acknowledges every open page of it, with a note of who that was; the end ends all."""
    await paging.sends(urgent())
    await wake(paging.story, "page:production", "1")
    await wake(paging.story, "page:oncall", "2")
    await paging.story.types("Ben", "/incident ack ALR-1")
    assert {one["status"] for one in pagerduty.incidents.values()} == {"acknowledged"}
    assert {text for _, text in pagerduty.notes} == {"In Slack: ben acknowledged ALR-1."}
    card = await paging.card()
    await paging.story.clicks("Ben", OPS, card, "alert.resolve")
    assert {one["status"] for one in pagerduty.incidents.values()} == {"resolved"}
    assert await states(paging.story) == ["resolved", "resolved"]


async def test_a_note_is_read_there(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """What is noted about an incident is beside its open pages, too."""
    room = await paging.story.declared("S2 shop nobody can pay")
    await wake(paging.story, "page:oncall", subject="INC-1")
    await paging.story.types("Ada", "/incident note rolled back to 1.41", room)
    assert [text for _, text in pagerduty.notes] == ["In Slack: ada noted: rolled back to 1.41"]


async def test_by_the_routing_key_alone(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, pagerduty: PagerDutyStandIn
) -> None:
    """Without an API key the page goes where the routing key leads, says for whom it is, and ends there, too."""
    async with scene(sqlite_database, clock, tmp_path, pager=pager(pagerduty, rest=False)) as paging:
        await paging.sends(urgent())
        await wake(paging.story, "page:oncall")
        await paging.story.types("Ben", "/incident ack ALR-1")
        trigger, acknowledge = pagerduty.events
        assert trigger["payload"]["custom_details"]["for"] == "the person on call"
        assert (trigger["event_action"], acknowledge["event_action"]) == ("trigger", "acknowledge")
        assert trigger["dedup_key"] == acknowledge["dedup_key"]
        assert len(trigger["dedup_key"]) <= 255


async def test_whose_address_nobody_knows(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Somebody without an address is paged where the routing key leads: a page is to wake somebody."""
    await paging.sends(urgent())
    await wake(paging.story, "page:U0CLEO")
    (trigger,) = pagerduty.events
    assert trigger["payload"]["custom_details"]["for"] == "cleo"
    assert await states(paging.story) == ["open"]


async def test_a_lost_answer_wakes_nobody_twice(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Where the answer is lost, the same key is said again."""
    await paging.sends(urgent())
    pagerduty.hangs_up()
    pagerduty.hangs_up(after=True)
    await wake(paging.story, "page:production")
    assert len(pagerduty.incidents) == 1
    assert await states(paging.story) == ["open"]


async def test_private_and_drill(paging: Monitoring, pagerduty: PagerDutyStandIn, mail_server: MailServer) -> None:
    """Of a private incident only its name leaves the house; a drill pages nobody, and says whom it would."""
    story = paging.story
    await story.declared("private S1 shop keys are on the internet")
    await wake(story, "page:production", subject="INC-1")
    (made,) = pagerduty.incidents.values()
    assert made["title"] == "INC-1"
    assert "internet" not in str(made)
    room = await story.declared("drill S1 shop the cellar burns")
    await wake(story, "page:oncall", subject="INC-2")
    assert len(pagerduty.incidents) == 1
    assert "This is a drill: now the person on call would be paged." in await story.by_the_bot(room)


# --- bad days ---------------------------------------------------------------------------------------------------------


async def test_an_outage_delays_and_people_are_told_otherwise(
    paging: Monitoring, pagerduty: PagerDutyStandIn, mail_server: MailServer
) -> None:
    """While PagerDuty is away the page waits: the channel is told once, who is meant by e-mail and a direct message at
    once; when it gets through, that is said.
    """
    story = paging.story
    pagerduty.users.append({"id": "PUBEN", "name": "Ben", "email": "ben@example.com"})
    await paging.sends(urgent())
    pagerduty.goes_away()
    await wake(story, "page:ops")
    await wake(story, "page:oncall", "2")
    assert await states(story) == ["sending", "sending"]
    assert sorted(one.to for one in mail_server.received) == [
        ["ada@example.com"],
        ["ops@example.com", "ben@example.com"],
    ]
    direct_message = next(one for one in mail_server.received if one.to == ["ada@example.com"])
    assert direct_message.message["Subject"] == "ALR-1 Slow fires"
    assert "PagerDuty cannot be reached, so you are told here." in direct_message.part("plain")
    (told,) = await story.direct("U0ADA")
    assert "You are paged" in told
    assert "To take it on: `/incident ack ALR-1`." in told
    assert len(await story.direct("U0BEN")) == 1
    (channel,) = [one for one in await story.by_the_bot(OPS) if "Pages wait" in one]
    assert channel == (
        "PagerDuty cannot be reached since 09:00 UTC. Pages wait and are tried again; "
        "e-mail and direct messages go out instead."
    )
    beside = await story.thread(OPS, (await paging.card())["ts"])
    assert beside == [
        f"PagerDuty cannot be reached since 09:00 UTC. The page to {whom} waits and is tried again; {INSTEAD}."
        for whom in ("ops", "the person on call")
    ]
    pagerduty.comes_back()
    story.clock.advance(minutes=12)
    await story.settle()
    assert len(pagerduty.incidents) == 2
    assert len(mail_server.received) == 2
    beside = await story.thread(OPS, (await paging.card())["ts"])
    for whom in ("ops", "the person on call"):
        said = f"PagerDuty answers again: the page to {whom} went out at 09:12 UTC, 12 min"
        assert len([one for one in beside[2:] if one.startswith(said)]) == 1
    (again,) = [one for one in await story.by_the_bot(OPS) if one.startswith("PagerDuty answers again.")]
    assert again == "PagerDuty answers again. It could not be reached since 09:00 UTC; what waited goes out now."
    assert await states(story) == ["open", "open"]


async def test_acknowledged_in_an_outage(
    paging: Monitoring, pagerduty: PagerDutyStandIn, mail_server: MailServer
) -> None:
    """What an escalation policy or a person asked for in an outage is not sent once somebody is on it."""
    story = paging.story
    await paging.sends(urgent())
    pagerduty.goes_away()
    await wake(story, "page:production")
    await story.fast_forward(minutes=15)
    assert len(mail_server.received) == 2
    await story.types("Ben", "/incident ack ALR-1")
    asked = pagerduty.requests.count("POST /incidents")
    pagerduty.comes_back()
    await story.fast_forward(minutes=30)
    assert pagerduty.incidents == {}
    assert pagerduty.requests.count("POST /incidents") == asked
    assert await states(story) == ["acknowledged", "acknowledged"]
    assert len(mail_server.received) == 2
    assert story.alarm.heard == []


async def test_acknowledged_before_the_answer_was_missed(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """A page whose answer was lost may be there: who acknowledges before it is said again ends it there."""

    async def meanwhile() -> None:
        await paging.story.does("command", user="Ben", channel="general", text="/incident ack ALR-1")

    await paging.sends(urgent())
    pagerduty.hangs_up(after=True)
    pagerduty.meanwhile = meanwhile
    await wake(paging.story, "page:production")
    (made,) = pagerduty.incidents.values()
    assert made["status"] == "acknowledged"
    assert pagerduty.requests.count("POST /incidents") == 1


async def test_silenced(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Who silences the alert keeps PagerDuty from waking the next one."""
    await paging.sends(urgent())
    await wake(paging.story, "page:production")
    await paging.story.clicks("Ben", OPS, await paging.card(), "alert.silence", selected="1h")
    (made,) = pagerduty.incidents.values()
    assert made["status"] == "acknowledged"
    assert [text for _, text in pagerduty.notes] == ["In Slack: ben silenced ALR-1."]


@pytest.mark.parametrize(
    ("typed", "noted"),
    [
        ('/incident silence 2h alertname="Slow"', "In Slack: ben silenced ALR-1."),
        ("/incident maintenance shop 2h new disks", "In Slack: ALR-1 is in maintenance."),
    ],
)
async def test_quiet_while_pages_are_open(
    typed: str, noted: str, paging: Monitoring, pagerduty: PagerDutyStandIn, mail_server: MailServer
) -> None:
    """A silence with matchers and maintenance leave alone the person whom PagerDuty would wake next, and who
    would be woken by a page that waits; what fires still afterwards is paged for again.
    """
    story = paging.story
    made = await paged(paging, pagerduty)
    pagerduty.goes_away()
    await wake(story, "page:production", "waits")
    pagerduty.comes_back()
    await story.types("Ben", typed)
    assert made["status"] == "acknowledged"
    assert noted in {text for _, text in pagerduty.notes}
    asked = len(pagerduty.incidents)
    await story.fast_forward(hours=1, minutes=59)
    assert len(pagerduty.incidents) == asked == 1
    assert await states(story) == ["acknowledged", "acknowledged"]
    await story.fast_forward(minutes=17)
    assert [one["status"] for one in pagerduty.incidents.values()] == ["acknowledged", "triggered"]
    assert "missed" not in str(await story.audited("ALR-1"))


async def test_acknowledged_while_it_leaves(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """A page that was under way at that moment is acknowledged there as soon as it has arrived."""
    story = paging.story
    await paging.sends(urgent())

    async def meanwhile() -> None:
        await story.does("command", user="Ben", channel="general", text="/incident ack ALR-1")

    pagerduty.meanwhile = meanwhile
    await wake(story, "page:production")
    (made,) = pagerduty.incidents.values()
    assert made["status"] == "acknowledged"


async def test_too_many_requests(paging: Monitoring, pagerduty: PagerDutyStandIn, mail_server: MailServer) -> None:
    """A throttled page waits as long as PagerDuty asks for, and who is meant is told meanwhile."""
    await paging.sends(urgent())
    pagerduty.answers(429, Retry_After="600")
    await wake(paging.story, "page:production")
    assert [one.to for one in mail_server.received] == [["ada@example.com"]]
    beside = await paging.story.thread(OPS, (await paging.card())["ts"])
    instead = INSTEAD.replace("them", "the person on call")
    waits = "PagerDuty has taken no more requests since 09:00 UTC. The page to production waits and is tried again"
    assert beside == [f"{waits}; {instead}."]
    assert pagerduty.incidents == {}
    paging.story.clock.advance(minutes=10)
    await paging.story.settle()
    assert len(pagerduty.incidents) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_does_not_count(status: int, paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Where PagerDuty does not accept the key an operator is told, and the page waits for a better one."""
    await paging.sends(urgent())
    pagerduty.answers(status)
    await wake(paging.story, "page:production")
    assert any("PagerDuty does not accept our key" in one for one in paging.story.alarm.heard)
    assert len(pagerduty.incidents) == 1


async def test_nobody_of_that_address(paging: Monitoring, pagerduty: PagerDutyStandIn, mail_server: MailServer) -> None:
    """Somebody whom PagerDuty does not know is told otherwise at once, and an operator hears why."""
    await paging.sends(urgent())
    await wake(paging.story, "page:U0BEN")
    assert await states(paging.story) == ["failed"]
    assert [one.to for one in mail_server.received] == [["ben@example.com"]]
    assert len(await paging.story.direct("U0BEN")) == 1
    (alarm,) = paging.story.alarm.heard
    assert alarm == (
        "ALR-1: PagerDuty did not take the page to U0BEN (no_such_user: PagerDuty knows nobody of that address), "
        "so e-mail and a direct message go to them instead."
    )


async def test_not_set_up(sqlite_database: Database, clock: HandClock, tmp_path: Path, mail_server: MailServer) -> None:
    """Without PagerDuty a page is e-mail and a direct message, and that is said; without both it is the message."""
    async with scene(sqlite_database, clock, tmp_path, pager=None, mailer=mailer(mail_server)) as paging:
        await paging.sends(urgent())
        await wake(paging.story, "page:oncall")
        assert [one.to for one in mail_server.received] == [["ada@example.com"]]
        (direct_message,) = await paging.story.direct("U0ADA")
        assert "PagerDuty is not set up here, so you are told this way." in direct_message
        beside = await paging.story.thread(OPS, (await paging.card())["ts"])
        assert beside == [f"PagerDuty is not set up here: {INSTEAD.replace('them', 'the person on call')}."]
        assert paging.story.alarm.heard == []
        await paging.story.types("Ben", "/incident ack ALR-1")
        assert await states(paging.story) == ["acknowledged"]


# --- back -------------------------------------------------------------------------------------------------------------


def event(
    paging: Monitoring,
    made: dict[str, Any],
    what: str,
    *,
    by: str | None = "PUADA",
    at: datetime | None = None,
    **data: Any,
) -> dict[str, Any]:
    """What PagerDuty's webhook says of a page of ours."""
    agent = {"id": by, "summary": NAMES.get(by, by), "type": "user_reference"} if by else None
    incident = {"id": made["id"], "type": "incident", "incident_key": made["incident_key"], "title": made["title"]}
    body = {
        "event_type": f"incident.{what}",
        "occurred_at": (at or paging.story.clock.now()).isoformat(),
        "agent": agent,
    }
    return {"event": {"id": "E1", **body, "data": data or {**incident, "status": what}}}


async def says(paging: Monitoring, *said: dict[str, Any]) -> None:
    for one in said:
        await paging.posts(one, vendor="pagerduty")
    await paging.story.settle()


async def paged(paging: Monitoring, pagerduty: PagerDutyStandIn) -> dict[str, Any]:
    """The page that the escalation policy sends a quarter of an hour after the alert."""
    await paging.sends(urgent())
    await paging.story.fast_forward(minutes=15)
    (made,) = pagerduty.incidents.values()
    return made


async def test_acknowledged_there(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Who acknowledges at PagerDuty has acknowledged: by their name here, on the card and in the log; the escalation
    policy stops, and nothing goes back.
    """
    made = await paged(paging, pagerduty)
    asked = len(pagerduty.requests)
    paging.story.clock.advance(minutes=1)
    await says(paging, event(paging, made, "triggered"), event(paging, made, "acknowledged"))
    assert "*On it*\n<@U0ADA> at PagerDuty, 20 Nov, 09:16 UTC" in tidy(await paging.words())
    await paging.story.fast_forward(hours=1)
    assert list(pagerduty.incidents) == [made["incident_key"]]
    assert pagerduty.requests[asked:] == ["GET /users/PUADA"]
    audited = await paging.story.audited("ALR-1")
    assert ("U0ADA at PagerDuty", "alert.acknowledged") in audited
    assert ("U0ADA at PagerDuty", "page.acknowledged") in audited


@pytest.mark.parametrize("secret", [None, "guessed"])
async def test_what_pagerduty_did_not_sign(secret: str | None, paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """An ingest token alone acknowledges, resolves and notes nothing: that is said once beside the alert and audited,
    and the escalation policy goes on. What PagerDuty signs afterwards counts.
    """
    story, made = paging.story, await paged(paging, pagerduty)
    about = {"type": "incident_note", "content": "all is well", "incident": {"id": made["id"]}}
    forged = [
        event(paging, made, "resolved"),
        event(paging, made, "acknowledged"),
        event(paging, made, "annotated", **about),
    ]
    for one in forged * 2:
        story.clock.advance(seconds=1)
        await paging.posts(one, vendor="pagerduty", secret=secret)
    await story.settle()
    assert await states(story) == ["open"]
    assert "*ALR-1 Slow*" in await paging.words()
    assert "*On it*" not in await paging.words()
    beside = await story.thread(OPS, (await paging.card())["ts"])
    said = [one for one in beside if one.startswith("A message says that the page to the person on call was")]
    assert len(said) == 2
    assert not [one for one in beside if "all is well" in one]
    assert [attempted for _, attempted in await story.audited("ALR-1")].count("page.unproved") == 3
    assert "ALR-2" not in "\n".join(map(shown, await paging.cards()))  # nor is it an alert
    await story.fast_forward(minutes=15)
    assert len(pagerduty.incidents) == 2
    await says(paging, event(paging, made, "acknowledged"))
    assert "<@U0ADA> at PagerDuty" in await paging.words()


async def test_nobody_here_has_that_address(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Somebody who is not in Slack is called by their name there, and no mention comes out of it."""
    pagerduty.users.append({"id": "PUEVE", "name": "U0BEN", "email": "eve@example.com"})
    made = await paged(paging, pagerduty)
    await says(paging, event(paging, made, "acknowledged", by="PUEVE"))
    assert "*On it*\n“U0BEN” at PagerDuty, " in tidy(await paging.words())


async def test_acknowledged_there_while_nobody_can_be_asked(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Where PagerDuty does not say whose address it is, it counts all the same, by their name there."""
    made = await paged(paging, pagerduty)
    pagerduty.goes_away()
    await says(paging, event(paging, made, "acknowledged"))
    assert "*On it*\nAda Lovelace at PagerDuty, " in tidy(await paging.words())


async def test_acknowledged_there_by_one_of_several(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """The other pages of the same alert are acknowledged there, and not the one from which the news came."""
    made = await paged(paging, pagerduty)
    await wake(paging.story, "page:production")
    await says(paging, event(paging, made, "acknowledged"))
    first, second = pagerduty.incidents.values()
    assert (first["status"], second["status"]) == ("triggered", "acknowledged")
    await says(paging, event(paging, second, "acknowledged", by=None))
    assert await states(paging.story) == ["acknowledged", "acknowledged"]


async def test_resolved_there(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Who resolves a page at PagerDuty resolves the alert; said twice, or after an acknowledgement that was late, it is
    the same.
    """
    made = await paged(paging, pagerduty)
    earlier = paging.story.clock.now()
    paging.story.clock.advance(minutes=2)
    await says(paging, event(paging, made, "resolved"), event(paging, made, "resolved"))
    await says(paging, event(paging, made, "acknowledged", at=earlier))
    assert tidy(await paging.words()).splitlines()[:2] == [
        "✅ ~ALR-1 Slow~",
        "Resolved by <@U0ADA> at PagerDuty after 17 min.",
    ]
    assert [action for _, action in await paging.story.audited("ALR-1")].count("alert.resolved") == 1


async def test_taken_back_there(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """An acknowledgement that runs out there has run out here: the escalation policy is followed again. What is older
    changes nothing.
    """
    made = await paged(paging, pagerduty)
    before = paging.story.clock.now()
    paging.story.clock.advance(minutes=1)
    await paging.story.types("Ben", "/incident ack ALR-1")
    await says(paging, event(paging, made, "unacknowledged", by=None, at=before))
    assert "*On it*" in await paging.words()
    paging.story.clock.advance(minutes=30)
    await says(paging, event(paging, made, "unacknowledged", by=None))
    assert "*On it*" not in await paging.words()
    await paging.story.fast_forward(minutes=15)
    assert len(pagerduty.incidents) == 2


async def test_an_incident_of_a_page(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """A page about an incident: acknowledged, noted and resolved there, it is so in its timeline, “at PagerDuty”."""
    story = paging.story
    room = await story.declared("S2 shop nobody can pay")
    await wake(story, "page:oncall", subject="INC-1")
    (made,) = pagerduty.incidents.values()
    await says(paging, event(paging, made, "acknowledged"))
    about = {"type": "incident_note", "content": "the <@U0BEN> cache", "incident": {"id": made["id"]}}
    await says(paging, event(paging, made, "annotated", **about))
    await says(paging, event(paging, made, "reassigned"))
    story.clock.advance(minutes=1)
    await says(paging, event(paging, made, "resolved"))
    lines = tidy(await story.reads("Ada", "/incident timeline", room))
    assert "<@U0ADA> at PagerDuty acknowledged" in lines
    assert "<@U0ADA> at PagerDuty noted: the &lt;@U0BEN&gt; cache" in lines
    assert "<@U0ADA> at PagerDuty passed on the page to the person on call" in lines
    assert "resolved" in await story.reads("Ada", "/incident show INC-1")
    assert made["status"] == "triggered"  # what was done there is not told back
    async with story.deps.database.reading() as tx:
        draft = await template_context.draft(story.deps, tx, await incidents_store.get(tx, 1))
    (line,) = [one for one in draft.splitlines() if one.endswith("acknowledged")]
    assert "ada at PagerDuty" in line


async def test_an_incident_is_given_back_there(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Who takes their acknowledgement of an incident's page back at PagerDuty takes it back here."""
    story = paging.story
    room = await story.declared("S2 shop nobody can pay")
    await wake(story, "page:oncall", subject="INC-1")
    (made,) = pagerduty.incidents.values()
    await says(paging, event(paging, made, "acknowledged"))
    story.clock.advance(minutes=1)
    assert "<@U0ADA> at PagerDuty acknowledged" in shown(await story.card(room))
    await says(paging, event(paging, made, "unacknowledged"))
    assert "nobody yet" in shown(await story.card(room))
    await story.types("Ada", "/incident ack INC-1", room)
    assert made["status"] == "acknowledged"  # it is open there again, so this is told


async def test_ended_there_by_nobody(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """What PagerDuty closes by itself goes on here, and that is said."""
    made = await paged(paging, pagerduty)
    card = await paging.card()
    await says(paging, event(paging, made, "resolved", by=None))
    assert "*ALR-1 Slow*" in shown((await paging.cards())[0])
    beside = await paging.story.thread(OPS, card["ts"])
    assert "PagerDuty ended the page to the person on call by itself. ALR-1 goes on here." in beside


async def test_no_loop(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """What PagerDuty says of our pages, or of another installation's, is no alert; what others raised there is one."""
    made = await paged(paging, pagerduty)
    other = {"id": "QX", "incident_key": "tocsin:ALR-9:0123", "title": "ALR-9 Elsewhere"}
    of_a_run = {"id": "QZ", "incident_key": "tocsin-20261120090000-RUN-7-wake-1", "title": "A runbook asks for you"}
    await says(
        paging,
        event(paging, made, "triggered"),
        event(paging, other, "triggered"),
        event(paging, of_a_run, "triggered"),
    )
    await says(paging, event(paging, other, "acknowledged"))
    assert len(await paging.cards()) == 1
    by_hand = {"id": "QY", "incident_key": "", "title": "Somebody called"}
    await says(paging, event(paging, by_hand, "triggered"))
    assert "Somebody called" in await paging.words("ALR-2")


async def test_a_crash_in_the_midst(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """A webhook that is worked once more, as after a crash, changes nothing: not even what was taken back since."""
    made = await paged(paging, pagerduty)
    await says(paging, event(paging, made, "acknowledged"))
    async with paging.story.deps.database.reading() as tx:
        rows = await tx.execute(select(queue_tables.inbox).where(queue_tables.inbox.c.kind == "hook:pagerduty"))
        (row,) = rows.all()
    await paging.story.clicks("Ben", OPS, await paging.card(), "alert.unack")
    again = InboxItem(row.id, row.key, row.kind, row.payload, row.received_at, 1)
    for _ in range(2):
        await pagerduty_events.handle(paging.story.deps, again)
    await paging.story.settle()
    assert "*On it*" not in await paging.words()


async def test_what_we_say_there_is_not_news(paging: Monitoring, pagerduty: PagerDutyStandIn) -> None:
    """Our own acknowledgement, note and end come back from PagerDuty and change nothing."""
    made = await paged(paging, pagerduty)
    await paging.story.types("Ben", "/incident ack ALR-1")
    asked = len(pagerduty.requests)
    ((_, note),) = pagerduty.notes
    about = {"type": "incident_note", "content": note, "incident": {"id": made["id"]}}
    await says(paging, event(paging, made, "annotated", **about), event(paging, made, "acknowledged"))
    assert "<@U0BEN>," in await paging.words()
    beside = await paging.story.thread(OPS, (await paging.card())["ts"])
    assert not [one for one in beside if "noted" in one]
    assert [one for one in pagerduty.requests[asked:] if not one.startswith("GET /users/")] == []
