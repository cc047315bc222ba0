"""Who may approve, what an approval is bound to, and who was first."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.ports import Database
from tests.support.clock import HandClock
from tests.support.runbooks import ORG, RESTART, opened_shop
from tests.support.story import shown, tidy

OPS = "ops-alerts"
TWO = RESTART.replace("quorum: 1", "quorum: 2")


async def test_the_dialog_repeats_what_will_run(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Before an approval counts, its dialog repeats what will run and the plan it is bound to."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, _):
        await story.types("Ada", "/runbook run restart host=shop-9", OPS)
        question = await story.asked("RUN-1", "approval.approve")

        (button, *_) = [one for block in question["blocks"] for one in block.get("elements", ()) if "confirm" in one]

        assert "Restart shop-9" in button["confirm"]["text"]["text"]
        assert "Plan " in button["confirm"]["text"]["text"]


async def test_the_requester_never_counts(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Who asked for a run is told that somebody else must approve it, and the attempt is in the audit log."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        await story.types("Ada", "/runbook run restart", OPS)
        question = await story.asked("RUN-1", "approval.approve")

        await story.clicks("Ada", OPS, question, "approval.approve")

        assert any("somebody else must approve it" in said for said in await story.whispers("Ada", OPS))
        assert not there.counts
        assert ("U0ADA", "approval.refused") in await story.audited("RUN-1")


async def test_two_of_three(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A quorum of two needs two different people, and the question shows who has approved so far."""
    async with opened_shop(database, clock, tmp_path, restart=TWO) as (story, there):
        await story.types("Ada", "/runbook run restart", OPS)
        question = await story.asked("RUN-1", "approval.approve")

        await story.clicks("Ben", OPS, question, "approval.approve")
        await story.clicks("Ben", OPS, question, "approval.approve")
        assert not there.counts
        assert "So far: <@U0BEN>." in shown(await story.asked("RUN-1", "approval.approve"))

        await story.clicks("Cleo", OPS, question, "approval.approve")
        assert there.counts["/restart"] == 1


async def test_somebody_who_left_the_group_does_not_count(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """An approval of somebody who has been removed from the user group since does not make up the quorum."""
    of_group = TWO.replace("team:sre", "S0SRE")
    org = ORG.replace("execute: [team:sre]", "execute: [U0ADA]")
    async with opened_shop(database, clock, tmp_path, org=org, restart=of_group) as (story, there):
        story.group("S0SRE", "U0BEN", "U0CLEO", "U0DAN")
        await story.types("Ada", "/runbook run restart", OPS)
        question = await story.asked("RUN-1", "approval.approve")
        await story.clicks("Ben", OPS, question, "approval.approve")

        story.group("S0SRE", "U0CLEO", "U0DAN")
        story.clock.advance(61)
        await story.clicks("Cleo", OPS, question, "approval.approve")
        assert not there.counts

        await story.clicks("Dan", OPS, question, "approval.approve")
        assert there.counts["/restart"] == 1


async def test_fifty_at_once(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Of fifty people who approve at the same moment one decides, and the others are told who was first."""
    org = ORG.replace("approve: [team:sre]", "approve: [everyone]")
    open_to_all = RESTART.replace("who: [team:sre]", "who: [everyone]")
    async with opened_shop(database, clock, tmp_path, org=org, restart=open_to_all) as (story, there):
        people = [f"U0P{number:02}" for number in range(50)]
        await story.joined("C0OPSALERTS", *people)
        await story.types("Ada", "/runbook run restart", OPS)
        question = await story.asked("RUN-1", "approval.approve")

        clicks = [
            story.does("click", user=one, channel=OPS, ts=question["ts"], action_id="approval.approve")
            for one in people
        ]
        await asyncio.gather(*clicks)
        await story.settle()

        assert there.counts["/restart"] == 1
        said = [tidy(line) for one in people for line in await story.whispers(one, OPS)]
        assert sum("already approved this." in line for line in said) == 49
        assert sum(line.startswith("Approved.") for line in said) == 1


NAMED_RUN = """
title: A step called run
service: shop
steps:
  - id: run
    http: {method: POST, url: "{url}/run"}
    effect: once
    approval: {who: [team:sre]}
"""


async def test_a_step_may_be_called_run(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A step with the id run has a question of its own, which is not that of the whole run."""
    async with opened_shop(database, clock, tmp_path, named=NAMED_RUN) as (story, there):
        await story.types("Ada", "/runbook run named", OPS)
        for user in ("Ben", "Cleo"):
            assert not there.counts
            await story.clicks(user, OPS, await story.asked("RUN-1", "approval.approve"), "approval.approve")

        assert there.counts["/run"] == 1
