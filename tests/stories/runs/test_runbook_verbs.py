"""What people say about runbooks: each verb, its mistakes, and the same words in a mention."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.ports import Database
from tests.support.clock import HandClock
from tests.support.runbooks import ORG, RESTART, Target, opened_shop
from tests.support.story import Story, buttons, shown, tidy

OPS = "ops-alerts"

CARTS = """
title: Empty old carts
service: shop
guide:
  overview: "Carts that **nobody** bought. See [the page](https://wiki.example.com/carts)."
  resolution: "# First\\n- look\\n- empty them"
mttr_target: 10m
triggers:
  - {match: ['alertname="CartsFull"'], severities: [P1], do: suggest}
parameters:
  - {name: days, type: integer, min: 1, max: 90, required: true, help: Older than this}
  - {name: mode, enum: [soft, hard], default: soft}
  - {name: key, type: secret, from: env:CART_KEY}
policy:
  execute: [U0ADA, U0BEN]
  approval: {who: [team:sre], quorum: 2, expires: 20m, reason: true, by_severity: {P1: {quorum: 1}}}
steps:
  - id: empty
    title: Empty carts of {{ params.days }} days
    http: {method: POST, url: "{url}/empty", json: {days: "{{ params.days }}"}}
    effect: once
    undo: {http: {method: POST, url: "{url}/fill"}, effect: repeatable}
"""

LOOK = """
title: Look at the shop
service: shop
steps:
  - {id: pause, wait: {for: 4m}}
  - {id: look, http: {url: "{url}/look"}, effect: read}
"""


@pytest.fixture
async def guarded_shop(
    sqlite_database: Database, clock: HandClock, tmp_path: Path
) -> AsyncIterator[tuple[Story, Target]]:
    """Three runbooks: one that needs approval, one that asks for a lot, one that only reads."""
    there = {"CART_KEY": "s3cr3t-cart-key"}
    async with opened_shop(
        sqlite_database, clock, tmp_path, org=ORG, environment=there, restart=RESTART, carts=CARTS, look=LOOK
    ) as opened:
        yield opened


async def answer(story: Story, text: str, user: str = "Ada", channel: str = OPS) -> dict[str, Any]:
    """What a command answers, whole."""
    found = await story.does("command", user=user, channel=channel, text=text)
    assert found["ok"], found
    await story.settle()
    return dict(found["response"])


async def approve(story: Story, run: str = "RUN-1") -> None:
    await story.clicks("Ben", OPS, await story.asked(run, "approval.approve"), "approval.approve")


# --- list, show, help -------------------------------------------------------------------------------------------------


async def test_the_bare_command_lists_what_there_is(guarded_shop: tuple[Story, Target]) -> None:
    """`/runbook` lists every runbook with what it needs and a Run button."""
    story, _ = guarded_shop
    found = await answer(story, "/runbook")
    text = shown(found)
    assert "3 runbooks:" in text
    assert "*Restart the shop* `restart`\nshop · needs 1 approval" in text
    assert "*Empty old carts* `carts`\nshop · needs 2 approvals" in text
    assert "*Look at the shop* `look`\nshop · only reads" in text
    values = [block["accessory"]["value"] for block in found["blocks"] if "accessory" in block]
    assert values == ["carts", "look", "restart"]


async def test_listing_by_words(guarded_shop: tuple[Story, Target]) -> None:
    """`list` with words finds those that speak of all of them; where none does, the nearest is named."""
    story, _ = guarded_shop
    assert "`carts`" in await story.reads("Ada", "/runbook list nobody bought")
    found = await story.reads("Ada", "/runbook list CARTSFULL")
    assert "1 runbook with “CARTSFULL”" in found
    assert "`restart`" not in found
    assert "Did you mean “restart”?" in await story.types("Ada", "/runbook list restrat")


async def test_showing_one(guarded_shop: tuple[Story, Target]) -> None:
    """`show` has the guide as Slack writes it, parameters with their rules, steps, who may, and its record."""
    story, _ = guarded_shop
    found = await answer(story, "/runbook show Carts")
    text = shown(found)
    for said in (
        "meant to take 10 minutes · not run to its end yet",
        "*Overview*\nCarts that *nobody* bought. See <https://wiki.example.com/carts|the page>.",
        "*First*\n• look\n• empty them",
        '*Suggested for* alerts with `alertname="CartsFull"` at P1',
        "`days`: Older than this\n    Must be a whole number from 1 to 90; required.",
        "`mode`\n    Must be soft or hard; soft unless you say otherwise.",
        "`key`\n    A secret from env:CART_KEY, which is never typed.",
        "1. Empty carts of ‹days› days `http` changes, once · can be taken back",
        "Run: <@U0ADA> or <@U0BEN>.",
        "Approve: 2 of the team sre, within 20 minutes. The person who asks for the run never counts.",
        "At P1: 1 of the team sre, within 20 minutes.",
        "A reason is asked for.",
    ):
        assert said in text, text
    assert buttons(found) == ["runbook.run", "runbook.plan"]


async def test_a_record_of_what_it_fixed(guarded_shop: tuple[Story, Target]) -> None:
    """Two of three runs succeeded: `show` and `history` say so, with the median time and each run."""
    story, there = guarded_shop
    for user, status in (("Ada", 200), ("Ben", 500), ("Ada", 200)):
        there.status["/look"] = status
        await story.types(user, "/runbook run look", OPS)
        await story.fast_forward(minutes=4)
    assert "fixed this 2 of 3 times, median 4 min" in shown(await answer(story, "/runbook show look"))
    text = shown(await answer(story, "/runbook history look"))
    assert "`look`: fixed this 2 of 3 times" in text
    lines = [line for line in text.splitlines() if "|RUN-" in line]
    assert len(lines) == 3
    assert re.match(r"\*<http.*\|RUN-3>\* look · ✓ succeeded", lines[0])
    assert "failed" in lines[1]
    assert "<@U0BEN>" in lines[1]
    assert "not run to its end yet" in await story.reads("Ada", "/runbook history restart")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/runbook list zebra", "No runbook speaks of “zebra”. `/runbook list` shows what there is."),
        ("/runbook show", "Which runbook? `/runbook list` shows what there is"),
        ("/runbook show restrat", "There is no runbook “restrat”. Did you mean “restart”?"),
        ("/runbook history restrat", "Did you mean “restart”?"),
        ("/runbook show old carts", "takes one runbook's id. To look for words: `/runbook list old carts`"),
        ("/runbook plan", "Which runbook?"),
        ("/runbook plan restrat", "Did you mean “restart”?"),
        ("/runbook stats", "Did you mean `/runbook status`?"),
        ("/runbook run restart hots=shop-2", "This runbook has no parameter “hots”. Did you mean “host”?"),
        ("/runbook run carts days=3 key=hunter2", "“key” is a secret from env:CART_KEY: it is never typed."),
        ("/runbook run carts days=soon mode=sof", "“days” must be a whole number from 1 to 90; it is “soon”."),
        ("/runbook run carts days=soon mode=sof", "“mode” must be soft or hard; it is “sof”. Did you mean “soft”?"),
        ("/runbook plan carts", "“days” is missing. It must be a whole number from 1 to 90. Write `carts days=…`."),
        ("/runbook status RUN-9", "There is no RUN-9"),
        ("/runbook status seven", "“seven” is no run. A run is named like RUN-7"),
        ("/runbook cancel", "Which run? Name it, for example RUN-7"),
        ("/runbook cancel RUN-9", "There is no RUN-9"),
    ],
)
async def test_a_mistake_is_answered_with_what_is_right(
    guarded_shop: tuple[Story, Target], text: str, said: str
) -> None:
    """The nearest id, verb or parameter; which value is wrong, and its rule. Nothing is asked for."""
    story, _ = guarded_shop
    found = await story.types("Ada", text, OPS)
    assert said in found
    assert "hunter2" not in found
    assert await story.by_the_bot(OPS) == []


async def test_help(guarded_shop: tuple[Story, Target]) -> None:
    """`help` names every verb with what follows it."""
    story, _ = guarded_shop
    text = await story.reads("Ada", "/runbook help")
    for verb in ("list [words]", "show ID", "plan ID", "run [ID", "status [RUN-n]", "cancel RUN-n", "history ID"):
        assert f"`/runbook {verb}" in text


# --- plan -------------------------------------------------------------------------------------------------------------


async def test_a_plan_with_its_whole_hash(guarded_shop: tuple[Story, Target]) -> None:
    """`plan` shows each step as it would be done, who approves, and the whole hash, which the run then has."""
    story, there = guarded_shop
    found = await answer(story, '/runbook plan restart host=shop-2 note="very slow"')
    text = shown(found)
    assert "1. *look* `http` reads" in text
    assert "{host: shop-2}" in text
    assert "Approve: 1 of the team sre, within 30 minutes." in text
    (planned,) = re.findall(r"Plan `([0-9a-f]{64})`. Nothing was done.", text)
    assert not there.counts
    assert found["blocks"][-1]["elements"][0]["value"] == "restart host=shop-2 'note=very slow'"

    await story.types("Ada", "/runbook run restart host=shop-2 note=“very slow”", OPS)
    assert f"Plan {planned[:12]}" in shown(await story.live("RUN-1"))


async def test_a_plan_leads_to_its_run(guarded_shop: tuple[Story, Target]) -> None:
    """The Run button under a plan opens the form with what was planned; sent off, the run asks for approval."""
    story, _ = guarded_shop
    await story.types("Ada", "/runbook plan restart host=shop-2", OPS)
    (whisper,) = [one for one in await story.messages(OPS) if one.get("ephemeral")]
    view = await story.opens_by_click("Ada", OPS, whisper, "runbook.run")
    assert "shop-2" in [block["element"].get("initial_value") for block in view["blocks"] if block["type"] == "input"]
    await story.submits("Ada", view, reason="it is slow")
    live = shown(await story.live("RUN-1"))
    assert "host shop-2" in live
    assert "Reason: it is slow" in live
    assert "RUN-1 (restart) waits for approval. Its message and thread follow here." in await story.whispers("Ada", OPS)


async def test_problems_come_first(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A plan that cannot work says so before its steps, and has no Run button."""
    org = f"{ORG}connections:\n  shop_db: {{sql: env:SHOP_DB}}\n"
    step = '  - {id: clean, sql: {connection: shop_db, query: "select 1"}, effect: read}'
    clean = f"title: Clean\nservice: shop\nsteps:\n{step}\n"
    async with opened_shop(sqlite_database, clock, tmp_path, org=org, clean=clean) as (story, _):
        found = await answer(story, "/runbook plan clean")
        text = shown(found)
        assert text.index("*It cannot run as it is.*") < text.index("1. *clean*")
        assert "• step clean: SHOP_DB is not set" in text
        assert buttons(found) == []


# --- run, status, cancel ----------------------------------------------------------------------------------------------


async def test_where_a_run_stands(guarded_shop: tuple[Story, Target]) -> None:
    """`status RUN-1` shows its steps and buttons; outside its channel it keeps to itself what the steps said."""
    story, _ = guarded_shop
    await story.types("Ada", "/runbook run restart", OPS)
    assert "waits for approval" in await story.reads("Ben", "/runbook status run-1", OPS)
    await approve(story)
    here = shown(await answer(story, "/runbook status RUN-1"))
    assert "✓ succeeded" in here
    assert '"path": "/health"' in here
    away = shown(await answer(story, "/runbook status RUN-1", channel="general"))
    assert "3. healthy `http` reads · ✓" in away
    assert '"path"' not in away
    assert "|Its thread> has its questions" in away


async def test_the_latest_runs(guarded_shop: tuple[Story, Target]) -> None:
    """Bare `status` lists the latest, each with its state and a link; before anything ran it says so."""
    story, _ = guarded_shop
    assert "Nothing has been run yet." in await story.reads("Ada", "/runbook status")
    await story.types("Ada", "/runbook run look", OPS)
    await story.fast_forward(minutes=4)
    await story.types("Ben", "/runbook run restart", OPS)
    text = shown(await answer(story, "/runbook status", channel="general"))
    assert re.search(r"RUN-2>\* restart · waits for approval · asked for by <@U0BEN>", text)
    assert re.search(r"RUN-1>\* look · ✓ succeeded", text)
    assert text.index("RUN-2") < text.index("RUN-1")


async def test_cancelled_by_its_name(guarded_shop: tuple[Story, Target]) -> None:
    """`cancel RUN-1` ends it; a second time it says that it was cancelled already."""
    story, there = guarded_shop
    await story.types("Ada", "/runbook run restart", OPS)
    assert await story.types("Ada", "/runbook cancel RUN-1") == "RUN-1 is cancelled."
    assert "RUN-1 was cancelled already." in await story.types("Ada", "/runbook stop RUN-1")
    assert not there.counts


async def test_a_run_of_a_private_incident_is_as_private(guarded_shop: tuple[Story, Target]) -> None:
    """Who may not see the incident finds no such run: not to look at, not in a list, not to cancel."""
    story, _ = guarded_shop
    room = await story.declared("private somebody got in")
    await story.types("Ada", "/runbook run restart", room)
    assert "RUN-1" in await story.reads("Ada", "/runbook status", "general")
    assert "There is no RUN-1" in await story.types("Cleo", "/runbook status RUN-1")
    assert "There is no RUN-1" in await story.types("Cleo", "/runbook cancel RUN-1")
    assert "RUN-1" not in await story.reads("Cleo", "/runbook status")
    assert "RUN-1" not in await story.reads("Cleo", "/runbook history restart")
    assert "RUN-1" not in shown(await story.home("Cleo"))


# --- mentions ---------------------------------------------------------------------------------------------------------


async def test_in_a_runs_thread(guarded_shop: tuple[Story, Target]) -> None:
    """In the thread of a run, where Slack takes no commands, a mention means that run."""
    story, _ = guarded_shop
    await story.types("Ada", "/runbook run restart", OPS)
    thread = (await story.live("RUN-1"))["ts"]
    await story.says("Ada", "<@U0TOCSIN> runbook status", OPS, thread)
    assert any("*RUN-1* Restart the shop · waits for approval" in said for said in await story.whispers("Ada", OPS))
    await story.says("Ada", "<@U0TOCSIN> runbook cancel", OPS, thread)
    assert "was cancelled" in shown(await story.live("RUN-1"))


async def test_a_mention_that_needs_a_form(guarded_shop: tuple[Story, Target]) -> None:
    """Where the form cannot be opened at once, its button comes instead, and opens it with what was given."""
    story, _ = guarded_shop
    await story.says("Ada", "<@U0TOCSIN> runbook run carts days=3", OPS)
    (whisper,) = [one for one in await story.messages(OPS) if one.get("ephemeral")]
    assert "Press the button to open it." in shown(whisper)
    view = await story.opens_by_click("Ada", OPS, whisper, "runbook.run")
    await story.submits("Ada", view, reason="they pile up")
    await story.says("Ada", "<@U0TOCSIN> runbook run", OPS)
    opener = [one for one in await story.messages(OPS) if "runbook.run" in buttons(one)][-1]
    view = await story.opens_by_click("Ada", OPS, opener, "runbook.run")
    assert [block["block_id"] for block in view["blocks"]] == ["@runbook"]
    assert "days 3" in tidy(shown(await story.live("RUN-1")))
