"""What the HTTP door says of itself, and how it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import Request, Response
from sqlalchemy import delete, update

from bot.domain.catalogue.catalogue import Finding
from bot.http.door import HttpDoor
from bot.http.limits import BODY_LIMIT
from bot.store.db.database import open_database
from bot.store.tables import people as people_tables, queue as queue_tables
from tests.http.conftest import TokenFor, client_of
from tests.support.story import Story


def _is_a_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert body["status"] == status
    return body


async def test_alive_needs_nothing(api: httpx.AsyncClient) -> None:
    """/healthz answers without a token and asks nobody."""
    answer = await api.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ready_when_everything_is_there(story: Story, api: httpx.AsyncClient) -> None:
    """With database, schema, Slack and a worker at work, /readyz is 200 and has nothing to add."""
    await story.settle()
    answer = await api.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "checks": {"database": "ok", "schema": "ok", "slack": "ok", "worker": "ok"},
        "notes": [],
    }


async def test_stalled_worker_is_not_ready(story: Story, api: httpx.AsyncClient) -> None:
    """Without a worker's sign of life in the last seconds, /readyz is 503 and says how old the last one is."""
    await story.settle()
    story.clock.advance(seconds=60)
    answer = await api.get("/readyz")
    assert answer.status_code == 503
    assert "60 s old" in answer.json()["checks"]["worker"]


async def test_never_started_worker_is_not_ready(story: Story, api: httpx.AsyncClient) -> None:
    """Where no worker was ever seen, /readyz says how to start one."""
    async with story.deps.database.transaction() as tx:
        await tx.execute(delete(queue_tables.workers))
    assert "tocsin worker" in (await api.get("/readyz")).json()["checks"]["worker"]


async def test_slack_away_is_not_ready(story: Story) -> None:
    """Without Slack the bot is not ready, and says so in the door's own sentence."""
    await story.settle()
    async with client_of(HttpDoor(deps=lambda: story.deps, slack_trouble=lambda: "Slack is away.")) as api:
        answer = await api.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["slack"]) == (503, "Slack is away.")


async def test_unusable_channel_is_only_a_note(story: Story, api: httpx.AsyncClient) -> None:
    """A channel that cannot be used, or an edit of the catalogue that is broken, is a sentence at 200."""
    await story.settle()
    async with story.deps.database.transaction() as tx:
        await tx.execute(
            update(people_tables.channels)
            .where(people_tables.channels.c.channel_name == "incidents")
            .values(channel=None, problem="#incidents is archived: unarchive it or name another channel.")
        )
    story.deps.current_catalogue.findings = (Finding("runbooks/default/service.yml", 3, "Unknown key “severty”."),)
    answer = await api.get("/readyz")
    assert answer.status_code == 200
    notes = " ".join(answer.json()["notes"])
    assert "#incidents is archived" in notes
    assert "service.yml:3" in notes


async def test_old_schema_is_not_ready(story: Story, api: httpx.AsyncClient) -> None:
    """A database of another version is 503 with the command that mends it."""
    async with story.deps.database.transaction() as tx:
        await tx.exec_driver_sql("UPDATE alembic_version SET version_num = 'older'")
    answer = await api.get("/readyz")
    assert answer.status_code == 503
    assert "tocsin migrate" in answer.json()["checks"]["schema"]


async def test_lost_database_is_not_ready(story: Story, sqlite_url: str) -> None:
    """Where the database does not answer, /readyz says so at once and the API answers 503, without a trace."""
    broken = await _without_tables(sqlite_url)
    deps = replace(story.deps, database=broken)
    async with client_of(HttpDoor(deps=lambda: deps, slack_trouble=story.door.trouble)) as api:
        assert (await api.get("/readyz")).status_code == 503
        refused = await api.get("/api/sre/incidents", headers={"Authorization": "Bearer x"})
        assert "Retry-After" in refused.headers
        assert "Traceback" not in str(_is_a_problem(refused, 503))
    await broken.close()


async def _without_tables(sqlite_url: str) -> Any:
    path = sqlite_url.replace("tocsin.db", "empty.db")
    return await open_database(path)


# --- refusing ---


async def test_every_refusal_is_problem_json(story: Story, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """Unknown addresses, wrong methods, wrong bodies and missing tokens are all RFC 9457 problems with a sentence."""
    headers = await token_for()
    _is_a_problem(await api.get("/nothing/here"), 404)
    _is_a_problem(await api.delete("/api/sre/incidents", headers=headers), 405)
    _is_a_problem(await api.get("/api/sre/incidents"), 401)
    _is_a_problem(await api.get("/api/sre/incidents/INC-99", headers=headers), 404)
    _is_a_problem(await api.get("/api/sre/incidents/what", headers=headers), 404)
    wrong = await api.post("/api/sre/incidents", content=b"{not json", headers=headers)
    assert _is_a_problem(wrong, 422)["errors"]


async def test_surprise_is_a_reference_and_no_trace(story: Story, token_for: TokenFor) -> None:
    """A bug of ours is 500 with a reference for the operator, and nothing else of it."""
    headers = await token_for()
    deps = replace(story.deps, current_catalogue=None)  # type: ignore[arg-type]
    async with client_of(HttpDoor(deps=lambda: deps, slack_trouble=lambda: None)) as api:
        answer = await api.get("/api/sre/incidents?service=x", headers=headers)
    body = _is_a_problem(answer, 500)
    assert "reference" in body["detail"]
    assert "NoneType" not in answer.text


async def test_oversized_body_is_refused(api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """More than a megabyte is 413, whether its length was announced or it just keeps coming."""
    headers = await token_for()

    async def stream() -> Any:
        for _ in range(BODY_LIMIT // 50_000 + 2):
            yield b"x" * 50_000

    _is_a_problem(await api.post("/api/sre/incidents", content=b"x" * (BODY_LIMIT + 1), headers=headers), 413)
    _is_a_problem(await api.post("/api/sre/incidents", content=stream(), headers=headers), 413)


async def test_slack_over_http_needs_the_secret(api: httpx.AsyncClient) -> None:
    """Without a signing secret, Slack's address is 404 with the variable that is missing."""
    answer = await api.post("/slack/events", content=b"{}")
    assert "SLACK_SIGNING_SECRET" in _is_a_problem(answer, 404)["detail"]


async def test_slack_over_http_reaches_slacks_door(story: Story) -> None:
    """With HTTP mode configured, what Slack posts is handed to the Slack door whole, and its answer goes back."""

    async def slacks_door(request: Request) -> Response:
        return Response(await request.body(), status_code=202)

    door = HttpDoor(deps=lambda: story.deps, slack_trouble=lambda: None, slack_events=slacks_door)
    async with client_of(door) as api:
        answer = await api.post("/slack/events", content=b"command=%2Fincident")
    assert (answer.status_code, answer.content) == (202, b"command=%2Fincident")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_documentation_is_open(path: str, api: httpx.AsyncClient) -> None:
    """The API documents itself, and that takes no token."""
    assert (await api.get(path)).status_code == 200


async def test_documentation_names_what_there_is(api: httpx.AsyncClient) -> None:
    """Every route of the API is in the document; Slack's own address is not for developers."""
    paths = (await api.get("/openapi.json")).json()["paths"]
    runbooks = {f"/api/sre/runbooks{end}" for end in ("", "/{id}/execute", "/executions/{id}")}
    assert {
        "/healthz",
        "/readyz",
        "/hooks/{vendor}",
        "/api/sre/incidents",
        "/api/sre/incidents/{id}",
        "/api/sre/incidents/{id}/acknowledge",
        "/api/sre/incidents/{id}/resolve",
        *runbooks,
    } == set(paths)
