"""page against a PagerDuty over TLS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from bot.domain.catalogue.runbook import Kind
from bot.domain.people.recipients import Meant, Recipients
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown
from bot.domain.text.masking import Masker
from bot.domain.text.secret import Secret
from bot.engine.steps import STEPS, StepRecipients
from bot.engine.steps.page import NOT_SET_UP
from bot.integrations.pagerduty import PagerDuty
from tests.engine.steps.support import NASTY, Wire, cancelled, make_context, wire_to
from tests.support.backends import free_port
from tests.support.pagerduty import API_KEY, ROUTING_KEY, SENDER, PagerDutyStandIn

perform = STEPS[Kind.PAGE]

ADA = Meant(Recipients(people=(("U0ADA", "ada@example.com"),)), "run-7", on_behalf="PSVC123")
DESK = Meant(Recipients(pagerduty_service="PSVC999"), "run-7")
WORDS = {"to": "oncall", "text": "The shop does not come back\nrestart_shop gave up"}
KEY = "run-1.restart"


@pytest.fixture
async def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PagerDutyStandIn]:
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    async with PagerDutyStandIn().serving(tls) as stand_in:
        yield stand_in


@pytest.fixture
def pager(there: PagerDutyStandIn) -> Iterator[PagerDuty]:
    made = speaking(there.url)
    yield made
    made.close()


@pytest.fixture
async def wire(there: PagerDutyStandIn) -> AsyncIterator[Wire]:
    url = urlsplit(there.url)
    async with wire_to(url.hostname or "", url.port or 0) as opened:
        yield opened


def speaking(url: str, *, routing_key: str = "", api_key: str = API_KEY) -> PagerDuty:
    return PagerDuty(
        routing_key=Secret(routing_key) if routing_key else None,
        api_key=Secret(api_key) if api_key else None,
        sender=SENDER,
        events_url=url,
        api_url=url,
        timeout_seconds=2,
    )


async def wake(
    pager: PagerDuty, meant: Meant = ADA, *, seconds: float = 5.0, masker: Masker | None = None, **more: Any
) -> Outcome:
    async def look(to: str, contact: Mapping[str, Any] | None) -> Meant:
        return meant

    recipients = StepRecipients(look, "shop", pager=pager)
    context = make_context(recipients=recipients, timeout_seconds=seconds, masker=masker or Masker())
    return await perform({**WORDS, **more}, context)


async def test_it_succeeds(pager: PagerDuty, there: PagerDutyStandIn) -> None:
    """People are woken on behalf of the service's own; the key names the step, so twice wakes nobody twice."""
    for _ in range(2):
        assert await wake(pager) == Done({"reached": ["ada@example.com"], "missed": []}, "Paged ada@example.com.")
    assert list(there.incidents) == [KEY]
    assert there.incidents[KEY]["title"] == "The shop does not come back"
    assert there.incidents[KEY]["service"]["id"] == "PSVC123"
    assert there.incidents[KEY]["assignments"][0]["assignee"]["id"] == "PUADA"
    assert "restart_shop gave up" in there.incidents[KEY]["body"]["details"]


async def test_a_contact_at_pagerduty(pager: PagerDuty, there: PagerDutyStandIn) -> None:
    """A contact with a service of PagerDuty's wakes the people who answer for it there."""
    assert await wake(pager, DESK, to="desk") == Done({"reached": ["desk"], "missed": []}, "Paged desk.")
    assert there.incidents[KEY]["service"]["id"] == "PSVC999"


async def test_by_the_routing_key(there: PagerDutyStandIn) -> None:
    """With that alone the page goes where it leads, and says for whom it is."""
    pager = speaking(there.url, routing_key=ROUTING_KEY, api_key="")
    assert isinstance(await wake(pager), Done)
    assert there.events[0]["dedup_key"] == KEY
    assert "ada@example.com" in str(there.events[0]["payload"]["custom_details"])
    pager.close()


async def test_who_is_not_known_there_is_said(pager: PagerDuty, there: PagerDutyStandIn) -> None:
    """One of two has no account at PagerDuty: the other is woken, and the sentence names who was not."""
    two = Recipients(people=(("U0ADA", "ada@example.com"), ("U0BEN", "ben@example.com")))
    outcome = await wake(pager, replace(ADA, reach=two))
    assert isinstance(outcome, Done)
    assert outcome.result["reached"] == ["ada@example.com"]
    assert outcome.sentence == "It did not reach ben@example.com: PagerDuty knows nobody of that address."


async def test_it_fails_once(pager: PagerDuty, there: PagerDutyStandIn) -> None:
    """What PagerDuty refuses did certainly not wake anybody, and is said in its words."""
    for status in (403, 429):
        there.answers(status)
        outcome = await wake(pager)
        assert isinstance(outcome, Failed)
        assert outcome.certain
    assert there.incidents == {}


async def test_it_times_out_once(pager: PagerDuty, wire: Wire) -> None:
    """No answer in time: somebody may have been woken."""
    wire.is_silent = True
    held = speaking(f"https://127.0.0.1:{wire.port}", routing_key=ROUTING_KEY, api_key="")
    assert isinstance(await wake(held, seconds=0.3), Unknown)
    held.close()


async def test_a_lost_answer_leaves_it_unknown(there: PagerDutyStandIn) -> None:
    """The page was taken and the connection broke: nobody knows; asked again it is one page."""
    pager = speaking(there.url, routing_key=ROUTING_KEY, api_key="")
    there.hangs_up(after=True)
    assert isinstance(await wake(pager), Unknown)
    assert isinstance(await wake(pager), Done)
    assert list(there.incidents) == [KEY]
    pager.close()


async def test_it_is_killed_in_mid_effect(there: PagerDutyStandIn, wire: Wire) -> None:
    """Cancelled while it waits for the answer, it ends; there is at most one page."""
    wire.is_silent = True
    held = speaking(f"https://127.0.0.1:{wire.port}", routing_key=ROUTING_KEY, api_key="")
    await cancelled(wake(held), wire.passed)
    assert len(there.events) <= 1
    held.close()


async def test_an_unreachable_pagerduty_is_certain() -> None:
    """Nothing left, so even a once step may be tried again."""
    pager = speaking(f"https://127.0.0.1:{free_port()}", routing_key=ROUTING_KEY, api_key="")
    outcome = await wake(pager)
    assert isinstance(outcome, Failed)
    assert outcome.certain
    pager.close()


async def test_nobody_to_wake(pager: PagerDuty, there: PagerDutyStandIn) -> None:
    """People without an address, and an installation that does not say where to: nothing leaves."""
    for meant, said in ((replace(ADA, reach=Recipients()), "has an address"), (replace(ADA, on_behalf=None), "go")):
        outcome = await wake(pager, meant)
        assert isinstance(outcome, Failed)
        assert (outcome.certain, said in outcome.sentence) == (True, True)
    assert there.requests == []
    assert await perform(WORDS, make_context()) == Failed(NOT_SET_UP, certain=True)


async def test_a_drill_wakes_nobody(pager: PagerDuty, there: PagerDutyStandIn) -> None:
    """It says who would be woken, and the run goes on."""
    outcome = await wake(pager, replace(ADA, is_drill=True))
    assert isinstance(outcome, Done)
    assert "Now oncall would be paged" in outcome.sentence
    assert there.requests == []


async def test_what_is_private_stays_in_its_channel(pager: PagerDuty, there: PagerDutyStandIn) -> None:
    """A private incident's page says that somebody is needed, and not what for."""
    await wake(pager, replace(ADA, is_private=True))
    assert "shop" not in str(there.incidents[KEY]["title"])
    assert "restart_shop" not in str(there.incidents)


@pytest.mark.parametrize("text", [text for text in NASTY if text])
async def test_words_stay_words(pager: PagerDuty, there: PagerDutyStandIn, text: str) -> None:
    """Whatever the text holds is in one page, and in nothing but its words."""
    assert isinstance(await wake(pager, text=f"x {text}"), Done)
    made = there.incidents[KEY]
    assert (made["incident_key"], made["service"]["id"], len(there.incidents)) == (KEY, "PSVC123", 1)
    assert f"x {text}" in made["body"]["details"]


async def test_a_secret_is_not_sent(pager: PagerDuty, there: PagerDutyStandIn) -> None:
    """What is known as a secret is hidden there too."""
    await wake(pager, text="It is hunter2-hunter2", masker=Masker([Secret("hunter2-hunter2")]))
    assert "hunter2" not in str(there.incidents)
