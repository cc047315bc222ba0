"""Alerts over REST: acknowledged and resolved once, listed with filters, and the health of the alerting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from bot.domain.people.token import Scope
from bot.store.tables import incidents as incidents_tables
from tests.http.conftest import TokenFor
from tests.support.alerts import Monitoring, firing, monitoring, over
from tests.support.clock import START
from tests.support.story import Story

URL = "/api/sre/incidents"
DOWN = {"title": "Checkout is down", "severity": "high"}


@pytest.fixture
async def sent(story: Story) -> AsyncIterator[Monitoring]:
    async with monitoring(story) as found:
        yield found


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


# --- acknowledge ------------------------------------------------------------------------------------------------------


async def test_an_alert_is_acknowledged(sent: Monitoring, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """A program acknowledges as its token's owner, whose name is on the card; again changes nothing."""
    await sent.sends(firing())
    headers = await token_for("U0BEN", Scope.WRITE)
    answer = await api.post(f"{URL}/ALR-1/acknowledge", headers=headers)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["id"], told["status"], told["acknowledged_by"]) == ("ALR-1", "acknowledged", "U0BEN")
    await sent.story.settle()
    assert "*On it*\n<@U0BEN>" in await sent.words()
    again = await api.post(f"{URL}/alr-1/acknowledge", headers=await token_for("U0ADA"))
    assert (again.status_code, again.json()) == (200, told)
    deeds = [attempted for attempted in await sent.story.audited("ALR-1") if attempted[1] == "alert.acknowledged"]
    assert deeds == [("U0BEN", "alert.acknowledged")]


async def test_fifty_at_once(sent: Monitoring, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """However many programs acknowledge at the same time, one of them did, and all are told so."""
    await sent.sends(firing())
    headers = await token_for()
    answers = await asyncio.gather(*(api.post(f"{URL}/ALR-1/acknowledge", headers=headers) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert [attempted for _, attempted in await sent.story.audited("ALR-1")].count("alert.acknowledged") == 1


async def test_an_incident_is_acknowledged(sent: Monitoring, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """An incident takes it as well, and with it the alerts that belong to it."""
    await sent.sends(firing("APIDown", severity="critical"))
    headers = await token_for("U0BEN")
    for _ in range(2):
        answer = await api.post(f"{URL}/INC-1/acknowledge", headers=headers)
        told = answer.json()
        assert (answer.status_code, told["id"], told["status"]) == (200, "INC-1", "investigating")
        assert told["acknowledged_by"] == "U0BEN"
    await sent.story.settle()
    assert "*On it*\n<@U0BEN>" in await sent.words()


# --- resolve ----------------------------------------------------------------------------------------------------------


async def test_an_alert_is_resolved(sent: Monitoring, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """Resolved once, with the owner's name on the card; again answers the same; acknowledging it then is 409."""
    await sent.sends(firing(since=START))
    headers = await token_for("U0BEN")
    told = (await api.post(f"{URL}/ALR-1/resolve", headers=headers)).json()
    assert (told["id"], told["status"]) == ("ALR-1", "resolved")
    sent.story.clock.advance(minutes=1)
    assert (await api.post(f"{URL}/ALR-1/resolve", headers=await token_for("U0ADA"))).json() == told
    await sent.story.settle()
    assert "Resolved by <@U0BEN> after 0 s." in await sent.words()
    assert "resolved already" in refused(await api.post(f"{URL}/ALR-1/acknowledge", headers=headers), 409)


async def test_an_incident_is_resolved(story: Story, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """With what fixed it; again, and by somebody else, changes nothing; acknowledging it then is 409."""
    headers = await token_for()
    await api.post(URL, json=DOWN, headers=headers)
    for fix in ("rolled back", "something else"):
        answer = await api.post(f"{URL}/INC-1/resolve", json={"fix": fix}, headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (200, "resolved")
    await story.settle()
    assert "rolled back" in "\n".join(await story.by_the_bot((await story.channel("inc-1"))["id"]))
    refused(await api.post(f"{URL}/INC-1/acknowledge", headers=headers), 409)
    assert [attempted for _, attempted in await story.audited("INC-1")].count("incident.resolved") == 1


# --- who, and what ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["acknowledge", "resolve"])
@pytest.mark.parametrize("name", ["ALR-9", "INC-9", "9", "x", "ALR-99999999999", "%00", "ALR-１"])
async def test_nothing_of_that_name(name: str, verb: str, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """What is not there is 404 with a sentence, whatever it looks like."""
    assert refused(await api.post(f"{URL}/{name}/{verb}", headers=await token_for()), 404)


@pytest.mark.parametrize("verb", ["acknowledge", "resolve"])
async def test_who_may(verb: str, sent: Monitoring, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """No token is 401, one without the scope 403, and a guest's or a former colleague's is worth nothing."""
    await sent.sends(firing())
    path = f"{URL}/ALR-1/{verb}"
    refused(await api.post(path), 401)
    refused(await api.post(path, headers={"Authorization": "Bearer tocsin_wrong"}), 401)
    for owner, scope in (
        ("U0ADA", Scope.READ),
        ("U0ADA", Scope.INGEST),
        ("U0GUS", Scope.WRITE),
        ("U0EVE", Scope.WRITE),
    ):
        refused(await api.post(path, headers=await token_for(owner, scope)), 403)
    await sent.story.settle()
    assert "On it" not in await sent.words()


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"x"', b'{"fix": 7}', b'{"colour": "red"}', b'{"fix": "%s"}' % (b"x" * 3001)]
)
async def test_a_resolution_that_cannot_be_read(
    body: bytes, story: Story, api: httpx.AsyncClient, token_for: TokenFor
) -> None:
    """What is not the shape of a resolution is 422 with a sentence, and nothing is resolved."""
    headers = await token_for()
    await api.post(URL, json=DOWN, headers=headers)
    sent = {**headers, "Content-Type": "application/json"}
    assert refused(await api.post(f"{URL}/INC-1/resolve", content=body, headers=sent), 422)
    assert (await api.get(f"{URL}/INC-1", headers=headers)).json()["status"] == "investigating"


async def test_a_private_incident_is_not_there(api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """Who may not see an incident may not learn by acknowledging it that it exists."""
    await api.post(URL, json={**DOWN, "private": True}, headers=await token_for("U0ADA"))
    ben = await token_for("U0BEN")
    for verb in ("acknowledge", "resolve"):
        assert "There is no INC-1" in refused(await api.post(f"{URL}/INC-1/{verb}", headers=ben), 404)


# --- listed -----------------------------------------------------------------------------------------------------------


async def listed(api: httpx.AsyncClient, headers: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    answer = await api.get(f"{URL}?{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["recent_alerts"])


async def test_single_alerts_are_listed(sent: Monitoring, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """Each alert of a group, the newest first, with its own state and times and its group's id."""
    first, second = firing(host="a", since=START), firing(host="b", since=START)
    await sent.sends(first, second)
    await sent.sends(over(first, START + timedelta(minutes=1)))
    (newer, older) = await listed(api, await token_for())
    assert (older["id"], newer["id"]) == ("ALR-1", "ALR-1")
    assert (older["status"], newer["status"]) == ("resolved", "firing")
    assert older["fingerprint"] != newer["fingerprint"]
    assert newer["labels"] == {"alertname": "Slow", "severity": "high", "host": "b"}
    assert (newer["starts_at"], newer["ends_at"]) == ("2026-11-20T09:00:00Z", None)
    assert older["ends_at"] == "2026-11-20T09:01:00Z"
    assert [newer[name] for name in ("name", "severity", "service", "source")] == [
        "Slow",
        "P1",
        "default",
        "alertmanager",
    ]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Down", "Slow"]),
        ("severity=critical", ["Down"]),
        ("severity=HIGH&severity=p0", ["Down", "Slow"]),
        ("severity=P3", []),
        ("service=Default", ["Down", "Slow"]),
        ("source=AlertManager", ["Down", "Slow"]),
        ("source=security", []),
        ("severity=critical&source=security", []),
        ("status=firing", ["Down"]),
        ("status=open", ["Down"]),
        ("status=resolved", ["Slow"]),
        ("status=resolved&status=firing", ["Down", "Slow"]),
        ("status=investigating", []),
    ],
)
async def test_filters(
    query: str, names: list[str], sent: Monitoring, api: httpx.AsyncClient, token_for: TokenFor
) -> None:
    """The filters of incidents hold for alerts as well, aliases and any case included."""
    await sent.sends(firing("Slow", since=START), firing("Down", severity="critical", since=START))
    await sent.sends(over(firing("Slow", since=START), START))
    assert [one["name"] for one in await listed(api, await token_for(), query)] == names


async def test_a_status_of_alerts_filters_incidents(api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """No incident fires: asked for what fires, none is listed."""
    headers = await token_for()
    await api.post(URL, json=DOWN, headers=headers)
    assert (await api.get(f"{URL}?status=firing", headers=headers)).json()["incidents"] == []


async def test_the_newest_hundred(sent: Monitoring, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """Of many alerts the newest hundred are listed."""
    await sent.sends(*[firing(host=str(number), since=START) for number in range(130)])
    found = await listed(api, await token_for())
    assert [one["labels"]["host"] for one in found] == [str(number) for number in range(129, 29, -1)]


async def test_alerts_of_a_private_incident(sent: Monitoring, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """They are in no list and no figure."""
    await sent.sends(firing("Breach", severity="critical", since=START), firing("Slow", since=START))
    async with sent.story.deps.database.transaction() as tx:
        await tx.execute(update(incidents_tables.incidents).values(private=True))
    headers = await token_for()
    assert [one["name"] for one in await listed(api, headers)] == ["Slow"]
    assert "Breach" not in (await api.get(URL, headers=headers)).text


# --- fatigue ----------------------------------------------------------------------------------------------------------


async def test_how_the_alerting_does(sent: Monitoring, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """Every rule of seven days with what it came to; the noisy ones with a remedy; older ones are forgotten."""
    story = sent.story
    for _ in range(6):
        alert = firing("Flappy", since=story.clock.now())
        await sent.sends(alert, firing("Steady", since=START))
        story.clock.advance(minutes=6)
        await sent.sends(over(alert, story.clock.now()))
    headers = await token_for()
    await api.post(f"{URL}/ALR-2/acknowledge", headers=headers)
    told = (await api.get(URL, headers=headers)).json()["alert_fatigue"]
    assert told["window_days"] == 7
    flappy, steady = told["rules"]
    assert flappy == {
        "service": "default", "name": "Flappy", "fired": 6, "told": 6, "alerts": 6, "acted_on": 0, "returned": 5,
        "flapping": True, "noisy": True,
    }  # fmt: skip
    assert [steady[name] for name in ("name", "fired", "acted_on", "noisy")] == ["Steady", 1, 1, False]
    (noisy,) = told["noisy"]
    assert (noisy["name"], noisy["habit"]) == ("Flappy", "flaps")
    assert noisy["sentence"].startswith("fired 6 times and was back within 15 min of its end 5 times. Raise its `for:`")
    story.clock.advance(hours=24 * 8)
    assert (await api.get(URL, headers=headers)).json()["alert_fatigue"]["rules"] == []
