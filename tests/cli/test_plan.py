"""`tocsin plan`: what a run would do, from the catalogue and the environment alone."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from bot.store.db.database import open_database
from tests.cli.conftest import Run
from tests.support.clock import HandClock
from tests.support.runbooks import ORG, RESTART, opened_shop, shop

CLEAN = """
title: Clean up after {{ params.host }}
service: shop
parameters:
  - {name: host, required: true, pattern: '[a-z0-9.-]+'}
  - {name: replicas, type: integer, min: 1, max: 10, default: 2}
  - {name: key, type: secret, from: env:DEPLOY_KEY}
steps:
  - id: count
    sql: {connection: shop_db, query: "select count(*) as n from carts where host = :host", params: {host: "{{ params.host }}"}}
    effect: read
    save: {n: "rows[0].n"}
  - id: clean
    title: Clean {{ params.host }}
    http: {method: POST, url: "http://127.0.0.1:9/clean", json: {n: "{{ steps.count.n }}", key: "{{ params.key }}"}}
    when: "{{ steps.count.n > 0 }}"
    undo: {http: {method: POST, url: "http://127.0.0.1:9/fill"}, effect: repeatable}
  - id: purge
    shell: {argv: [no-such-program-here, "{{ params.host }}"]}
  - id: never
    http: {url: "http://127.0.0.1:9/"}
    effect: read
    when: "{{ params.replicas > 5 }}"
"""  # noqa: E501 - as an operator would write it
CONNECTED = f"{ORG}connections:\n  shop_db: {{sql: env:SHOP_DB}}\n"
NOWHERE = "sqlite:////nowhere/at/all.db"
SECRETS = {"SHOP_DB": "postgresql://shop:hunter2secret@127.0.0.1:9/shop", "DEPLOY_KEY": "s3cr3t-deploy-key"}


@pytest.fixture
def catalogue(tmp_path: Path) -> str:
    return str(shop(tmp_path, org=CONNECTED, clean=CLEAN, restart=RESTART.replace("{url}", "http://127.0.0.1:9")))


@pytest.fixture
def plan(run: Run, catalogue: str) -> Run:
    """`tocsin plan <words>` with that catalogue, and no database anywhere."""
    there = {"TOCSIN_CATALOG": catalogue, "TOCSIN_ALLOW_SHELL": catalogue, "TOCSIN_DATABASE_URL": NOWHERE}
    return lambda *words, **variables: run("plan", *words, **there, **variables)


def digest(text: str) -> str:
    return str(re.findall(r"\b[0-9a-f]{64}\b", text)[0])


def test_each_step_as_it_would_be_done(plan: Run) -> None:
    """Each step with its target, its effect and its arguments, who approves, and the hash; no database is there."""
    outcome = plan("restart", "host=shop-2")
    assert (outcome.code, outcome.err) == (0, "")
    assert (
        re.sub(r"[0-9a-f]{64}", "…", outcome.out)
        == """\
Restart the shop (restart, shop)

host: shop-2
note: slow

1. look · http · reads · GET http://127.0.0.1:9
   url: http://127.0.0.1:9/look

2. Restart shop-2 · http · changes, once · POST http://127.0.0.1:9
   method: POST
   url: http://127.0.0.1:9/restart
   json: {host: shop-2}
   taken back by http · changes, may be repeated · POST http://127.0.0.1:9
      method: POST
      url: http://127.0.0.1:9/start

3. healthy · http · reads · GET http://127.0.0.1:9
   url: http://127.0.0.1:9/health

Approval: 1 of team:sre, within 30m; the person who asks does not count
Plan: …
Nothing was done.
"""
    )


def test_problems_come_first(plan: Run) -> None:
    """What does not answer, is missing or may not be is said first, with exit code 1; secrets stay where they are."""
    outcome = plan("clean", "host=shop-1", **SECRETS)
    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out.split("\n")[:5] == [
        "Clean up after {{ params.host }} (clean, shop)",
        "",
        "It cannot run as it is.",
        "  step count: The connection “shop_db” (env:SHOP_DB) does not answer.",
        "  step purge: The program no-such-program-here is not there, or may not be run.",
    ]
    for said in (
        "key: env:DEPLOY_KEY",
        "json: {n: from step count, key: [secret env:DEPLOY_KEY]}",
        "only if {{ steps.count.n > 0 }}",
        "asks for its own approval when it comes",
        "not needed: {{ params.replicas > 5 }} does not hold",
        "Nothing was done.",
    ):
        assert said in outcome.out
    for secret in ("hunter2", "s3cr3t"):
        assert secret not in outcome.out


@pytest.mark.parametrize("missing", ["SHOP_DB", "DEPLOY_KEY"])
def test_a_missing_secret_is_a_problem(missing: str, plan: Run) -> None:
    """A variable that a runbook refers to and that is not set is named before anybody is asked."""
    there = {name: value for name, value in SECRETS.items() if name != missing}
    outcome = plan("clean", "host=shop-1", **there)
    assert outcome.code == 1
    assert f"{missing} is not set" in outcome.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "RUNBOOK"),
        (("restrat",), "Did you mean “restart”?"),
        (("restart", "hots=shop-1"), "Did you mean “host”?"),
        (("restart", "host"), "name=value"),
        (("restart", "host=a", "host=b"), "given twice"),
        (("restart", "host=SHOP 1"), "matches [a-z0-9.-]+"),
        (("clean",), "“host” is missing"),
        (("clean", "host=shop-1", "replicas=11"), "from 1 to 10"),
        (("clean", "host=shop-1", "key=s3cr3t"), "never typed"),
    ],
)
def test_misuse_is_a_sentence_and_exit_2(words: tuple[str, ...], said: str, plan: Run) -> None:
    """An unknown runbook or parameter gets the nearest name, a wrong value its rule; both are exit code 2."""
    outcome = plan(*words)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert said in outcome.err
    assert "s3cr3t" not in outcome.err


def test_a_catalogue_with_findings_plans_nothing(plan: Run, catalogue: str) -> None:
    """Where a file is wrong, that is said with file and line, and exit code 1."""
    (Path(catalogue) / "shop" / "clean.yml").write_text(CLEAN.replace("effect: read", "effect: raed"))
    outcome = plan("restart")
    assert (outcome.code, outcome.out) == (1, "")
    assert "clean.yml:" in outcome.err


async def test_the_hash_is_the_one_shown_in_slack(sqlite_url: str, clock: HandClock, tmp_path: Path, run: Run) -> None:
    """Planned on the command line, a run has the hash that `/runbook plan` shows and that its approval is bound to."""
    database = await open_database(sqlite_url)
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        variables = {"TOCSIN_CATALOG": str(tmp_path / "catalogue"), "TOCSIN_DATABASE_URL": NOWHERE}
        shown = await story.reads("Ada", "/runbook plan restart host=shop-2", "ops-alerts")
        printed = await asyncio.to_thread(run, "plan", "restart", "host=shop-2", **variables)
        other = await asyncio.to_thread(run, "plan", "restart", "host=shop-3", **variables)
        await story.types("Ada", "/runbook run restart host=shop-2", "ops-alerts")
        found = await story.live("RUN-1")
        assert not there.counts
    await database.close()
    hashed = digest(printed.out)
    assert hashed in shown
    assert f"Plan {hashed[:12]}" in str(found)
    assert digest(other.out)[:12] not in shown
