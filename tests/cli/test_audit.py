"""What the audit log holds of runs and of the catalogue, as `tocsin audit` tells it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from bot.app import background, build
from bot.app.serve import catalogue_chore
from bot.domain.people.token import Scope
from bot.domain.text.secret import Secret
from bot.http.app import make_app
from bot.http.door import HttpDoor
from bot.ports import Database
from bot.services.admin import tokens
from bot.settings import Settings
from bot.store import audit
from bot.store.db.database import open_database
from tests.cli.conftest import Run
from tests.support.clock import HandClock
from tests.support.runbooks import RESTART, opened_shop, shop

OPS = "ops-alerts"
EXECUTE = "POST /api/sre/runbooks/{id}/execute"


async def exported(run: Run, url: str) -> list[dict[str, Any]]:
    """`tocsin audit export`, of a log that `tocsin audit verify` has found whole."""
    verified = await asyncio.to_thread(run, "audit", "verify", TOCSIN_DATABASE_URL=url)
    assert (verified.code, verified.out.splitlines()[-1]) == (0, "The audit log is whole.")
    outcome = await asyncio.to_thread(run, "audit", "export", TOCSIN_DATABASE_URL=url)
    assert (outcome.code, outcome.err) == (0, "")
    return [json.loads(line) for line in outcome.out.splitlines()]


async def seal(database: Database) -> None:
    async with database.transaction() as tx:
        await audit.seal(tx)


async def test_one_run_from_the_request_to_its_end(sqlite_url: str, clock: HandClock, tmp_path: Path, run: Run) -> None:
    """Asked for over REST, approved in Slack and run: who did what is in the audit log, in its order."""
    database = await open_database(sqlite_url)
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, _):
        secret = await tokens.create(story.deps, "deploys", [Scope.EXECUTE], "U0ADA", by="cli")
        door = HttpDoor(deps=lambda: story.deps, slack_trouble=story.door.trouble)
        transport = httpx.ASGITransport(app=make_app(door))
        async with httpx.AsyncClient(transport=transport, base_url="http://tocsin.invalid") as api:
            api.headers["Authorization"] = f"Bearer {secret.reveal()}"
            refused = await api.post("/api/sre/runbooks/restart/execute", json={"parameters": {"host": "SHOP 1"}})
            asked = await api.post("/api/sre/runbooks/restart/execute", json={"reason": "Deploy 4711"})
        assert (refused.status_code, asked.status_code) == (422, 202)
        await story.settle()
        question = await story.asked("RUN-1", "approval.approve")
        for person in ("Ada", "Ben"):
            await story.clicks(person, OPS, question, "approval.approve")
    await seal(database)
    await database.close()

    found = await exported(run, sqlite_url)
    assert [(one["actor"], one["action"], one["subject"]) for one in found] == [
        ("cli", "token.created", "deploys"),
        ("U0ADA", "token.used", "deploys"),
        ("U0ADA", "token.used", "deploys"),
        ("U0ADA", "run.requested", "RUN-1"),
        ("tocsin", "approval.asked", "RUN-1"),
        ("U0ADA", "approval.refused", "RUN-1"),
        ("U0BEN", "approval.given", "RUN-1"),
        ("tocsin", "run.started", "RUN-1"),
        ("tocsin", "step.done", "RUN-1"),
        ("tocsin", "step.started", "RUN-1"),  # the one with an effect, before it
        ("tocsin", "step.done", "RUN-1"),
        ("tocsin", "step.done", "RUN-1"),
        ("tocsin", "run.succeeded", "RUN-1"),
    ]
    assert [one["detail"]["step"] for one in found if one["action"] == "step.done"] == ["look", "restart", "healthy"]
    by_action = {one["action"]: one["detail"] for one in found}
    assert by_action["token.used"] == {"route": EXECUTE}
    assert (by_action["run.requested"]["source"], by_action["run.requested"]["reason"]) == ("api", "Deploy 4711")
    hashes = {
        by_action[one]["plan_hash"] for one in ("run.requested", "approval.asked", "approval.given", "run.started")
    }
    assert hashes == {asked.json()["plan_hash"]}


async def test_which_catalogue_was_in_force(sqlite_url: str, tmp_path: Path, run: Run) -> None:
    """Each start and each good edit of the catalogue leave its version in the audit log; a broken edit leaves none."""
    folder = shop(tmp_path, restart=RESTART.replace("{url}", "http://127.0.0.1:9"))
    settings = Settings(
        database_url=Secret(sqlite_url),
        slack_bot_token=Secret("xoxb-1"),
        catalog=(folder,),
        slack_api_url="http://127.0.0.1:9/",
    )
    file, versions = folder / "shop" / "restart.yml", []
    async with build.build(settings) as house:
        look = catalogue_chore(house)
        for text in (file.read_text(), file.read_text().replace("Restart the shop", "Begin again"), "title: [", ""):
            file.write_text(text)
            await look.do(house.deps)
            versions.append(house.deps.catalogue.version)
        await seal(house.database)
    first, second, *broken = versions
    assert first != second
    assert set(broken) == {second}
    found = [one for one in await exported(run, sqlite_url) if one["action"] == "catalogue.loaded"]
    assert [(one["actor"], one["subject"]) for one in found] == [("tocsin", first), ("tocsin", second)]
    assert all(one["detail"]["process"] for one in found)


async def test_a_door_without_a_worker_keeps_up(sqlite_url: str, tmp_path: Path) -> None:
    """A process that has no worker decides by the newest good files as well."""
    folder = shop(tmp_path, restart=RESTART.replace("{url}", "http://127.0.0.1:9"))
    settings = Settings(
        database_url=Secret(sqlite_url),
        slack_bot_token=Secret("xoxb-1"),
        catalog=(folder,),
        slack_api_url="http://127.0.0.1:9/",
    )
    stop = asyncio.Event()
    async with build.build(settings) as house:
        file = folder / "shop" / "restart.yml"
        file.write_text(file.read_text().replace("Restart the shop", "Begin again"))
        keeping = asyncio.create_task(
            background.keep_catalogue(house.deps, replace(catalogue_chore(house), every_seconds=0.01), stop)
        )
        async with asyncio.timeout(30):
            while house.deps.catalogue.runbooks["restart"].title != "Begin again":  # noqa: ASYNC110  a file is looked at
                await asyncio.sleep(0.01)
        stop.set()
        await keeping
