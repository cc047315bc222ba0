"""The API: it asks for runs as a token's owner, decides nothing, and is worth no more than that owner."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.domain.people.token import Scope
from bot.services.admin import tokens
from tests.security.bypass.conftest import Opener
from tests.security.bypass.scene import APPROVE, OPS, QUICK, Scene
from tests.support.runbooks import ORG, RESTART

EXECUTE = "POST /api/sre/runbooks/{id}/execute"
TYPED = RESTART.replace(
    "  - {name: note, default: slow}\n",
    "  - {name: note, default: slow}\n  - {name: count, type: integer, min: 1, max: 9, default: 1}\n"
    "  - {name: share, type: number, min: 0, max: 1, default: 0.5}\n  - {name: hard, type: boolean, default: false}\n"
    "  - {name: pause, type: duration, default: 10s}\n  - {name: mode, enum: [rolling, all], default: rolling}\n"
    "  - {name: key, type: secret, from: env:KEY}\n",
)


async def _is_refused(it: Scene, owner: str, name: str, because: str) -> None:
    """Nothing was asked for, and the audit log says whose token it was."""
    assert not it.there.counts
    assert await it.story.by_the_bot(OPS) == []
    await it.is_audited(owner, name, because=because)


@pytest.mark.parametrize("scope", [Scope.READ, Scope.WRITE, Scope.INGEST])
async def test_a_token_without_the_scope(it: Scene, scope: Scope) -> None:
    """Only a token made for it asks for runs."""
    answer = await it.executes(await it.token("U0ADA", scope))
    assert answer.status_code == 403
    await _is_refused(it, "U0ADA", "u0ada-token", "has no execute scope")


async def test_a_revoked_token(it: Scene) -> None:
    """A token that was revoked asks for nothing more."""
    headers = await it.token("U0ADA", Scope.EXECUTE)
    await tokens.revoke(it.story.deps, "u0ada-token", by="test")
    assert (await it.executes(headers)).status_code == 401
    await _is_refused(it, "U0ADA", "u0ada-token", "revoked")


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", "Bearer tocsin_guessed", "Basic dTphZG1pbg==", "Bearer a b"]
)
async def test_no_token(it: Scene, given: str) -> None:
    """Nobody in particular asks for nothing, whatever they send instead."""
    assert (await it.executes({"Authorization": given} if given else {})).status_code == 401
    assert await it.story.by_the_bot(OPS) == []


async def test_a_token_whose_owner_has_left(it: Scene) -> None:
    """A token goes when its owner goes."""
    headers = await it.token("U0ADA", Scope.EXECUTE)
    await it.story.does("users", id="U0ADA", kind="deactivated")
    await it.story.settle()
    assert (await it.executes(headers)).status_code == 403
    await _is_refused(it, "U0ADA", "u0ada-token", "deactivated")


async def test_a_token_whose_owner_left_unheard(it: Scene) -> None:
    """Also where Slack's word of it was missed: before anything changes, what is older than ten minutes is asked."""
    headers = await it.token("U0ADA", Scope.EXECUTE)
    it.story.simulator.workspace.people["U0ADA"].kind = "deactivated"
    it.story.clock.advance(minutes=11)
    assert (await it.executes(headers)).status_code == 403
    await _is_refused(it, "U0ADA", "u0ada-token", "deactivated")


@pytest.mark.parametrize("owner", ["U0GUS", "U0SIA", "U0TOCSIN", "U0NOBODY"])
async def test_a_token_of_no_full_member(opens: Opener, owner: str) -> None:
    """A token makes nobody more than they are in the workspace."""
    async with opens(org=ORG.replace("execute: [team:sre]", "execute: [everyone]")) as it:
        assert (await it.executes(await it.token(owner, Scope.EXECUTE))).status_code == 403
        await _is_refused(it, owner, f"{owner.lower()}-token", "")


async def test_a_token_whose_owner_may_not(it: Scene) -> None:
    """A scope is no permission: the owner is asked about as in Slack."""
    assert (await it.executes(await it.token("U0DAN", Scope.EXECUTE))).status_code == 403
    await _is_refused(it, "U0DAN", "restart", "access.execute")


async def test_a_token_whose_owner_may_no_more(it: Scene) -> None:
    """Nor does the token remember what its owner was allowed once."""
    headers = await it.token("U0ADA", Scope.EXECUTE)
    await it.rewrites("org.yml", "execute: [team:sre]", "execute: [U0BEN]")
    assert (await it.executes(headers)).status_code == 403
    await _is_refused(it, "U0ADA", "restart", "access.execute")


PATHS = [
    "/api/sre/runbooks/executions/RUN-1/approve", "/api/sre/runbooks/executions/RUN-1/approval",
    "/api/sre/runbooks/executions/RUN-1/approvals", "/api/sre/runbooks/executions/RUN-1/votes",
    "/api/sre/runbooks/executions/RUN-1/execute", "/api/sre/runbooks/executions/RUN-1/retry",
    "/api/sre/runbooks/executions/RUN-1/break-glass", "/api/sre/runbooks/executions/RUN-1",
    "/api/sre/runbooks/RUN-1/approve", "/api/sre/runbooks/RUN-1/execute", "/api/sre/runbooks/restart/approve",
    "/api/sre/runbooks/restart/execute/approve", "/api/sre/approvals/RUN-1", "/api/sre/approvals/RUN-1/approve",
    "/api/sre/runs/RUN-1/approve", "/api/sre/incidents/RUN-1/acknowledge", "/api/sre/incidents/RUN-1/resolve",
    "/api/approve/RUN-1", "/slack/approve", "/_sim/click", "/approve?run=RUN-1",
]  # fmt: skip


async def test_paths_that_might_approve(it: Scene) -> None:
    """No address of the API approves, whatever method and token it is asked with."""
    headers = await it.token("U0BEN")
    question = await it.asked()
    body = {"approve": True, "verdict": "approve", "value": "RUN-1", "ts": question["ts"], "user": "U0BEN"}
    for path in PATHS:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = await it.http.request(method, path, headers=headers, json=body)
            assert answer.status_code in (404, 405, 422), (method, path, answer.text)
    await it.story.settle()
    assert not it.there.counts
    assert "waits for approval" in await it.words()


async def test_a_token_at_slacks_address(it: Scene) -> None:
    """A token does not sign what only Slack may say."""
    payload = it.click("U0BEN", await it.asked(), APPROVE)
    answer = await it.http.post("/slack/events", headers=await it.token("U0BEN"), json=payload)
    assert answer.status_code == 401
    assert not it.there.counts


@pytest.mark.parametrize(
    "extra",
    [
        {"requested_by": "U0CLEO"}, {"source": "automation"}, {"approval": "none"}, {"approved": True},
        {"by": "U0CLEO"}, {"edited_by": []}, {"status": "running"}, {"version": "0"}, {"severity": "P1"},
        {"user": {"id": "U0CLEO"}},
    ],
    ids=str,
)  # fmt: skip
async def test_a_body_that_says_more(it: Scene, extra: dict[str, Any]) -> None:
    """A request says what to run with and why; who asks and what it needs is not for it to say."""
    answer = await it.executes(await it.token("U0ADA", Scope.EXECUTE), parameters={}, **extra)
    assert answer.status_code == 422
    assert await it.story.by_the_bot(OPS) == []


async def test_headers_that_say_who(it: Scene) -> None:
    """No header makes the token somebody else's."""
    said = {"X-Forwarded-User": "U0CLEO", "X-Slack-User": "U0CLEO", "X-User-Id": "U0CLEO", "From": "U0CLEO"}
    answer = await it.executes({**await it.token("U0ADA", Scope.EXECUTE), **said})
    assert answer.json()["requested_by"] == "U0ADA"
    await it.clicks("U0ADA", await it.question(), APPROVE)
    await it.is_refused("U0ADA")


BROKEN: list[tuple[str, Any]] = [
    ("host", ["shop-1"]), ("host", {"a": "shop-1"}), ("host", [[["shop-1"]]]), ("host", 1), ("host", True),
    ("host", "shop-1\n"), ("host", "shop-1 x"), ("host", "SHOP"), ("host", "a" * 501), ("host", "\x00"),
    ("host", "\ud800"), ("host", {}), ("host", []),
    ("count", "1; reboot"), ("count", 10), ("count", 1.5), ("count", True), ("count", [1]), ("count", 10**400),
    ("count", "１"), ("count", float("nan")), ("count", float("inf")),
    ("share", float("nan")), ("share", float("inf")), ("share", -1), ("share", "NaN"), ("share", {"$gt": 0}),
    ("hard", "maybe"), ("hard", 2), ("hard", []), ("pause", 10), ("pause", "-1s"), ("pause", ["10s"]),
    ("mode", "none"), ("mode", ["all"]), ("mode", {"all": True}), ("key", "hunter2"), ("key", {"secret": "env:PATH"}),
    ("key", ""), ("nothing", 1), ("__class__", "x"), ("reason", "x"),
]  # fmt: skip


async def test_values_of_other_types(opens: Opener) -> None:
    """The rule of a parameter holds for every JSON value; what breaks it is refused before anything is asked for."""
    async with opens(runbooks={"restart": TYPED}) as it:
        headers = {**await it.token("U0ADA", Scope.EXECUTE), "content-type": "application/json"}
        for name, value in BROKEN:
            body = json.dumps({"parameters": {name: value}})
            answer = await it.http.post("/api/sre/runbooks/restart/execute", headers=headers, content=body)
            assert answer.status_code in (400, 422), (name, value, answer.status_code, answer.text)
            assert "hunter2" not in answer.text
        for raw in ("[" * 100_000, '{"parameters": ' * 50_000, "NaN", '{"parameters": {"host": ', "\xff", '"x"', "[]"):
            answer = await it.http.post("/api/sre/runbooks/restart/execute", headers=headers, content=raw.encode())
            assert answer.status_code in (400, 413, 422), (raw[:40], answer.status_code, answer.text)
        await it.story.settle()
        assert not it.there.counts
        assert await it.story.by_the_bot(OPS) == []


async def test_the_same_parameter_twice(it: Scene) -> None:
    """Of a name that is given twice the last counts everywhere: what was checked is what is shown and run."""
    headers = {**await it.token("U0ADA", Scope.EXECUTE), "content-type": "application/json"}
    body = b'{"parameters": {"host": "shop-1", "host": "shop-2"}, "parameters": {"host": "shop-3"}}'
    await it.http.post("/api/sre/runbooks/restart/execute", headers=headers, content=body)
    await it.story.settle()
    assert "shop-3" in await it.words()
    await it.approved()
    assert '{"host":"shop-3"}' in it.there.bodies


async def test_the_key_of_another_token(it: Scene) -> None:
    """An Idempotency-Key is its token's own: guessing one leads to no run of anybody else's."""
    ada, ben = await it.token("U0ADA", Scope.EXECUTE), await it.token("U0BEN", Scope.EXECUTE)
    for headers in (ada, ben, ada):
        answer = await it.executes({**headers, "Idempotency-Key": "deploy-1"})
        assert answer.status_code == 202
    assert answer.json()["execution_id"] == "RUN-1"
    await it.clicks("U0BEN", await it.question("RUN-2"), APPROVE, value="RUN-2")
    await it.is_audited("U0BEN", "RUN-2", because="somebody else must approve it")
    other = await it.executes({**ada, "Idempotency-Key": "deploy-1"}, parameters={"host": "shop-9"})
    assert other.status_code in (409, 422)
    assert not it.there.counts


async def test_a_key_that_is_a_click(it: Scene) -> None:
    """A key made to look like that of a click does not keep the click from being carried out, nor carries it out."""
    payload = it.click("U0BEN", await it.asked(), APPROVE)
    headers = {**await it.token("U0ADA", Scope.EXECUTE), "Idempotency-Key": payload["trigger_id"]}
    assert (await it.executes(headers)).json()["execution_id"] == "RUN-2"
    await it.clicks("U0BEN", await it.question(), APPROVE)
    assert dict(it.there.counts) == QUICK
