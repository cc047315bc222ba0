"""Runbooks that alerts call for: suggested on the card, asked for in its thread, or run; once each, and few of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from sqlalchemy import delete, select

from bot.catalogue.load import load
from bot.domain.people.person import Actor
from bot.ports import Database
from bot.services.runs import request as run_request
from bot.services.workspace import people
from bot.store.tables import queue as queue_tables, runs as runs_tables
from bot.store.wakeups.local import LocalWakeups
from tests.support.alerts import OPS, Monitoring, elements, firing, monitoring, over
from tests.support.clock import START, HandClock
from tests.support.runbooks import Target, target
from tests.support.story import buttons, shown, tidy, told, worker_of

ORG = """
default_service: shop
teams: {sre: [U0ADA, U0BEN, U0CLEO]}
access: {execute: [team:sre], approve: [team:sre]}
"""
SERVICE = """
service: shop
name: Shop
default_severity: P2
severities:
  - {key: P1, aliases: [high], name: High, automatic: run}
  - {key: P2, name: Normal, automatic: ask}
  - {key: P3, aliases: [low], name: Low, automatic: suggest}
  - {key: P4, name: Nothing, automatic: none}
alerts: {Known: {runbook: look_around}}
"""
LOOK = """
title: Look around
service: shop
triggers: [{match: ['alertname="Odd"'], do: suggest}]
policy: {approval: none}
steps:
  - {id: look, http: {url: "{url}/look"}, effect: read}
"""
RESTART = """
title: Restart it
service: shop
triggers: [{match: ['alertname=~"Down.*"', 'host!=""'], severities: [high, P2], do: ask}]
concurrency: {key: "restart-{{ alert.labels.host }}"}
steps:
  - id: restart
    http: {method: POST, url: "{url}/restart", json: {host: "{{ alert.labels.host }}", about: "{{ incident.id }}"}}
    effect: once
"""
CLEAN = """
title: Clean up
service: shop
triggers: [{match: ['alertname="Full"'], do: run}]
policy: {approval: none}
parameters: [{name: keep, type: integer, default: 3}]
steps:
  - id: clean
    http: {method: POST, url: "{url}/clean", json: {keep: "{{ params.keep }}", on: "{{ alert.labels.host }}"}}
    effect: repeatable
"""
BOOKS = {"look_around": LOOK, "restart_it": RESTART, "clean_up": CLEAN}


def shop(folder: Path, url: str, **runbooks: str) -> Path:
    made = folder / "catalogue"
    (made / "shop").mkdir(parents=True)
    (made / "org.yml").write_text(ORG)
    (made / "shop" / "service.yml").write_text(SERVICE)
    for name, text in runbooks.items():
        (made / "shop" / f"{name}.yml").write_text(dedent(text).replace("{url}", url))
    return made


class Watched(Monitoring):
    """With the target that runbooks work on."""

    there: Target

    async def card(self, name: str = "ALR-1") -> dict[str, Any]:
        """Not what is in its thread."""
        found = [one for one in await self.cards() if one.get("thread_ts", one["ts"]) == one["ts"]]
        return next(one for one in found if f"{name} " in shown(one))

    async def runs(self) -> list[Any]:
        async with self.story.deps.database.reading() as tx:
            return list(await tx.execute(select(*runs_tables.runs.c).order_by(runs_tables.runs.c.id)))

    async def thread(self, name: str = "ALR-1") -> list[str]:
        return [tidy(text) for text in await self.story.thread(OPS, (await self.card(name))["ts"])]

    async def approves(self, user: str, name: str = "ALR-1") -> None:
        replies = await self.story.replies(OPS, await self.card(name))
        question = next(one for one in reversed(replies) if "approval.approve" in buttons(one))
        await self.story.clicks(user, OPS, question, "approval.approve")


@asynccontextmanager
async def watched(database: Database, clock: HandClock, folder: Path, **more: str) -> AsyncIterator[Watched]:
    async with target() as there:
        catalogue = shop(folder, there.url, **{**BOOKS, **more})
        async with told(database, clock, catalogue=[catalogue]) as story, monitoring(story) as triggering_on_sqlite:
            made = Watched(story, triggering_on_sqlite._api)
            made.there = there
            yield made
            assert story.violations() == []


@pytest.fixture
async def triggering(database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[Watched]:
    async with watched(database, clock, tmp_path) as made:
        yield made


@pytest.fixture
async def triggering_on_sqlite(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[Watched]:
    async with watched(sqlite_database, clock, tmp_path) as made:
        yield made


# --- suggested --------------------------------------------------------------------------------------------------------


async def test_suggested_on_the_card(triggering: Watched) -> None:
    """The first is a button, others are named; run by a person from there it belongs to the alert."""
    story = triggering.story
    await triggering.sends(firing("Odd", host="a"))
    card = await triggering.card()
    assert "runbook.run" in elements(card)
    view = await story.opens_by_click("Ada", OPS, card, "runbook.run")
    await story.submits("Ada", view)
    (run,) = await triggering.runs()
    assert (run.runbook, run.alert_group, run.requested_by, run.status) == ("look_around", 1, "U0ADA", "succeeded")
    assert run.subject["alert"]["labels"]["host"] == "a"
    assert any(text.startswith("*RUN-1* Look around") for text in await triggering.thread())
    assert "RUN-1 (look_around) succeeded." in await triggering.thread()
    assert "RUN-1" in await triggering.words()


async def test_the_thread_of_the_card_is_locked(triggering_on_sqlite: Watched) -> None:
    """A run from a card in whose thread nobody may answer has a thread of its own in that channel."""
    story = triggering_on_sqlite.story
    await triggering_on_sqlite.sends(firing("Odd", host="a"))
    card = await triggering_on_sqlite.card()
    await story.does("lock", user="Ada", channel=OPS, ts=card["ts"])
    view = await story.opens_by_click("Ada", OPS, card, "runbook.run")
    await story.submits("Ada", view)
    live = await story.live("RUN-1")
    assert "thread_ts" not in live or live["thread_ts"] == live["ts"]
    assert "succeeded" in shown(live)
    (run,) = await triggering_on_sqlite.runs()
    assert (run.thread, run.ts) == (None, live["ts"])


async def test_what_nobody_asked_for_goes_on_in_the_channel(triggering_on_sqlite: Watched) -> None:
    """Where somebody locks the thread of a run that an alert began, its channel reads what becomes of it."""
    story = triggering_on_sqlite.story
    await triggering_on_sqlite.sends(firing("Down", host="a"))
    await story.does("lock", user="Ada", channel=OPS, ts=(await triggering_on_sqlite.card())["ts"])
    await story.fast_forward(hours=2)
    said = [one for one in await story.messages(OPS) if shown(one).startswith("Nobody approved it by ")]
    assert [one.get("thread_ts") for one in said] == [None]


async def test_what_the_routing_names_is_offered_first(triggering_on_sqlite: Watched) -> None:
    """Beside what the triggers say; nothing of it begins by itself."""
    await triggering_on_sqlite.sends(firing("Known", host="a", severity="low"))
    assert "runbook.run" in elements(await triggering_on_sqlite.card())
    assert await triggering_on_sqlite.runs() == []


@pytest.mark.parametrize(("severity", "is_offered"), [("low", True), ("P4", False)])
async def test_capped_by_the_severity(triggering_on_sqlite: Watched, severity: str, is_offered: bool) -> None:
    """Where a severity allows no more, what would run is only suggested; or nothing at all."""
    await triggering_on_sqlite.sends(firing("Full", host="a", severity=severity))
    assert ("runbook.run" in elements(await triggering_on_sqlite.card())) is is_offered
    assert await triggering_on_sqlite.runs() == []


async def test_run_is_capped_to_ask(triggering_on_sqlite: Watched) -> None:
    """Where the severity allows asking, somebody is asked though the runbook itself needs nobody."""
    await triggering_on_sqlite.sends(firing("Full", host="a", severity="P2"))
    (run,) = await triggering_on_sqlite.runs()
    assert run.status == "awaiting_approval"
    await triggering_on_sqlite.approves("Ben")
    assert triggering_on_sqlite.there.counts["/clean"] == 1


async def test_changed_it_is_asked_anew(triggering: Watched) -> None:
    """Other parameters for a run that only the alert's severity wants approved: somebody else is asked again."""
    story = triggering.story
    await triggering.sends(firing("Full", host="a", severity="P2"))
    deps = story.deps
    ada = Actor(await people.find(deps, "U0ADA"))
    await run_request.change(deps, 1, {"keep": 5}, ada)
    await story.settle()
    await triggering.approves("Ada")
    assert triggering.there.counts["/clean"] == 0
    await triggering.approves("Ben")
    assert json.loads(triggering.there.bodies[-1])["keep"] == 5


# --- asked ------------------------------------------------------------------------------------------------------------


async def test_asked_for_approved_and_run(triggering: Watched) -> None:
    """Its plan is in the card's thread with its question; a person approves, and its end is said there."""
    story = triggering.story
    await triggering.sends(firing("DownAgain", host="shop-1"))
    (run,) = await triggering.runs()
    assert (run.requested_by, run.source, run.alert_group) == ("automation", "automation", 1)
    live, question = await triggering.thread()
    assert "asked for by ALR-1" in live
    assert "Reason: ALR-1, DownAgain, fires." in live
    assert "RUN-1 asks for approval" in question
    assert "does not count" not in question
    assert "runbook.run" not in elements(await triggering.card())
    await triggering.approves("Ben")
    assert triggering.there.counts["/restart"] == 1
    assert json.loads(triggering.there.bodies[-1]) == {"host": "shop-1", "about": None}
    sentences = [text for text in await triggering.thread() if text]  # the file of its output comes before or after
    assert sentences[-1] == "RUN-1 (restart_it) succeeded."
    assert "runbook.run" in elements(await triggering.card())
    assert ("automation", "run.requested") in await story.audited("RUN-1")


async def test_it_belongs_to_the_incident(triggering_on_sqlite: Watched) -> None:
    """Where the alert has one: it knows it, and its timeline says what was asked for and how it went."""
    story = triggering_on_sqlite.story
    await triggering_on_sqlite.sends(firing("Odd", host="shop-1"))
    await story.clicks("Ada", OPS, await triggering_on_sqlite.card(), "alert.declare")
    view = await story.opens_by_click("Ada", OPS, await triggering_on_sqlite.card(), "runbook.run")
    await story.submits("Ada", view)
    (run,) = await triggering_on_sqlite.runs()
    assert (run.incident, run.subject["incident"]["id"]) == (1, "INC-1")
    assert "RUN-1 (look_around) succeeded" in await story.reads("Ada", "/incident timeline INC-1")


async def test_nobody_approves(triggering_on_sqlite: Watched) -> None:
    """It expires like any other, and nobody is told off who never asked."""
    await triggering_on_sqlite.sends(firing("Down", host="shop-1"))
    await triggering_on_sqlite.story.fast_forward(minutes=31)
    text = "\n".join(await triggering_on_sqlite.thread())
    assert "Run it where it is still needed." in text
    assert "<@automation>" not in text
    assert triggering_on_sqlite.there.counts["/restart"] == 0


async def test_a_missing_parameter_makes_it_a_suggestion(
    sqlite_database: Database, clock: HandClock, tmp_path: Path
) -> None:
    """What nobody fills in cannot be asked for: the thread says why, and the button stays."""
    needs = RESTART.replace("concurrency:", "parameters: [{name: zone, required: true}]\nconcurrency:")
    async with watched(sqlite_database, clock, tmp_path, restart_it=needs) as triggering_on_sqlite:
        await triggering_on_sqlite.sends(firing("Down", host="shop-1"))
        assert await triggering_on_sqlite.runs() == []
        (said,) = await triggering_on_sqlite.thread()
        assert said.startswith("restart_it was not begun by ALR-1 itself: “zone” is missing.")
        assert said.endswith("It is suggested instead.")
        assert "runbook.run" in elements(await triggering_on_sqlite.card())


async def test_what_cannot_run_is_said(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """What its plan finds broken is said in the thread, with the sentence that the plan would say."""
    broken = CLEAN.replace("effect: repeatable", "effect: repeatable\n  - {id: tell, page: {to: U0ADA, text: x}}")
    async with watched(
        sqlite_database, clock, tmp_path, clean_up=broken.replace("x}}", "x}, effect: repeatable}")
    ) as one:
        await one.sends(firing("Full", host="a"))
        assert await one.runs() == []
        assert "Step tell: PagerDuty is not set up" in (await one.thread())[0]


# --- run --------------------------------------------------------------------------------------------------------------


async def test_run_by_itself(triggering: Watched) -> None:
    """With no once step and no approval it begins at once, with its defaults; the thread shows how it went."""
    await triggering.sends(firing("Full", host="a"))
    assert [json.loads(one) for one in triggering.there.bodies] == [{"keep": 3, "on": "a"}]
    live, *_, end = await triggering.thread()
    assert "*RUN-1* Clean up · ✓ succeeded" in live
    assert end == "RUN-1 (clean_up) succeeded."


async def test_redelivered_it_runs_once(triggering: Watched) -> None:
    """The same alert again, another one of its group, and its severity rising begin nothing twice."""
    alert = firing("Full", host="a", severity="P1")
    for _ in range(3):
        triggering.story.clock.advance(minutes=1)
        await triggering.sends(alert, firing("Full", host="b"))
    assert triggering.there.counts["/clean"] == 1
    assert len(await triggering.runs()) == 1


async def test_worked_again_after_a_crash(triggering: Watched) -> None:
    """However often the delivery that asks for it is begun again, there is one run."""
    await triggering.sends(firing("Full", host="a"))
    async with triggering.story.deps.database.transaction() as tx:
        row = (
            await tx.execute(select(queue_tables.deliveries).where(queue_tables.deliveries.c.kind == "trigger"))
        ).one()
        again = queue_tables.deliveries.update().where(queue_tables.deliveries.c.id == row.id)
        await tx.execute(again.values(state="unconfirmed", lease_until=0.0, lookups=0, next_at=0.0, settled_at=None))
    deps = replace(triggering.story.deps, wakeups=LocalWakeups(), worker_name="successor")
    triggering.story.worker = worker_of(deps)
    await triggering.story.fast_forward(minutes=1)
    assert triggering.there.counts["/clean"] == 1
    assert len(await triggering.runs()) == 1


async def test_the_run_is_there_and_its_writing_down_was_lost(triggering: Watched) -> None:
    """A crash between asking and remembering that it was asked: the next attempt finds the run."""
    await triggering.posts({"alerts": [firing("Full", host="a")]})
    await triggering.story.settle()
    async with triggering.story.deps.database.transaction() as tx:
        await tx.execute(delete(queue_tables.deliveries).where(queue_tables.deliveries.c.kind == "trigger"))
    await triggering.sends(over(firing("Full", host="a"), START + timedelta(seconds=30)))
    assert len(await triggering.runs()) == 1


@pytest.mark.parametrize("quiet", ["resolved", "silenced"])
async def test_looked_at_once_more(triggering_on_sqlite: Watched, quiet: str) -> None:
    """What is resolved or silenced before its run was asked for begins nothing."""
    story = triggering_on_sqlite.story
    async with story.deps.database.transaction() as tx:  # as if the worker were busy elsewhere
        gate = {"name": "post:trigger:clean_up", "next_at": story.clock.wall() + 300}
        await tx.execute(queue_tables.rate_limits.insert().values(**gate))
    await triggering_on_sqlite.sends(firing("Full", host="a"))
    assert await triggering_on_sqlite.runs() == []
    card = await triggering_on_sqlite.card()
    if quiet == "resolved":
        await story.clicks("Ada", OPS, card, "alert.resolve")
    else:
        await story.clicks("Ada", OPS, card, "alert.silence", selected="1h")
    await story.fast_forward(minutes=6)
    assert await triggering_on_sqlite.runs() == []
    if quiet == "silenced":
        await story.fast_forward(minutes=60)
        assert len(await triggering_on_sqlite.runs()) == 1


# --- storms -----------------------------------------------------------------------------------------------------------


async def test_many_groups_begin_few(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Hundreds of groups that call for a runbook begin three runs of it within ten minutes; one line says so."""
    every = CLEAN.replace("""'alertname="Full"'""", """'alertname=~"Full.*"'""")
    async with watched(sqlite_database, clock, tmp_path, clean_up=every) as triggering_on_sqlite:
        await triggering_on_sqlite.posts({"alerts": [firing(f"Full{n}", host=f"h{n}") for n in range(150)]})
        await triggering_on_sqlite.story.settle()
        assert triggering_on_sqlite.there.counts["/clean"] == 3
        assert len(await triggering_on_sqlite.runs()) == 3
        said = [shown(one) for one in await triggering_on_sqlite.cards() if "only suggested" in shown(one)]
        assert len(said) == 1
        assert said[0].startswith("Alerts have begun clean_up 3 times within 10 minutes.")
        triggering_on_sqlite.story.clock.advance(minutes=11)
        await triggering_on_sqlite.sends(firing("FullAgain", host="x"))
        assert len(await triggering_on_sqlite.runs()) == 4


async def test_one_at_a_time_for_one_target(triggering_on_sqlite: Watched) -> None:
    """While a run for the same target waits for its approval, another alert does not ask for a second one."""
    await triggering_on_sqlite.sends(firing("Down", host="shop-1"))
    await triggering_on_sqlite.sends(firing("DownAgain", host="shop-1"))
    await triggering_on_sqlite.sends(firing("DownToo", host="shop-2"))
    assert [run.alert_group for run in await triggering_on_sqlite.runs()] == [1, 3]
    assert (
        "RUN-1 is there for the same target and waits for approval." in (await triggering_on_sqlite.thread("ALR-2"))[0]
    )


# --- no way round -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("effect: repeatable", "effect: once"), "“approval: none” is only for runbooks without a once step"),
        (("policy: {approval: none}", ""), "“do: run” needs “approval: none” under policy."),
        (("default: 3", "required: true"), "“do: run” starts without a person, so “keep” needs a default."),
    ],
)
def test_what_may_not_run_alone_is_found(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    """`tocsin check` refuses a runbook that would begin by itself what somebody has to approve or to fill in."""
    folder = shop(tmp_path, "http://127.0.0.1", clean_up=CLEAN.replace(*change))
    (found, *_) = load([folder]).findings
    assert said in found.sentence
    assert found.line > 1


async def test_nothing_of_a_label_is_markup(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Names and labels that look like mentions or links alert nobody: not in the thread, the question or the end."""
    evil = "Down <!channel> <@U0DAN> <https://evil.invalid|x>"
    async with watched(sqlite_database, clock, tmp_path) as triggering_on_sqlite:
        triggering_on_sqlite.there.status["/restart"] = 500
        await triggering_on_sqlite.sends(firing(evil, host="<@U0DAN>"))
        await triggering_on_sqlite.approves("Ben")
        said = "\n".join([*await triggering_on_sqlite.thread(), await triggering_on_sqlite.words()])
        assert "RUN-1 (restart_it) failed" in said
        for markup in ("<!channel>", "<@U0DAN>", "<https://evil"):
            assert markup not in said
