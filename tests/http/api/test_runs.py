"""Runs over REST: listed, asked for as the token's owner, looked at; approved in Slack alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from bot.domain.people.token import Scope
from bot.http.door import HttpDoor
from bot.ports import Database
from bot.services.admin import tokens
from bot.store.tables.audit import audit_log
from tests.http.conftest import client_of
from tests.support.clock import HandClock
from tests.support.runbooks import ORG, RESTART, Target, opened_shop
from tests.support.story import Story

BASE = "/api/sre/runbooks"
OPS = "ops-alerts"

LOOK = """
title: Look
service: shop
parameters:
  - {name: host, required: true, pattern: '[a-z0-9.-]+', max_length: 100, help: Which one to look at}
  - {name: replicas, type: integer, min: 1, max: 10, default: 2}
  - {name: mode, enum: [rolling, all], default: rolling}
  - {name: key, type: secret, from: env:DEPLOY_KEY}
steps:
  - id: look
    http:
      method: POST
      url: "{url}/look"
      json: {host: "{{ params.host }}"}
      headers: {Authorization: "{{ params.key }}"}
    effect: read
  - id: never
    http: {url: "{url}/never"}
    effect: read
    when: "{{ params.replicas > 5 }}"
"""
CLEAN = """
title: Clean
service: shop
steps:
  - {id: clean, sql: {connection: shop_db, query: delete from carts, write: true}}
"""
REASON = RESTART.replace("quorum: 1,", "quorum: 1, reason: true,")


@dataclass(frozen=True)
class Shop:
    """An installation with runbooks, a client of its HTTP door, and what the runbooks work on."""

    story: Story
    api: httpx.AsyncClient
    there: Target

    async def token(self, owner: str = "U0ADA", *scopes: Scope) -> dict[str, str]:
        name = f"{owner}-{'-'.join(scopes) or 'all'}"
        secret = await tokens.create(self.story.deps, name, scopes or tuple(Scope), owner, by="test")
        return {"Authorization": f"Bearer {secret.reveal()}"}

    async def run(self, runbook: str, headers: dict[str, str], **body: Any) -> httpx.Response:
        answer = await self.api.post(f"{BASE}/{runbook}/execute", json=body, headers=headers)
        await self.story.settle()
        return answer

    async def shown(self, run: str, headers: dict[str, str]) -> dict[str, Any]:
        answer = await self.api.get(f"{BASE}/executions/{run}", headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def deeds(self, action: str) -> list[Any]:
        """The entries of the audit log with this action."""
        async with self.story.deps.database.reading() as tx:
            return list(await tx.execute(select(audit_log).where(audit_log.c.action == action).order_by("id")))


Opens = Callable[..., Any]


@pytest.fixture
def opens(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> Opens:
    """`async with opens(restart=RESTART) as shop`."""

    @asynccontextmanager
    async def opened(**more: Any) -> AsyncIterator[Shop]:
        async with opened_shop(sqlite_database, clock, tmp_path, **more) as (story, there):
            door = HttpDoor(deps=lambda: story.deps, slack_trouble=story.door.trouble)
            async with client_of(door) as api:
                yield Shop(story, api, there)

    return opened


def is_problem(answer: httpx.Response, status: int, *words: str) -> None:
    """A problem of that status, with a sentence that has these words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    detail = answer.json()["detail"]
    assert detail.endswith((".", "?"))
    for word in words:
        assert word in detail


# --- what there is ---


async def test_every_runbook_is_listed(opens: Opens) -> None:
    """The list says of each runbook what it takes, what it does, whether it needs approval, and how it has done."""
    async with opens(restart=RESTART, look=LOOK, environment={"DEPLOY_KEY": "hunter2secret"}) as shop:
        headers = await shop.token()
        await shop.run("look", headers, parameters={"host": "shop-1"})
        found = (await shop.api.get(BASE, headers=headers)).json()
        assert found.keys() == {"available_runbooks"}
        look, restart = found["available_runbooks"]

        assert (look["id"], look["title"], look["service"], look["version"] != "") == ("look", "Look", "shop", True)
        assert (look["needs_approval"], look["effects"]) == (False, ["read"])
        assert (restart["needs_approval"], restart["effects"]) == (True, ["read", "once"])
        assert (look["record"]["ended"], look["record"]["fixed"], restart["record"]["ended"]) == (1, 1, 0)
        host, replicas, mode, key = look["parameters"]
        assert (host["name"], host["type"], host["required"], host["default"]) == ("host", "string", True, None)
        assert host["help"] == "Which one to look at"
        assert replicas["rule"] == "a whole number from 1 to 10"
        assert (mode["choices"], mode["default"]) == (["rolling", "all"], "rolling")
        assert (key["type"], key["default"]) == ("secret", None)
        assert "env:DEPLOY_KEY" in key["rule"]
        assert "hunter2" not in str(found)


# --- asking for a run ---


async def test_a_script_asks_and_somebody_approves_in_slack(opens: Opens) -> None:
    """Asked for over REST, a run waits in its service's alerts channel; its requester is the token's owner."""
    async with opens(restart=RESTART) as shop:
        headers = await shop.token()
        answer = await shop.run("restart", headers, parameters={"host": "shop-2"}, reason="Deploy 4711")
        told = answer.json()
        assert answer.status_code == 202
        assert (told["execution_id"], told["status"]) == ("RUN-1", "awaiting_approval")
        assert (told["requested_by"], told["runbook"]) == ("U0ADA", "restart")
        assert told["url"] == answer.headers["location"] == f"{BASE}/executions/RUN-1"

        waiting = await shop.shown("RUN-1", headers)
        assert (waiting["status"], waiting["plan_hash"]) == ("awaiting_approval", told["plan_hash"])
        assert [step["state"] for step in waiting["steps"]] == ["not_started"] * 3
        assert [(one["gate"], one["state"], one["plan_hash"]) for one in waiting["approvals"]] == [
            ("@run", "open", told["plan_hash"])
        ]
        question = await shop.story.asked("RUN-1", "approval.approve", OPS)
        await shop.story.clicks("Ada", OPS, question, "approval.approve")
        assert (await shop.shown("RUN-1", headers))["status"] == "awaiting_approval"
        await shop.story.clicks("Ben", OPS, question, "approval.approve")

        done = await shop.shown("RUN-1", headers)
        assert dict(shop.there.counts) == {"/look": 1, "/restart": 1, "/health": 1}
        assert (done["status"], done["source"], done["reason"]) == ("succeeded", "api", "Deploy 4711")
        assert done["parameters"] == {"host": "shop-2", "note": "slow"}
        restart = done["steps"][1]
        assert (restart["id"], restart["title"], restart["kind"]) == ("restart", "Restart shop-2", "http")
        assert (restart["effect"], restart["state"], restart["attempt"]) == ("once", "done", 1)
        assert restart["took_seconds"] is not None
        assert restart["started_at"] <= restart["ended_at"]
        (approval,) = done["approvals"]
        assert (approval["state"], approval["decided_by"]) == ("approved", "U0BEN")
        assert [(one["person"], one["verdict"]) for one in approval["votes"]] == [("U0BEN", "approve")]
        assert "/archives/C0OPSALERTS/" in done["message_url"]


async def test_an_empty_body_is_accepted(opens: Opens) -> None:
    """Without a body, and with an empty one, the defaults are taken."""
    async with opens(restart=RESTART) as shop:
        headers = await shop.token()
        typed = {**headers, "Content-Type": "application/json"}
        bodies: list[dict[str, Any]] = [{}, {"json": {}}, {"json": None}, {"headers": typed}]
        for more in bodies:
            answer = await shop.api.post(f"{BASE}/restart/execute", **{"headers": headers, **more})
            assert answer.status_code == 202, answer.text
        await shop.story.settle()
        assert (await shop.shown("RUN-4", headers))["parameters"] == {"host": "shop-1", "note": "slow"}


async def test_a_read_only_run_begins_at_once(opens: Opens) -> None:
    """What only reads needs nobody; a step whose condition does not hold says so, and no secret is shown."""
    async with opens(look=LOOK, environment={"DEPLOY_KEY": "hunter2secret"}) as shop:
        headers = await shop.token()
        told = (await shop.run("look", headers, parameters={"host": "shop-1"})).json()
        assert told["status"] == "running"
        answer = await shop.api.get(told["url"], headers=headers)
        done = answer.json()
        assert (done["status"], done["approvals"]) == ("succeeded", [])
        assert [step["state"] for step in done["steps"]] == ["done", "skipped"]
        assert "/look" in done["steps"][0]["output"]
        assert done["parameters"]["key"] == "env:DEPLOY_KEY"
        assert "hunter2" not in answer.text


# --- once for a key ---


async def test_a_key_asks_once(opens: Opens) -> None:
    """The same Idempotency-Key is one run, even when it comes twice at once, and whatever became of the plan since."""
    async with opens(restart=RESTART) as shop:
        keyed = {**await shop.token(), "Idempotency-Key": "deploy-4711"}
        url = f"{BASE}/restart/execute"
        both = await asyncio.gather(*(shop.api.post(url, headers=keyed) for _ in range(2)))
        current_catalogue = shop.story.deps.current_catalogue
        nobody = replace(current_catalogue.current.access, execute=())
        current_catalogue.current = replace(current_catalogue.current, access=nobody)
        again = await shop.api.post(url, headers=keyed)
        assert [one.status_code for one in (*both, again)] == [202] * 3
        assert {one.json()["execution_id"] for one in (*both, again)} == {"RUN-1"}
        is_problem(await shop.run("restart", await shop.token("U0ADA", Scope.EXECUTE)), 403)


async def test_a_key_for_another_run_is_refused(opens: Opens) -> None:
    """A key that was used for something else is 422: other parameters, another runbook, an incident."""
    async with opens(restart=RESTART, look=LOOK, environment={"DEPLOY_KEY": "x"}) as shop:
        keyed = {**await shop.token(), "Idempotency-Key": "deploy-4711"}
        await shop.run("restart", keyed)
        is_problem(await shop.run("restart", keyed, parameters={"host": "shop-2"}), 422, "Idempotency-Key")
        is_problem(await shop.run("look", keyed, parameters={"host": "shop-1"}), 422, "Idempotency-Key")
        incident = await shop.api.post("/api/sre/incidents", json={"title": "Down"}, headers=keyed)
        is_problem(incident, 422, "Idempotency-Key")
        is_problem(await shop.api.get(f"{BASE}/executions/RUN-2", headers=keyed), 404)


async def test_a_refused_request_does_not_spend_its_key(opens: Opens) -> None:
    """After a wrong parameter the same key may carry the right one; two tokens' same keys do not meet."""
    async with opens(restart=RESTART) as shop:
        for number, owner in enumerate(("U0ADA", "U0BEN"), start=1):
            keyed = {**await shop.token(owner), "Idempotency-Key": "1"}
            is_problem(await shop.run("restart", keyed, parameters={"host": "SHOP 1"}), 422, "host")
            answer = await shop.run("restart", keyed, parameters={"host": "shop-1"})
            assert answer.json()["execution_id"] == f"RUN-{number}"


# --- what is refused ---


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"parameters": {"hots": "shop-1"}}, "“host”"),
        ({"parameters": {}}, "“host” is missing"),
        ({"parameters": {"host": "shop 1"}}, "matches [a-z0-9.-]+"),
        ({"parameters": {"host": "shop-1", "replicas": 11}}, "from 1 to 10"),
        ({"parameters": {"host": "shop-1", "replicas": True}}, "from 1 to 10"),
        ({"parameters": {"host": "shop-1", "mode": "rollnig"}}, "“rolling”"),
        ({"parameters": {"host": ["shop-1"]}}, "parameters.host"),
        ({"parameters": {"host": {"a": "b"}}}, "parameters.host"),
        ({"parameters": {"host": "shop-1", "key": "s3cr3t-value"}}, "never typed"),
        ({"parameters": {str(n): 1 for n in range(101)}}, "parameters"),
        ({"parameters": []}, "parameters"),
        ({"parameters": {"host": "shop-1"}, "reason": 7}, "reason"),
        ({"parameters": {"host": "shop-1"}, "reason": "x" * 501}, "reason"),
        ({"parameters": {"host": "shop-1"}, "requested_by": "U0BEN"}, "requested_by"),
        ({"parameters": {"host": "shop-1"}, "approved": True}, "approved"),
        ([], "body"),
    ],
)
async def test_a_wrong_request_is_a_sentence(body: Any, word: str, opens: Opens) -> None:
    """What cannot be asked for is 422 with the rule or the nearest name; a secret that was sent is not repeated."""
    async with opens(look=LOOK, environment={"DEPLOY_KEY": "x"}) as shop:
        answer = await shop.api.post(f"{BASE}/look/execute", json=body, headers=await shop.token())
        is_problem(answer, 422, word)
        assert "s3cr3t" not in answer.text
        assert not shop.there.counts


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b'{"reason": "\\ud800"}', b"[" * 100_000, b"9" * 5_000])
async def test_a_body_that_cannot_be_read(content: bytes, opens: Opens) -> None:
    """A body that is no JSON, or not to be taken, is a problem with a sentence, never a broken server."""
    async with opens(restart=RESTART) as shop:
        headers = {**await shop.token(), "Content-Type": "application/json"}
        answer = await shop.api.post(f"{BASE}/restart/execute", content=content, headers=headers)
        assert answer.status_code in (400, 422)
        is_problem(answer, answer.status_code)


async def test_a_reason_is_kept_readable(opens: Opens) -> None:
    """A reason that the policy asks for is 422 where it is missing; control characters in it are left out."""
    async with opens(restart=REASON) as shop:
        headers = await shop.token()
        is_problem(await shop.run("restart", headers), 422, "reason")
        is_problem(await shop.run("restart", headers, reason=" "), 422, "reason")
        await shop.run("restart", headers, reason="slow\x00ly")
        assert (await shop.shown("RUN-1", headers))["reason"] == "slowly"


async def test_what_is_not_there_is_404(opens: Opens) -> None:
    """An unknown runbook is 404 with the nearest name; so is an unknown run, and what is no run's name."""
    async with opens(restart=RESTART) as shop:
        headers = await shop.token()
        is_problem(await shop.run("restrat", headers), 404, "Did you mean “restart”?")
        is_problem(await shop.run("x" * 5_000, headers), 404)
        for name, word in (("RUN-7", "RUN-7"), ("INC-1", "RUN-7"), ("0", "RUN-7"), ("RUN-9999999999", "RUN-7")):
            is_problem(await shop.api.get(f"{BASE}/executions/{name}", headers=headers), 404, word)


async def test_a_problem_of_the_plan_is_409(opens: Opens) -> None:
    """What the plan finds is said before anybody is asked, without a secret, and the refusal is in the audit log."""
    org = f"{ORG}connections:\n  shop_db: {{sql: env:SHOP_DB}}\n"
    there = {"SHOP_DB": "postgresql://shop:hunter2secret@127.0.0.1:9/shop"}
    async with opens(org=org, environment=there, clean=CLEAN) as shop:
        answer = await shop.run("clean", await shop.token())
        is_problem(answer, 409, "Step clean", "shop_db")
        assert "hunter2" not in answer.text
        (refused,) = await shop.deeds("run.refused")
        assert (refused.actor, refused.subject, refused.detail["source"]) == ("U0ADA", "clean", "api")


async def test_who_may_not_run_it_may_not_over_rest(opens: Opens) -> None:
    """A token is worth no more than its owner: who may not run it in Slack may not here, and that is audited."""
    async with opens(restart=RESTART) as shop:
        for owner in ("U0DAN", "U0GUS", "U0EVE", "U0NOBODY"):
            is_problem(await shop.run("restart", await shop.token(owner)), 403)
        assert "U0DAN" in [one.actor for one in await shop.deeds("run.refused")]
        assert not shop.there.counts


async def test_each_door_takes_its_own_scope(opens: Opens) -> None:
    """No token and a revoked one are 401 with a challenge; reading, writing and executing are three scopes."""
    async with opens(restart=RESTART) as shop:
        reads, writes = await shop.token("U0ADA", Scope.READ), await shop.token("U0ADA", Scope.WRITE)
        executes = await shop.token("U0ADA", Scope.EXECUTE)
        doors = (("GET", BASE), ("POST", f"{BASE}/restart/execute"), ("GET", f"{BASE}/executions/RUN-1"))
        for sent in ({}, {"Authorization": "Bearer nonsense"}):
            for method, url in doors:
                answer = await shop.api.request(method, url, headers=sent)
                is_problem(answer, 401, "token")
                assert answer.headers["www-authenticate"].startswith("Bearer")
        for wrong in (reads, writes):
            is_problem(await shop.run("restart", wrong), 403, "--scope execute")
        assert (await shop.run("restart", executes)).status_code == 202
        for wrong in (executes, writes):
            for method, url in (doors[0], doors[2]):
                is_problem(await shop.api.request(method, url, headers=wrong), 403, "--scope read")
        for method, url in (doors[0], doors[2]):
            assert (await shop.api.request(method, url, headers=reads)).status_code == 200


async def test_nothing_approves_over_rest(opens: Opens) -> None:
    """Whatever address somebody guesses, and no matter whose token they hold: a run that waits goes on waiting."""
    async with opens(restart=RESTART) as shop:
        ada, ben = await shop.token("U0ADA"), await shop.token("U0BEN")
        await shop.run("restart", ada)
        body = {"gate": "run", "approve": True, "verdict": "approve", "approved_by": "U0BEN"}
        for end in ("", "/approve", "/approvals", "/approvals/1/approve", "/reject", "/break", "/execute", "/status"):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                for base in (f"{BASE}/executions/RUN-1", f"{BASE}/RUN-1", "/api/sre/approvals/RUN-1"):
                    answer = await shop.api.request(method, f"{base}{end}", json=body, headers=ben)
                    assert answer.status_code in (404, 405, 422), (method, base, end, answer.text)
        waiting = await shop.shown("RUN-1", ben)
        assert (waiting["status"], waiting["approvals"][0]["votes"]) == ("awaiting_approval", [])
        assert not shop.there.counts


# --- who may see ---


async def test_public_reading_shows_no_output(opens: Opens) -> None:
    """Under TOCSIN_API_PUBLIC_READ everybody sees that a run is, and nobody what it was given or what it said."""
    async with opens(restart=RESTART, config={"public_read": True}) as shop:
        ada = await shop.token()
        body = {"parameters": {"host": "shop-2", "note": "tell-nobody"}, "reason": "because-of-Eve"}
        await shop.run("restart", ada, **body)
        question = await shop.story.asked("RUN-1", "approval.approve", OPS)
        await shop.story.clicks("Ben", OPS, question, "approval.approve")

        answer = await shop.api.get(f"{BASE}/executions/RUN-1")
        seen = answer.json()
        assert (answer.status_code, seen["status"]) == (200, "succeeded")
        assert [(step["id"], step["state"]) for step in seen["steps"]][1] == ("restart", "done")
        for hidden in ("sentence", "reason", "parameters", "plan_hash"):
            assert seen[hidden] is None
        for step in seen["steps"]:
            assert (step["output"], step["sentence"]) == (None, None)
        for word in ("shop-2", "tell-nobody", "because-of-Eve", '"count"', shop.there.url):
            assert word not in answer.text
        listed = (await shop.api.get(BASE)).json()["available_runbooks"]
        assert [one["parameters"] for one in listed] == [None]
        assert "shop-2" in (await shop.api.get(f"{BASE}/executions/RUN-1", headers=ada)).text
        is_problem(await shop.api.post(f"{BASE}/restart/execute"), 401)


async def test_a_private_incidents_run_is_as_private(opens: Opens) -> None:
    """A run of a private incident is as good as absent for people who may not see that incident, a token or not."""
    async with opens(restart=RESTART, config={"public_read": True}) as shop:
        room = await shop.story.declared("private the till is open")
        await shop.story.types("Ada", "/runbook run restart", room)
        ada, ben = await shop.token("U0ADA"), await shop.token("U0BEN")
        assert (await shop.shown("RUN-1", ada))["incident"] == "INC-1"
        absent = await shop.api.get(f"{BASE}/executions/RUN-7", headers=ben)
        for headers in (ben, None):
            hidden = await shop.api.get(f"{BASE}/executions/RUN-1", headers=headers)
            is_problem(hidden, 404)
            assert hidden.json()["detail"].replace("RUN-1", "RUN-7") == absent.json()["detail"]


async def test_taking_back_is_shown(opens: Opens) -> None:
    """The steps of taking back come after those that they take back."""
    async with opens(restart=RESTART) as shop:
        headers = await shop.token()
        await shop.run("restart", headers)
        await shop.story.clicks("Ben", OPS, await shop.story.asked("RUN-1", "approval.approve"), "approval.approve")
        await shop.story.clicks("Ada", OPS, await shop.story.live("RUN-1"), "run.undo")
        await shop.story.clicks("Ben", OPS, await shop.story.asked("RUN-1", "approval.approve"), "approval.approve")

        found = await shop.shown("RUN-1", headers)
        assert found["status"] == "undone"
        assert [step["id"] for step in found["steps"]] == ["look", "restart", "healthy", "restart.undo"]
        assert [(one["gate"], one["state"]) for one in found["approvals"]] == [
            ("@run", "approved"),
            ("@undo", "approved"),
        ]


# --- the audit log ---


async def test_each_use_that_may_change_something_is_audited(opens: Opens) -> None:
    """A token's use is in the audit log once for each request that may change something, never for looking."""
    async with opens(restart=RESTART) as shop:
        headers = await shop.token()
        await shop.api.post("/api/sre/incidents", json={"title": "Down"}, headers=headers)
        for _ in range(2):
            await shop.run("restart", headers)
            await shop.api.get(BASE, headers=headers)
        await shop.api.post(f"{BASE}/restart/execute")
        await shop.run("restart", await shop.token("U0BEN", Scope.READ))
        used = await shop.deeds("token.used")
        assert [(one.actor, one.subject, one.detail["route"]) for one in used] == [
            ("U0ADA", "U0ADA-all", "POST /api/sre/incidents"),
            *[("U0ADA", "U0ADA-all", "POST /api/sre/runbooks/{id}/execute")] * 2,
        ]


# --- the documentation ---


async def test_the_three_routes_are_documented(opens: Opens) -> None:
    """OpenAPI shows each route's shapes with examples, what it may refuse, and no route that approves."""
    async with opens(restart=RESTART) as shop:
        document = (await shop.api.get("/openapi.json")).json()
        paths = {path: found for path, found in document["paths"].items() if path.startswith(BASE)}
        assert {path: set(found) for path, found in paths.items()} == {
            BASE: {"get"},
            f"{BASE}/{{id}}/execute": {"post"},
            f"{BASE}/executions/{{id}}": {"get"},
        }
        execute = paths[f"{BASE}/{{id}}/execute"]["post"]
        assert {"202", "401", "403", "404", "409", "422"} == execute["responses"].keys()
        assert "application/problem+json" in execute["responses"]["409"]["content"]
        assert not execute["requestBody"].get("required", False)
        assert "Idempotency-Key" in [one["name"] for one in execute["parameters"]]
        shapes = document["components"]["schemas"]
        assert shapes["Execution"]["examples"]
        for name in ("Started", "RunbookShape", "ParameterShape", "StepShape", "ExecutionShape", "ApprovalShape"):
            assert any("examples" in one for one in shapes[name]["properties"].values()), name
        assert not [path for path in document["paths"] if "approv" in path]
