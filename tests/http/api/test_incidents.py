"""Incidents over REST: declared once, listed, and never shown to people who may not see them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest

from bot.domain.people.token import Scope
from bot.http.door import HttpDoor
from bot.services.admin import tokens
from tests.http.conftest import TokenFor, client_of
from tests.support.story import Story

URL = "/api/sre/incidents"
DOWN = {"title": "Checkout is down", "severity": "high"}


async def test_a_script_declares_an_incident(story: Story, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """A script declares as its token's owner: 201, an address to look at, and a channel with the owner in it."""
    headers = await token_for()
    answer = await api.post(URL, json={**DOWN, "impact": "Nobody can pay"}, headers=headers)
    assert answer.status_code == 201
    told = answer.json()
    assert (told["id"], told["severity"], told["service"], told["source"]) == ("INC-1", "P1", "default", "api")
    assert (told["declared_by"], told["impact"], told["status"]) == ("U0ADA", "Nobody can pay", "investigating")
    await story.settle()
    again = (await api.get(answer.headers["location"], headers=headers)).json()
    assert again["channel"]["name"].startswith("inc-1-checkout-is-down")
    assert "U0ADA" in (await story.channel("inc-1"))["members"]


async def test_a_key_declares_once(api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """The same Idempotency-Key declares one incident, even when it comes twice at once; a repeat answers 200."""
    headers = {**await token_for(), "Idempotency-Key": "deploy-4711"}
    both = await asyncio.gather(*(api.post(URL, json=DOWN, headers=headers) for _ in range(2)))
    assert sorted(answer.status_code for answer in both) == [200, 201]
    assert {answer.json()["id"] for answer in both} == {"INC-1"}


async def test_a_key_is_one_tokens_own(api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """Two tokens that happen to choose the same key do not meet."""
    ids = set()
    for owner in ("U0ADA", "U0BEN"):
        headers = {**await token_for(owner), "Idempotency-Key": "1"}
        ids.add((await api.post(URL, json=DOWN, headers=headers)).json()["id"])
    assert ids == {"INC-1", "INC-2"}


async def test_a_key_for_another_request_is_refused(api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """A key that was used for other words is 422, and nothing is declared."""
    headers = {**await token_for(), "Idempotency-Key": "deploy-4711"}
    await api.post(URL, json=DOWN, headers=headers)
    answer = await api.post(URL, json={**DOWN, "title": "Search is down"}, headers=headers)
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["detail"]
    assert len((await api.get(URL, headers=headers)).json()["incidents"]) == 1


async def test_same_words_a_moment_later_are_the_same_incident(api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """Without a key, the same person's same words within a minute are answered 200 with the incident there is."""
    headers = await token_for()
    first, second = [await api.post(URL, json=DOWN, headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": "   "}, "what is wrong"),
        ({"title": "x" * 4001}, "title"),
        ({"title": 7}, "title"),
        ({"title": "x", "severity": "P9"}, "P9"),
        ({"title": "x", "service": "defualt"}, "default"),
        ({"title": "x", "colour": "red"}, "colour"),
        ({"title": "x", "private": "yes"}, "private"),
        ([], "body"),
    ],
)
async def test_malformed_declaration_is_a_sentence(
    body: object, word: str, api: httpx.AsyncClient, token_for: TokenFor
) -> None:
    """What cannot be declared is 422 with a sentence that names the mistake."""
    answer = await api.post(URL, json=body, headers=await token_for())
    assert answer.status_code == 422
    assert word in answer.json()["detail"]


async def test_guest_and_deactivated_owner_may_not_declare(api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """A token is worth no more than its owner: a guest's and a former colleague's are refused in a sentence."""
    for owner in ("U0GUS", "U0EVE", "U0NOBODY"):
        answer = await api.post(URL, json=DOWN, headers=await token_for(owner))
        assert answer.status_code == 403
        assert answer.json()["detail"].endswith(".")


async def test_list_has_every_promised_key(story: Story, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """The list carries the figures beside it: what is open by severity, and the mean times in seconds."""
    headers = await token_for()
    await api.post(URL, json=DOWN, headers=headers)
    story.clock.advance(minutes=2)
    await story.settle()
    await story.types("Ben", "/incident ack INC-1")
    listed = (await api.get(URL, headers=headers)).json()
    assert listed["active_by_severity"] == {"P1": 1}
    assert 120 <= listed["mtta_seconds"] < 180
    assert (listed["mttr_seconds"], listed["recent_alerts"]) == (None, [])
    assert listed["alert_fatigue"] == {"window_days": 7, "rules": [], "noisy": [], "refused_messages": {}}
    assert [one["id"] for one in listed["incidents"]] == ["INC-1"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["INC-2", "INC-1"]),
        ("severity=critical", ["INC-2"]),
        ("severity=p1&severity=SEV1", ["INC-2", "INC-1"]),
        ("service=Default&status=open", ["INC-2", "INC-1"]),
        ("status=resolved", []),
        ("source=api", ["INC-2", "INC-1"]),
        ("source=security", []),
        ("limit=1", ["INC-2"]),
    ],
)
async def test_filters_take_aliases(query: str, ids: list[str], api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """Filters take keys and aliases in any case, and may be repeated."""
    headers = await token_for()
    await api.post(URL, json=DOWN, headers=headers)
    await api.post(URL, json={"title": "Everything is down", "severity": "P0"}, headers=headers)
    answer = await api.get(f"{URL}?{query}", headers=headers)
    assert [one["id"] for one in answer.json()["incidents"]] == ids


@pytest.mark.parametrize(
    ("query", "word"),
    [("severity=p9", "P0, P1"), ("service=nope", "default"), ("status=odd", "open"), ("limit=0", "limit")],
)
async def test_unknown_filter_says_what_there_is(
    query: str, word: str, api: httpx.AsyncClient, token_for: TokenFor
) -> None:
    """A filter that matches nothing there could be is 422 with what there is."""
    answer = await api.get(f"{URL}?{query}", headers=await token_for())
    assert answer.status_code == 422
    assert word in answer.json()["detail"]


async def test_private_incident_stays_private(api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """A private incident is in no list and no figure; alone its declarer can look at it by its number."""
    ada, ben = await token_for("U0ADA"), await token_for("U0BEN")
    declared = await api.post(URL, json={**DOWN, "private": True}, headers=ada)
    assert declared.json()["private"] is True
    for headers in (ada, ben):
        listed = (await api.get(URL, headers=headers)).json()
        assert (listed["incidents"], listed["active_by_severity"]) == ([], {})
    assert (await api.get(f"{URL}/INC-1", headers=ada)).status_code == 200
    hidden = await api.get(f"{URL}/INC-1", headers=ben)
    absent = await api.get(f"{URL}/INC-7", headers=ben)
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json()["detail"].replace("INC-1", "INC-7") == absent.json()["detail"]


async def test_drill_is_listed_and_not_counted(api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """A drill shows in the list, and is kept out of the figures."""
    headers = await token_for()
    await api.post(URL, json={**DOWN, "drill": True}, headers=headers)
    listed = (await api.get(URL, headers=headers)).json()
    assert [one["drill"] for one in listed["incidents"]] == [True]
    assert listed["active_by_severity"] == {}


# --- who may ---


async def test_without_a_token_nothing_opens(story: Story, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """No token, an unknown one and a revoked one are 401 with a challenge; a token without the scope is 403."""
    headers = await token_for("U0ADA", Scope.INGEST)
    for method in ("GET", "POST"):
        assert (await api.request(method, URL, json=DOWN, headers=headers)).status_code == 403
    await tokens.revoke(story.deps, "U0ADA-ingest", by="test")
    for sent in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}, headers):
        for method in ("GET", "POST"):
            answer = await api.request(method, URL, json=DOWN, headers=sent)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_reading_token_does_not_write(api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """Reading is not writing: each takes its own scope."""
    reader, writer = await token_for("U0ADA", Scope.READ), await token_for("U0ADA", Scope.WRITE)
    assert (await api.post(URL, json=DOWN, headers=reader)).status_code == 403
    assert (await api.get(URL, headers=writer)).status_code == 403
    assert (await api.post(URL, json=DOWN, headers=writer)).status_code == 201


async def test_public_reading_shows_nothing_private(story: Story, token_for: TokenFor) -> None:
    """With TOCSIN_API_PUBLIC_READ everybody reads and nobody writes; a private incident is as good as absent."""
    deps = replace(story.deps, config=replace(story.deps.config, public_read=True))
    async with client_of(HttpDoor(deps=lambda: deps, slack_trouble=story.door.trouble)) as api:
        ada = await token_for()
        await api.post(URL, json={**DOWN, "private": True}, headers=ada)
        await api.post(URL, json={"title": "Search is slow"}, headers=ada)
        assert [one["id"] for one in (await api.get(URL)).json()["incidents"]] == ["INC-2"]
        assert (await api.get(f"{URL}/INC-1")).status_code == 404
        assert (await api.get(f"{URL}/INC-2")).status_code == 200
        assert (await api.post(URL, json=DOWN)).status_code == 401
        assert (await api.get(URL, headers={"Authorization": "Bearer nonsense"})).status_code == 401
