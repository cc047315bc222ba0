"""The form of a run: a field of the right kind for each parameter, its errors, the choice of runbooks, and changing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.ports import Database
from bot.store.tables.audit import audit_log
from tests.support.clock import HandClock
from tests.support.runbooks import ORG, RESTART, Target, opened_shop
from tests.support.story import Story, buttons, field, shown

OPS = "ops-alerts"

EVERY = """
title: Every kind of parameter
service: shop
parameters:
  - {name: host, pattern: '[a-z0-9.-]+', required: true, max_length: 30, help: Which host.}
  - {name: mode, enum: [soft, hard], default: soft}
  - {name: count, type: integer, min: 1, max: 10, default: 2}
  - {name: ratio, type: number, min: 0.5, max: 1.5}
  - {name: force, type: boolean, required: true}
  - {name: pause, type: duration, default: 90s}
  - {name: customer, type: choice, from: {connection: shop_db, query: select name from customers order by name}}
  - {name: note, default: slow}
  - {name: key, type: secret, from: env:SHOP_KEY}
policy:
  approval: {who: [team:sre], reason: true}
steps:
  - id: act
    http:
      method: POST
      url: "{url}/act"
      json: "{{ params | tojson }}"
    effect: once
"""
STEP = """      json:
        host: "{{ params.host }}"
        count: "{{ params.count }}"
        force: "{{ params.force }}"
        customer: "{{ params.customer }}"
        note: "{{ params.note }}"
"""
EVERY = EVERY.replace('      json: "{{ params | tojson }}"\n', STEP)
CONNECTED = f"{ORG}connections:\n  shop_db: {{sql: env:SHOP_DB}}\n"


def customers(path: Path, *names: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table customers (name text)")
        connection.executemany("insert into customers values (?)", [(name,) for name in names])
    connection.close()


@pytest.fixture
async def connected_shop(
    sqlite_database: Database, clock: HandClock, tmp_path: Path
) -> AsyncIterator[tuple[Story, Target]]:
    await asyncio.to_thread(customers, tmp_path / "shop.db", "Ann", "Bob")
    there = {"SHOP_DB": f"sqlite:///{tmp_path / 'shop.db'}", "SHOP_KEY": "s3cr3t-shop-key"}
    async with opened_shop(
        sqlite_database, clock, tmp_path, org=CONNECTED, environment=there, every=EVERY, restart=RESTART
    ) as opened:
        yield opened


def fields(view: dict[str, Any]) -> list[str]:
    return [block["block_id"] for block in view["blocks"] if block["type"] == "input"]


def block(view: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in view["blocks"] if one["block_id"].split(":")[0] == name)


async def test_a_field_of_the_right_kind_for_each(connected_shop: tuple[Story, Target]) -> None:
    """Texts, selects, numbers with bounds, choices from their query; what was given and the defaults stand there."""
    story, _ = connected_shop
    view = await story.opens("Ada", "/runbook run every host=shop-1 count=3", OPS)
    assert view["callback_id"] == "runbook.run"
    assert fields(view) == ["host", "mode", "count", "ratio", "force", "pause", "customer", "note", "reason"]
    host = field(view, "host")
    assert (host["type"], host["initial_value"], host["max_length"]) == ("plain_text_input", "shop-1", 30)
    assert block(view, "host")["hint"]["text"].startswith("Which host. One line of at most 30 characters that matches")
    assert [one["value"] for one in field(view, "mode")["options"]] == ["soft", "hard"]
    assert field(view, "mode")["initial_option"]["value"] == "soft"
    count, ratio = field(view, "count"), field(view, "ratio")
    assert (count["type"], count["initial_value"], count["min_value"], count["max_value"]) == (
        "number_input", "3", "1", "10",
    )  # fmt: skip
    assert (count["is_decimal_allowed"], ratio["is_decimal_allowed"], ratio["min_value"]) == (False, True, "0.5")
    assert [one["value"] for one in field(view, "force")["options"]] == ["true", "false"]
    assert field(view, "pause")["initial_value"] == "1m30s"
    assert "for example 30s" in block(view, "pause")["hint"]["text"]
    assert [one["value"] for one in field(view, "customer")["options"]] == ["Ann", "Bob"]
    assert block(view, "ratio")["optional"] is True
    assert block(view, "count")["optional"] is False
    assert block(view, "reason")["optional"] is False
    text = shown(view)
    assert "`key` is a secret from `env:SHOP_KEY`: it is read where I run, never asked for." in text
    assert "Approve: 1 of the team sre" in text


async def test_filled_in_and_sent(connected_shop: tuple[Story, Target]) -> None:
    """What the form holds is what runs, each value in its type; an emptied text is an empty text."""
    story, there = connected_shop
    view = await story.opens("Ada", "/runbook run every", OPS)
    values: dict[str, Any] = {
        "host": "shop-2",
        "count": 4,
        "ratio": "0.75",
        "force": "false",
        "customer": "Bob",
        "note": "",
    }
    await story.submits("Ada", view, **values, reason="it is slow")
    live = shown(await story.live("RUN-1"))
    assert "ratio 0.75" in live
    assert "pause 1m30s" in live
    await story.clicks("Ben", OPS, await story.asked("RUN-1", "approval.approve"), "approval.approve")
    assert there.bodies == ['{"host":"shop-2","count":4,"force":false,"customer":"Bob","note":""}']


async def test_wrong_input_stays_in_the_form(connected_shop: tuple[Story, Target]) -> None:
    """Each wrong field says its rule; the form stays open with what was typed, and is sent off once it is right."""
    story, _ = connected_shop
    view = await story.opens("Ada", "/runbook run every", OPS)
    typed: dict[str, Any] = {"host": "Shop 2", "pause": "soon", "force": "true", "reason": "x"}
    answer = await story.submits("Ada", view, **typed)
    assert answer["response_action"] == "errors"
    assert answer["errors"]["host"].startswith("“host” must be one line of at most 30 characters that matches")
    assert answer["errors"]["pause"] == (
        "“pause” must be a duration, for example 30s, 15m or 1h30m; it is “soon”."
    )  # fmt: skip
    (still,) = answer["views"]
    assert still["state"]["values"]["host"]["value"]["value"] == "Shop 2"
    assert await story.by_the_bot(OPS) == []
    await story.submits("Ada", still, host="shop-2", pause="5s")
    assert "host shop-2" in shown(await story.live("RUN-1"))


@pytest.mark.parametrize(
    ("wrong", "name", "said"),
    [
        ({"count": "11"}, "count", "at most 10"),
        ({"count": "1.5"}, "count", "whole number"),
        ({"ratio": "0.1"}, "ratio", "at least 0.5"),
        ({"ratio": "much"}, "ratio", "a number"),
        ({"host": ""}, "host", "required"),
        ({"reason": ""}, "reason", "required"),
        ({"count": ""}, "count", "required"),
    ],
)
async def test_what_slack_itself_refuses(
    connected_shop: tuple[Story, Target], wrong: dict[str, str], name: str, said: str
) -> None:
    """Numbers out of their bounds and empty required fields never leave Slack's own form."""
    story, _ = connected_shop
    view = await story.opens("Ada", "/runbook run every", OPS)
    good: dict[str, Any] = {"host": "shop-2", "force": "true", "reason": "x"}
    answer = await story.submits("Ada", view, **{**good, **wrong})
    assert said in answer["errors"][name]
    assert await story.by_the_bot(OPS) == []


async def test_a_choice_whose_database_is_away(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Where the query does not answer, the choice is a text; sent off, the plan says that it could not be looked up."""
    there = {"SHOP_DB": f"sqlite:///{tmp_path / 'none.db'}", "SHOP_KEY": "s3cr3t-shop-key"}
    async with opened_shop(sqlite_database, clock, tmp_path, org=CONNECTED, environment=there, every=EVERY) as (
        story,
        _,
    ):
        view = await story.opens("Ada", "/runbook run every", OPS)
        assert field(view, "customer")["type"] == "plain_text_input"
        answer = await story.submits("Ada", view, host="shop-2", force="true", customer="Ann", reason="x")
        assert "What “customer” may be could not be read from shop_db." in answer["errors"]["host"]


async def test_a_choice_that_is_none(connected_shop: tuple[Story, Target]) -> None:
    """What the query does not find cannot be typed either: the plan names the nearest that it does find."""
    story, _ = connected_shop
    answer = await story.types("Ada", "/runbook run every host=a force=yes customer=Anne reason=x", OPS)
    assert "“Anne” is none of the choices that shop_db has now. Did you mean “Ann”?" in answer
    assert await story.by_the_bot(OPS) == []


async def test_all_given_asks_at_once(connected_shop: tuple[Story, Target]) -> None:
    """With everything it needs in the command, no form opens."""
    story, _ = connected_shop
    answer = await story.types("Ada", '/runbook run every host=a force=yes reason="it is slow"', OPS)
    assert answer == "RUN-1 (every) waits for approval. Its message and thread follow here."
    assert "Reason: it is slow" in shown(await story.live("RUN-1"))


async def test_whoever_may_not_fills_in_nothing(connected_shop: tuple[Story, Target]) -> None:
    """Somebody who may not run it is told before the form opens, and the refusal is kept."""
    story, _ = connected_shop
    answer = await story.types("Dan", "/runbook run every", OPS)
    assert "You may not start runs that change something" in answer
    async with story.deps.database.reading() as tx:
        kept = (await tx.execute(select(audit_log.c.actor, audit_log.c.action, audit_log.c.subject))).all()
    assert kept == [("U0DAN", "run.refused", "every")]


# --- the choice of runbooks -------------------------------------------------------------------------------------------


async def test_choosing_the_runbook_in_the_form(connected_shop: tuple[Story, Target]) -> None:
    """Bare `run` offers every runbook; the chosen one's fields appear, and another's take their place."""
    story, _ = connected_shop
    view = await story.opens("Ada", "/runbook run", OPS)
    assert fields(view) == ["@runbook"]
    (group,) = field(view, "@runbook")["option_groups"]
    assert [one["value"] for one in group["options"]] == ["every", "restart"]

    view = await story.chooses("Ada", view, "@runbook", "every")
    assert fields(view)[1:3] == ["host:every", "mode:every"]
    view = await story.chooses("Ada", view, "@runbook", "restart", host="typed-for-every", reason="it is slow")
    assert fields(view) == ["@runbook", "host:restart", "note:restart", "reason"]
    assert view["state"]["values"]["host:restart"]["value"]["value"] == "shop-1"
    assert view["state"]["values"]["reason"]["value"]["value"] == "it is slow"

    await story.submits("Ada", view, host="shop-3")
    live = shown(await story.live("RUN-1"))
    assert "Restart the shop" in live
    assert "host shop-3" in live
    assert "Reason: it is slow" in live


async def test_the_wrong_field_of_a_chosen_one(connected_shop: tuple[Story, Target]) -> None:
    """Errors find their field though it is named after its runbook as well."""
    story, _ = connected_shop
    view = await story.opens("Ada", "/runbook run", OPS)
    view = await story.chooses("Ada", view, "@runbook", "restart")
    answer = await story.submits("Ada", view, host="SHOP")
    assert list(answer["errors"]) == ["host:restart"]


async def test_a_choice_that_one_may_not_run(connected_shop: tuple[Story, Target]) -> None:
    """Who chooses what they may not run reads so in the form."""
    story, _ = connected_shop
    view = await story.opens("Dan", "/runbook run", OPS)
    view = await story.chooses("Dan", view, "@runbook", "restart")
    assert "You may not start runs that change something" in shown(view)
    answer = await story.submits("Dan", view)
    assert "You may not" in answer["errors"]["@runbook"]


async def test_nothing_to_choose_from(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Without any runbook, every verb says how one comes to be."""
    async with opened_shop(sqlite_database, clock, tmp_path) as (story, _):
        for text in ("/runbook", "/runbook run"):
            assert "The catalogue has no runbooks yet" in await story.types("Ada", text)
        assert "There is no runbook “restart”. The catalogue has none yet." in await story.types(
            "Ada", "/runbook run restart"
        )


# --- changing what waits for its approval -----------------------------------------------------------------------------


async def test_changing_the_parameters(connected_shop: tuple[Story, Target]) -> None:
    """The live message's button opens the same form with the present values; sent off, the question is asked again."""
    story, there = connected_shop
    await story.types("Ada", "/runbook run restart host=shop-2", OPS)
    old = await story.asked("RUN-1", "approval.approve")
    view = await story.opens_by_click("Ben", OPS, await story.live("RUN-1"), "runbook.plan")
    assert fields(view) == ["host", "note"]
    assert field(view, "host")["initial_value"] == "shop-2"
    answer = await story.submits("Ben", view, host="SHOP")
    assert "must be one line" in answer["errors"]["host"]

    await story.submits("Ben", view, host="shop-3")

    assert "host shop-3" in shown(await story.live("RUN-1"))
    new = await story.asked("RUN-1", "approval.approve")
    assert new["ts"] != old["ts"]
    await story.clicks("Ben", OPS, new, "approval.approve")
    assert not there.counts  # he has had a hand in it
    await story.clicks("Cleo", OPS, new, "approval.approve")
    assert there.bodies[1] == '{"host":"shop-3"}'


async def test_changing_too_late(connected_shop: tuple[Story, Target]) -> None:
    """Once it is approved, the button of an old screen changes nothing and says how far the run is."""
    story, there = connected_shop
    await story.types("Ada", "/runbook run restart", OPS)
    view = await story.opens_by_click("Ada", OPS, await story.live("RUN-1"), "runbook.plan")
    question = await story.asked("RUN-1", "approval.approve")
    await story.clicks("Ben", OPS, question, "approval.approve")
    answer = await story.submits("Ada", view, host="shop-9")
    assert "RUN-1 succeeded: its parameters stand." in answer["errors"]["host"]
    assert "runbook.plan" not in buttons(await story.live("RUN-1"))
    assert there.bodies[1] == '{"host":"shop-1"}'
