"""What monitoring posts: who may, what is taken, and what is refused with a sentence."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import select

from bot.domain.people.token import Scope
from bot.http.door import HttpDoor
from bot.intake import VENDORS
from bot.ports import Database
from bot.queue import inbox
from bot.services.admin import tokens
from bot.services.ingest import alerts as ingest_alerts, webhooks
from bot.services.ingest.webhooks import Arrival
from bot.store.db.database import open_database
from bot.store.tables import alerts as alerts_tables, queue as queue_tables
from tests.http.conftest import TokenFor, client_of
from tests.support.clock import HandClock
from tests.support.story import Story, well_told

ALERTS = "/hooks/alertmanager"
FIRING = {"status": "firing", "alerts": [{"status": "firing", "labels": {"alertname": "APIDown"}}]}


@pytest.fixture
async def ingest(token_for: TokenFor) -> dict[str, str]:
    return await token_for("U0ADA", Scope.INGEST)


@pytest.fixture
async def on_both(database: Database, clock: HandClock) -> AsyncIterator[Story]:
    async with well_told(database, clock) as story:
        yield story


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


async def kept(story: Story) -> list[Any]:
    async with story.deps.database.reading() as tx:
        return list(await tx.execute(select(queue_tables.inbox).where(queue_tables.inbox.c.kind.like("hook:%"))))


async def test_stored_before_it_is_answered(on_both: Story) -> None:
    """202 says that it is in the database; a second process that starts then would work it."""
    secret = await tokens.create(on_both.deps, "am", [Scope.INGEST], "U0ADA", by="test")
    door = HttpDoor(deps=lambda: on_both.deps, slack_trouble=lambda: None)
    async with client_of(door) as api:
        answer = await api.post(ALERTS, json=FIRING, headers={"Authorization": f"Bearer {secret.reveal()}"})
    assert (answer.status_code, answer.json()) == (202, {"status": "stored"})
    (row,) = await kept(on_both)
    assert (row.kind, row.state, json.loads(row.payload["body"])) == ("hook:alertmanager", "ready", FIRING)


async def test_the_token_as_password(story: Story, api: httpx.AsyncClient) -> None:
    """Senders that know basic authentication only give the token as password, under any name."""
    secret = await tokens.create(story.deps, "am", [Scope.INGEST], "U0ADA", by="test")
    answer = await api.post(ALERTS, json=FIRING, auth=("anybody", secret.reveal()))
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer tocsin_wrong",
        "Bearer",
        "Basic !!!",
        f"Basic {base64.b64encode(b'tocsin').decode()}",
        f"Basic {base64.b64encode(b'a:tocsin_wrong').decode()}",
        "Digest tocsin_wrong",
    ],
)
async def test_no_or_a_wrong_token(header: str | None, story: Story, api: httpx.AsyncClient) -> None:
    """Without a token in force it is 401, nothing is stored, and the sentence says how to make one or find it."""
    answer = await api.post(ALERTS, json=FIRING, headers={"Authorization": header} if header else {})
    assert "`tocsin token" in refused(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert await kept(story) == []


async def test_a_revoked_token(story: Story, api: httpx.AsyncClient, ingest: dict[str, str]) -> None:
    """From the moment it is revoked, a token opens nothing."""
    await tokens.revoke(story.deps, "U0ADA-ingest", by="test")
    refused(await api.post(ALERTS, json=FIRING, headers=ingest), 401)


async def test_a_token_of_another_scope(api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """A token that may read may not send alerts: 403 with the scope that is missing."""
    answer = await api.post(ALERTS, json=FIRING, headers=await token_for("U0ADA", Scope.READ))
    assert "no ingest scope" in refused(answer, 403)


async def test_nobody_of_that_name(api: httpx.AsyncClient, ingest: dict[str, str]) -> None:
    """A mistyped vendor is 404 with the right spelling."""
    answer = await api.post("/hooks/alertmanger", json=FIRING, headers=ingest)
    assert refused(answer, 404) == "I take no alerts from “alertmanger”. Did you mean “alertmanager”?"


async def test_a_mapping_that_is_not_there(api: httpx.AsyncClient, ingest: dict[str, str]) -> None:
    """A source without a mapping is 404 and says where it belongs."""
    answer = await api.post("/hooks/generic?source=zabbix", json={}, headers=ingest)
    assert "no mapping “zabbix” under `generic` in org.yml" in refused(answer, 404)


async def test_strangers_learn_no_mapping(api: httpx.AsyncClient) -> None:
    """What an operator called the mappings is told to those who may send, and to nobody else."""
    assert "zabbix" not in refused(await api.post("/hooks/generic?source=zabbix", json={}), 401)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "is not JSON"),
        (b"alerts=1", "is not JSON"),
        (b'{"alerts": [', "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[1]", "Send an object"),
        (b"null", "Send an object"),
        (b'{"a":' * 150 + b"1" + b"}" * 150, "deeper than 100 levels"),
        (b"[" * 200_000, "deeper than 100 levels"),
    ],
)
async def test_a_body_that_cannot_be_read(
    body: bytes, sentence: str, story: Story, api: httpx.AsyncClient, ingest: dict[str, str]
) -> None:
    """What is no JSON object, or nested without end, is 400 with a sentence."""
    assert sentence in refused(await api.post(ALERTS, content=body, headers=ingest), 400)
    assert await kept(story) == []


async def test_megabytes_of_alerts(story: Story, api: httpx.AsyncClient, ingest: dict[str, str]) -> None:
    """Nine megabytes are taken, more than ten are 413; other routes keep their one megabyte."""
    assert (await api.post(ALERTS, json={"x": "y" * 9_000_000}, headers=ingest)).status_code == 202
    assert "larger than 10 MB" in refused(await api.post(ALERTS, json={"x": "y" * 10_000_001}, headers=ingest), 413)
    answer = await api.post("/api/sre/incidents", json={"x": "y" * 1_000_001}, headers=ingest)
    assert "larger than 1 MB" in refused(answer, 413)
    assert len(await kept(story)) == 1


async def test_odd_values_are_no_reason_to_refuse(story: Story, api: httpx.AsyncClient, ingest: dict[str, str]) -> None:
    """NaN, numbers without end, bare line ends, a NUL and half a character are kept with the alert around them."""
    body = b'{"alerts": [{"labels": {"alertname": "A\n\\u0000\xff", "v": NaN, "w": 1e999, "n": ' + b"9" * 5000 + b"}}]}"
    assert (await api.post(ALERTS, content=body, headers=ingest)).status_code == 202
    assert len(await kept(story)) == 1


async def test_the_vendors_own_number(story: Story, api: httpx.AsyncClient, ingest: dict[str, str]) -> None:
    """A message that the vendor sends again under its number is one; another body under that number is another."""
    headers = {**ingest, "X-GitHub-Delivery": "72d3162e", "X-GitHub-Event": "ping"}
    for body in ({"zen": "a"}, {"zen": "a"}, {"zen": "b"}):
        story.clock.advance(seconds=1)
        assert (await api.post("/hooks/github", json=body, headers=headers)).status_code == 202
    rows = await kept(story)
    assert [row.payload["headers"] for row in rows] == [{"x-github-event": "ping"}] * 2


async def test_the_token_is_not_stored(story: Story, api: httpx.AsyncClient, ingest: dict[str, str]) -> None:
    """Of the headers only those that say what the body is are kept."""
    await api.post(ALERTS, json=FIRING, headers=ingest)
    (row,) = await kept(story)
    assert "tocsin_" not in json.dumps(row.payload)


async def test_a_database_that_does_not_take_it(story: Story, sqlite_url: str, ingest: dict[str, str]) -> None:
    """503 with Retry-After, never 4xx: Alertmanager throws away what is answered 4xx."""
    broken = await open_database(sqlite_url)
    async with broken.transaction() as tx:
        await tx.exec_driver_sql("DROP TABLE inbox")
    door = HttpDoor(deps=lambda: replace(story.deps, database=broken), slack_trouble=lambda: None)
    async with client_of(door) as api:
        answer = await api.post(ALERTS, json=FIRING, headers=ingest)
    await broken.close()
    refused(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    vendor=st.sampled_from(sorted(VENDORS)), body=st.binary(max_size=60) | JSON.map(lambda it: json.dumps(it).encode())
)
async def test_whatever_is_sent(vendor: str, body: bytes, api: httpx.AsyncClient, ingest: dict[str, str]) -> None:
    """No body at any address is answered 500."""
    answer = await api.post(f"/hooks/{vendor}", content=body, headers=ingest)
    assert answer.status_code in (202, 400)


NAMES = st.sampled_from(
    [
        *("alerts", "labels", "annotations", "status", "startsAt", "endsAt", "fingerprint", "alertname", "severity"),
        *(
            "event",
            "data",
            "id",
            "title",
            "alert",
            "alias",
            "action",
            "Message",
            "Type",
            "workflow_run",
            "truncatedAlerts",
        ),
    ]
)
ODD = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=30)
ODD |= st.sampled_from(
    ["firing", "resolved", "2026-11-20T09:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "a\0b"]
)
LIKE_ALERTS = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=6),
    max_leaves=25,
)
BODY = st.dictionaries(NAMES, LIKE_ALERTS, max_size=6) | st.lists(
    st.dictionaries(NAMES, LIKE_ALERTS, max_size=6), max_size=4
).map(lambda found: {"alerts": found})


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(vendor=st.sampled_from(sorted(VENDORS)), body=BODY)
async def test_whatever_is_taken_is_worked(vendor: str, body: dict[str, Any], on_both: Story) -> None:
    """Odd fields in any position cost no message: each that was answered 202 is worked to its end at the first try."""
    deps = on_both.deps
    on_both.clock.advance(seconds=1)
    arrival = Arrival(vendor, json.dumps(body), {}, on_both.clock.wall())
    await webhooks.store(deps, arrival)
    await inbox.work(deps, ingest_alerts.handle)
    row = next(row for row in await kept(on_both) if row.key == arrival.key)
    assert (row.state, row.error, row.attempts) == ("done", None, 1)
    async with deps.database.reading() as tx:
        there = set((await tx.execute(select(alerts_tables.alert_marks.c.fingerprint))).scalars())
    assert {alert.fingerprint for alert in webhooks.read(deps, arrival).alerts} <= there
