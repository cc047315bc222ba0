"""PagerDuty over TLS: what is asked of it, and what its refusals and silences mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from bot.domain.errors import Throttled, Undeliverable
from bot.domain.escalation.page import OnCall, Page
from bot.domain.text.secret import Secret
from bot.integrations.pagerduty import PagerDuty
from tests.support.clock import START, HandClock
from tests.support.pagerduty import API_KEY, ROUTING_KEY, SENDER, PagerDutyStandIn, shift

HOUR = timedelta(hours=1)
PAGE = Page("Checkout is down", "INC-42", "checkout", details="Nobody can pay", link="https://acme.slack.com/x")


def speaking(stand_in: PagerDutyStandIn, *, routing_key: str = ROUTING_KEY, api_key: str = API_KEY) -> PagerDuty:
    return PagerDuty(
        routing_key=Secret(routing_key) if routing_key else None,
        api_key=Secret(api_key) if api_key else None,
        sender=SENDER,
        events_url=stand_in.url,
        api_url=stand_in.url,
        timeout_seconds=5,
    )


@pytest.fixture
def pager(pagerduty: PagerDutyStandIn) -> Iterator[PagerDuty]:
    made = speaking(pagerduty)
    yield made
    made.close()


async def test_triggered_acknowledged_and_resolved_by_its_key(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """The same key names the page from the first event to the last, and a second trigger opens nothing."""
    await pager.trigger(PAGE)
    await pager.trigger(PAGE)
    assert list(pagerduty.incidents) == ["INC-42"]
    payload = pagerduty.events[0]["payload"]
    assert (payload["summary"], payload["source"], payload["severity"]) == ("Checkout is down", "checkout", "critical")
    assert pagerduty.events[0]["links"] == [{"href": "https://acme.slack.com/x", "text": "INC-42"}]
    await pager.acknowledge("INC-42")
    assert pagerduty.incidents["INC-42"]["status"] == "acknowledged"
    await pager.resolve("INC-42")
    assert pagerduty.incidents["INC-42"]["status"] == "resolved"


async def test_by_events_alone(pagerduty: PagerDutyStandIn) -> None:
    """With a routing key and nothing else, pages open and close; what needs the API key names its variable."""
    pager = speaking(pagerduty, api_key="")
    await pager.trigger(PAGE)
    await pager.resolve("INC-42")
    assert [event["event_action"] for event in pagerduty.events] == ["trigger", "resolve"]
    with pytest.raises(Undeliverable, match="PAGERDUTY_API_KEY") as problem:
        await pager.on_call("PABC123")
    assert problem.value.permanent
    pager.close()


async def test_a_service_is_paged_once(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """A service's page goes to that service; said again after a lost answer, it is one page."""
    pagerduty.hangs_up(after=True)
    with pytest.raises(Undeliverable) as problem:
        await pager.page(PAGE, service="PSVC123")
    assert problem.value.maybe_done
    await pager.page(PAGE, service="PSVC123")
    (made,) = pagerduty.incidents.values()
    assert made["service"] == {"id": "PSVC123", "type": "service_reference"}
    assert made["title"] == "Checkout is down"
    assert "Nobody can pay" in made["body"]["details"]
    await pager.acknowledge("INC-42")
    assert pagerduty.incidents["INC-42"]["status"] == "acknowledged"
    assert pagerduty.events == []


async def test_a_person_is_paged(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """One person is found by exactly their address, and the page is theirs."""
    pagerduty.users.insert(0, {"id": "PUOTHER", "name": "Other", "email": "ada@elsewhere.example"})
    await pager.page(PAGE, service="PSVC123", people=["Ada@Example.com"])
    (made,) = pagerduty.incidents.values()
    assert made["assignments"] == [{"assignee": {"id": "PUADA", "type": "user_reference"}}]
    with pytest.raises(Undeliverable, match="no_such_user") as problem:
        await pager.page(PAGE, service="PSVC123", people=["nobody@example.com"])
    assert problem.value.permanent


async def test_a_person_without_a_service(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """Where no service is named, the page goes where the routing key leads and says for whom it is."""
    await pager.page(PAGE, people=["ada@example.com"])
    assert pagerduty.events[0]["payload"]["custom_details"]["for"] == "ada@example.com"


async def test_several_people_are_one_page(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """The first of them ends it for all; whom PagerDuty does not know is said."""
    pagerduty.users.append({"id": "PUBEN", "name": "Ben", "email": "ben@example.com"})
    people = ["ben@example.com", "nobody@example.com", "ada@example.com"]
    paged = await pager.page(PAGE, service="PSVC123", people=people)
    (made,) = pagerduty.incidents.values()
    assert [one["assignee"]["id"] for one in made["assignments"]] == ["PUBEN", "PUADA"]
    assert (paged.remote, paged.unknown) == (made["id"], ("nobody@example.com",))


async def test_it_is_asked_last_whether_it_is_wanted(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """What is no longer wanted at the last moment does not leave."""

    @asynccontextmanager
    async def somebody_is_on_it() -> AsyncIterator[None]:
        if pagerduty.incidents == {}:
            raise Undeliverable("somebody is on it", permanent=True)
        yield

    for service in (None, "PSVC123"):
        with pytest.raises(Undeliverable, match="somebody is on it"):
            await pager.page(PAGE, service=service, people=["ada@example.com"], still=somebody_is_on_it)
    assert pagerduty.incidents == {}
    assert [one for one in pagerduty.requests if one.startswith("POST")] == []


async def test_nothing_is_held_while_pagerduty_is_waited_for(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """What is asked is held while the request leaves, and let go before it is answered."""
    entered, left = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def wanted() -> AsyncIterator[None]:
        assert pagerduty.requests[asked:] == []
        entered.set()
        yield
        left.set()

    async def before_it_answers() -> None:
        await left.wait()

    for service in (None, "PSVC123"):
        entered.clear()
        left.clear()
        asked = len(pagerduty.requests)
        pagerduty.meanwhile = before_it_answers
        await pager.page(PAGE, service=service, still=wanted)
        assert entered.is_set()
    assert pagerduty.requests == ["POST /v2/enqueue", "POST /incidents", "GET /incidents"]


async def test_who_cannot_be_asked_holds_it_up(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """Where it cannot be found out whether it is wanted, nothing leaves, and that is not PagerDuty's fault."""

    @asynccontextmanager
    async def out_of_reach() -> AsyncIterator[None]:
        raise OSError("no database")
        yield  # type: ignore[unreachable]

    with pytest.raises(Undeliverable, match="held_up: OSError") as problem:
        await pager.page(PAGE, service="PSVC123", still=out_of_reach)
    assert not problem.value.maybe_done
    assert pagerduty.requests == []


async def test_who_somebody_is(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """A person of PagerDuty's has a name and an address, and is asked about once."""
    assert await pager.who("PUADA") == OnCall("PUADA", "Ada", "ada@example.com")
    assert await pager.who("PUADA") == OnCall("PUADA", "Ada", "ada@example.com")
    assert pagerduty.requests == ["GET /users/PUADA"]
    with pytest.raises(Undeliverable) as problem:
        await pager.who("PUNOBODY")
    assert problem.value.permanent


async def test_a_note_stands_beside_the_page(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """A note is written to what is open under the key; where nothing is, that is said."""
    await pager.trigger(PAGE)
    await pager.note("INC-42", "Rolled back to 1.41")
    assert pagerduty.notes == [("Q0", "Rolled back to 1.41")]
    with pytest.raises(Undeliverable, match="no_open_incident"):
        await pager.note("INC-43", "Nobody sees this")


async def test_who_is_on_call(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """People on call by a schedule come once each, the first level first; a gap is nobody."""
    ada = pagerduty.users[0]
    ben = {"id": "PUBEN", "summary": "Ben"}
    entries = [(ben, 2), (ada, 1), (ada, 3)]
    pagerduty.schedules = {
        "PABC123": [{"user": user, "escalation_level": level} for user, level in entries],
        "PGAP": [],
    }
    assert await pager.on_call("PABC123") == (OnCall("PUADA", "Ada", "ada@example.com"), OnCall("PUBEN", "Ben"))
    assert await pager.on_call("PGAP") == ()
    with pytest.raises(Undeliverable, match="http_404: Not Found") as problem:
        await pager.on_call("PNONE")
    assert problem.value.permanent


async def test_until_when_and_who_is_next(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """A shift says when it ends, and at that moment the next one is on call; who always is has no end."""
    pagerduty.clock = HandClock()
    there = [shift("ada", START - HOUR, START + HOUR), shift("ben", START + HOUR, START + 2 * HOUR)]
    pagerduty.schedules = {"PABC123": there, "PALWAYS": [{**there[0], "end": None, "start": None}]}
    (ada,) = await pager.on_call("PABC123")
    assert (ada.name, ada.until) == ("ada", START + HOUR)
    (ben,) = await pager.on_call("PABC123", ada.until)
    assert (ben.name, ben.until) == ("ben", START + 2 * HOUR)
    pagerduty.clock = None
    (always,) = await pager.on_call("PALWAYS")
    assert always.until is None


async def test_an_event_that_is_refused(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """What PagerDuty calls invalid is not tried again, and says what is wrong."""
    with pytest.raises(Undeliverable, match=r"http_400: Event object is invalid 'payload\.source' is") as problem:
        await pager.trigger(replace(PAGE, source=""))
    assert problem.value.permanent


async def test_too_many_requests(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """A 429 is one request, and says for how long to wait."""
    pagerduty.answers(429, retry_after="17")
    pagerduty.answers(429, ratelimit_reset="42")
    pagerduty.answers(429)
    waits = []
    for _ in range(3):
        with pytest.raises(Throttled) as problem:
            await pager.trigger(PAGE)
        waits.append(problem.value.retry_after_seconds)
    assert waits == [17, 42, 10]
    await pager.trigger(PAGE)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
async def test_a_server_that_stumbles(pager: PagerDuty, pagerduty: PagerDutyStandIn, status: int) -> None:
    """After a 5xx it may have happened; it is asked once, and whether to repeat is not decided here."""
    pagerduty.answers(status)
    with pytest.raises(Undeliverable, match=f"http_{status}") as problem:
        await pager.page(PAGE, service="PSVC123")
    assert (problem.value.maybe_done, problem.value.permanent) == (True, False)
    assert pagerduty.requests == ["POST /incidents"]


@pytest.mark.parametrize("status", [401, 402, 403])
async def test_a_key_that_is_refused_waits(pager: PagerDuty, pagerduty: PagerDutyStandIn, status: int) -> None:
    """An operator mends a key: what was promised meanwhile is not given up."""
    pagerduty.answers(status)
    with pytest.raises(Undeliverable) as problem:
        await pager.on_call("PABC123")
    assert (problem.value.maybe_done, problem.value.permanent) == (False, False)


async def test_a_connection_that_drops(pager: PagerDuty, pagerduty: PagerDutyStandIn) -> None:
    """A dropped connection leaves a doubt, and one request; said again by its key, it is one page."""
    pagerduty.hangs_up(after=True)
    with pytest.raises(Undeliverable, match="answer_lost") as problem:
        await pager.trigger(PAGE)
    assert problem.value.maybe_done
    assert pagerduty.requests == ["POST /v2/enqueue"]
    await pager.trigger(PAGE)
    assert len(pagerduty.incidents) == 1


async def test_nobody_there(tls: object) -> None:
    """Where nothing listens, nothing left: it can be repeated without a doubt."""
    pager = PagerDuty(routing_key=Secret(ROUTING_KEY), events_url="https://127.0.0.1:1", timeout_seconds=5)
    with pytest.raises(Undeliverable, match="not_reached") as problem:
        await pager.trigger(PAGE)
    assert not problem.value.maybe_done
    pager.close()


async def test_a_stranger_gets_no_key(
    pagerduty: PagerDutyStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose certificate is not trusted hears nothing."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    pager = speaking(pagerduty)
    with pytest.raises(Undeliverable, match="not_reached"):
        await pager.trigger(PAGE)
    assert pagerduty.requests == []
    pager.close()
