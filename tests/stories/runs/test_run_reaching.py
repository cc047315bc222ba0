"""Runs that write e-mail and page people: planned, approved, done and told, over real servers."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.deps import Deps
from bot.domain.text.secret import Secret
from bot.integrations.email import SmtpMailer
from bot.integrations.pagerduty import PagerDuty
from bot.ports import Database
from bot.services.workspace import people
from tests.support.clock import HandClock
from tests.support.mail_server import MailServer
from tests.support.pagerduty import API_KEY, SENDER, PagerDutyStandIn
from tests.support.runbooks import ORG, SERVICE, shop
from tests.support.story import Story, shown, told, worker_of

OPS = "ops-alerts"
CONTACTS = """
oncall: {primary: {who: [U0ADA]}}
contacts:
  ops: {email: [ann@example.com, bob@example.com, later@company.invalid]}
  nowhere: {email: [ops@company.invalid]}
  desk: {pagerduty_service: PSVC123}
"""
TELL = """
title: Tell everybody
service: shop
policy: {approval: {who: [team:sre]}}
parameters: [{name: what, default: back}]
steps:
  - id: mail
    email: {to: ops, subject: "The shop is {{ params.what }}", text: "It was the cache."}
    save: {sent: reached}
  - id: wake
    page: {to: oncall, text: "Please look at it, {{ steps.mail.sent | join(' and ') }} were told"}
    effect: repeatable
"""
NOWHERE = """
title: Tell nobody
service: shop
steps: [{id: mail, email: {to: nowhere, subject: x, text: y}}]
"""
DESK = """
title: Wake the desk
service: shop
policy: {approval: none}
steps: [{id: wake, page: {to: desk, text: "Please look at it"}, effect: repeatable}]
"""


class Reached:
    """The installation, the mail server and PagerDuty."""

    def __init__(self, story: Story, mail: MailServer, pagerduty: PagerDutyStandIn) -> None:
        self.story, self.mail, self.pagerduty = story, mail, pagerduty

    def with_deps(self, **changes: Any) -> None:
        deps: Deps = replace(self.story.deps, **changes)
        self.story.door.deps = deps
        self.story.worker = worker_of(deps)

    async def asks(self, words: str = "tell", user: str = "Ada", channel: str = OPS) -> str:
        return await self.story.reads(user, f"/runbook run {words}", channel)

    async def approves(self, user: str = "Ben") -> None:
        question = await self.story.asked("RUN-1", "approval.approve")
        await self.story.clicks(user, OPS, question, "approval.approve")

    async def words(self) -> str:
        return shown(await self.story.live("RUN-1"))


@asynccontextmanager
async def reached(database: Database, clock: HandClock, folder: Path, tls: ssl.SSLContext) -> AsyncIterator[Reached]:
    catalogue = shop(folder, org=ORG, service=SERVICE + CONTACTS, tell=TELL, nowhere=NOWHERE, desk=DESK)
    async with (
        MailServer().serving() as mail,
        PagerDutyStandIn().serving(tls) as pagerduty,
        told(database, clock, catalogue=[catalogue]) as story,
    ):
        made = Reached(story, mail, pagerduty)
        pager = PagerDuty(api_key=Secret(API_KEY), sender=SENDER, api_url=pagerduty.url, timeout_seconds=30)
        mailer = SmtpMailer("127.0.0.1", mail.port, sender="Tocsin <tocsin@example.com>", timeout_seconds=30)
        made.with_deps(mailer=mailer, pager=pager)
        await people.remember(story.deps, {"id": "U0ADA", "name": "ada", "profile": {"email": "ada@example.com"}})
        yield made
        pager.close()
        assert story.violations() == []


@pytest.fixture
async def house(database: Database, clock: HandClock, tmp_path: Path, tls: ssl.SSLContext) -> AsyncIterator[Reached]:
    async with reached(database, clock, tmp_path, tls) as made:
        yield made


@pytest.fixture
async def home(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, tls: ssl.SSLContext
) -> AsyncIterator[Reached]:
    async with reached(sqlite_database, clock, tmp_path, tls) as made:
        yield made


async def test_planned_approved_and_done(house: Reached) -> None:
    """The plan says whom it reaches; nothing leaves before it is approved; then everybody has it, in one thread."""
    plan = await house.story.reads("Ada", "/runbook plan tell", OPS)
    assert "ops (ann@example.com, bob@example.com)" in plan
    assert "It would reach ann@example.com, bob@example.com." in plan
    assert "It would reach ada (ada@example.com)." in plan
    assert "later@company.invalid" not in plan.partition("It would reach")[2]
    await house.asks()
    assert (house.mail.tried, house.pagerduty.requests) == (0, [])
    await house.approves()
    (mail,) = house.mail.received
    assert mail.to == ["ann@example.com", "bob@example.com"]
    assert mail.message["Subject"] == "The shop is back"
    assert mail.message["References"].startswith("<run-1@")
    (page,) = house.pagerduty.incidents.values()
    assert page["title"] == "Please look at it, ann@example.com and bob@example.com were told"
    assert page["assignments"][0]["assignee"]["id"] == "PUADA"
    assert "RUN-1* Tell everybody · ✓ succeeded" in await house.words()


async def test_who_was_missed_stands_in_the_step(home: Reached) -> None:
    """One address is refused: the run goes on, and its message names it."""
    home.mail.refusals = {"bob@example.com": "550 No such user"}
    await home.asks()
    await home.approves()
    words = await home.words()
    assert "succeeded" in words
    assert "It did not reach bob@example.com: 550 No such user." in words


async def test_an_answer_that_was_lost(home: Reached) -> None:
    """For a once step nobody knows: a person is asked, and doing it again is the same message for mail programs."""
    home.mail.bad_days = ["taken, and drop"]
    await home.asks()
    await home.approves()
    assert "needs an answer" in await home.words()
    question = await home.story.asked("RUN-1", "step.redo")
    await home.story.clicks("Ada", OPS, question, "step.redo")
    first, second = home.mail.received
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert "succeeded" in await home.words()


async def test_a_page_is_tried_again(home: Reached) -> None:
    """A repeatable page whose answer was lost is done again by a person's word, and is one page there."""
    home.pagerduty.hangs_up(after=True)
    await home.asks("desk")
    assert "The page may have gone" in await home.words()
    await home.story.clicks("Ada", OPS, await home.story.live("RUN-1"), "run.retry")
    assert len(home.pagerduty.incidents) == 1
    assert "succeeded" in await home.words()


async def test_the_plan_finds_what_is_missing(home: Reached) -> None:
    """Without a server, without PagerDuty, with placeholders alone: said before anybody approves."""
    assert "has placeholders only" in await home.asks("nowhere")
    home.with_deps(mailer=None, pager=None)
    said = await home.asks()
    assert "Step mail: E-mail is not set up: SMTP_SERVER is not set." in said
    assert "Step wake: PagerDuty is not set up" in said
    assert (home.mail.tried, home.pagerduty.requests) == (0, [])


async def test_in_an_incident(home: Reached) -> None:
    """Its mail hangs together with the incident's; in a drill it says so, and nobody is paged."""
    room = await home.story.declared("drill the shop is slow")
    await home.asks(channel=room)
    live = await home.story.live("RUN-1", room)
    question = next(one for one in await home.story.replies(room, live) if "approval.approve" in str(one["blocks"]))
    await home.story.clicks("Ben", room, question, "approval.approve")
    (mail,) = home.mail.received
    assert mail.message["Subject"] == "[Drill] The shop is back"
    assert mail.message["References"].startswith("<inc-1@")
    assert "This is a drill: nobody was woken." in shown(await home.story.live("RUN-1", room))
    assert home.pagerduty.incidents == {}


async def test_a_contact_that_changes_changes_the_plan(home: Reached) -> None:
    """Whom a contact means is approved with the plan: another address is another plan."""
    before = await home.story.reads("Ada", "/runbook plan tell", OPS)
    catalogue = home.story.deps.catalogue
    runbook = catalogue.runbook("tell")
    assert runbook.steps[0].body["contact"]["email"][0] == "ann@example.com"
    mail = replace(runbook.steps[0], body={**runbook.steps[0].body, "contact": {"email": ["eve@example.com"]}})
    changed = replace(runbook, steps=(mail, *runbook.steps[1:]), version="other")
    home.story.deps.current_catalogue.current = replace(catalogue, runbooks={**catalogue.runbooks, "tell": changed})
    after = await home.story.reads("Ada", "/runbook plan tell", OPS)
    assert before.splitlines()[0] != after.splitlines()[0]
    assert "ops (eve@example.com)" in after
