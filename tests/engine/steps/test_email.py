"""email against a real SMTP mail_server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.catalogue.runbook import Kind
from bot.domain.people.recipients import Meant, Recipients
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown
from bot.domain.text.masking import Masker
from bot.domain.text.secret import Secret
from bot.engine.steps import STEPS, StepRecipients
from bot.integrations.email import SmtpMailer
from tests.engine.steps.support import NASTY, Wire, cancelled, make_context, wire_to
from tests.support.backends import free_port
from tests.support.mail_server import MailServer

perform = STEPS[Kind.EMAIL]

MEANT = Meant(Recipients(("ann@example.com", "bob@example.com")), "inc-42", "1700000000", "run-7-tell")
WORDS = {"to": "ops", "subject": "The shop is back", "text": "It was the cache.\n\nNobody need do anything."}


@pytest.fixture
async def wire(mail_server: MailServer) -> AsyncIterator[Wire]:
    async with wire_to("127.0.0.1", mail_server.port) as opened:
        yield opened


async def send(
    port: int, *, meant: Meant = MEANT, seconds: float = 5.0, masker: Masker | None = None, **more: Any
) -> Outcome:
    async def look(to: str, contact: Mapping[str, Any] | None) -> Meant:
        return meant

    mailer = SmtpMailer("127.0.0.1", port, sender="Tocsin <tocsin@example.com>", timeout_seconds=seconds * 2)
    context = make_context(
        recipients=StepRecipients(look, "shop", mailer), timeout_seconds=seconds, masker=masker or Masker()
    )
    return await perform({**WORDS, **more}, context)


async def test_it_succeeds(mail_server: MailServer) -> None:
    """One message to all who are meant, in the incident's thread; twice it has one Message-ID."""
    outcome = await send(mail_server.port)
    assert outcome == Done(
        {"reached": ["ann@example.com", "bob@example.com"], "missed": []}, "Sent to ann@example.com, bob@example.com."
    )
    await send(mail_server.port)
    first, second = mail_server.received
    assert first.to == ["ann@example.com", "bob@example.com"]
    assert first.message["Message-ID"] == second.message["Message-ID"] == "<inc-42.run-7-tell@1700000000.example.com>"
    assert first.message["References"] == "<inc-42@1700000000.example.com>"
    assert "Nobody need do anything." in first.part("plain")


async def test_who_is_refused_is_said(mail_server: MailServer) -> None:
    """The others have it, so it is done; its sentence names who was refused and who has no address."""
    mail_server.refusals = {"bob@example.com": "550 No such user"}
    outcome = await send(mail_server.port, meant=replace(MEANT, reach=replace(MEANT.reach, unreachable=("U0DAN",))))
    assert isinstance(outcome, Done)
    assert outcome.result["reached"] == ["ann@example.com"]
    assert outcome.sentence == ("It did not reach bob@example.com: 550 No such user; U0DAN: no address is known.")


async def test_it_fails_once(mail_server: MailServer) -> None:
    """What the mail_server refuses whole did certainly not go out, and is said in its words."""
    mail_server.bad_days = ["554 Looks like spam"]
    assert await send(mail_server.port) == Failed(
        "The message did not go out: content_refused: 554 Looks like spam.", certain=True
    )
    mail_server.refusals = dict.fromkeys(MEANT.reach.addresses, "550 No such user")
    outcome = await send(mail_server.port)
    assert isinstance(outcome, Failed)
    assert outcome.certain
    assert "bob@example.com: 550 No such user" in outcome.sentence


async def test_it_times_out_once(mail_server: MailServer, wire: Wire) -> None:
    """No answer after the message left: it may have gone."""
    wire.silent_after = b"Nobody need do anything"
    assert isinstance(await send(wire.port, seconds=0.4), Unknown)


async def test_a_lost_answer_leaves_it_unknown(mail_server: MailServer) -> None:
    """The mail_server took it and the connection broke: nobody knows, and it is not sent again."""
    mail_server.bad_days = ["taken, and drop"]
    assert isinstance(await send(mail_server.port), Unknown)
    assert len(mail_server.received) == 1


async def test_it_is_killed_in_mid_effect(mail_server: MailServer, wire: Wire) -> None:
    """Cancelled while it waits for the answer, it ends and sends nothing more."""
    wire.silent_after = b"Nobody need do anything"
    await cancelled(send(wire.port), wire.passed)
    assert len(mail_server.received) <= 1


async def test_an_unreachable_server_is_certain() -> None:
    """Nothing left, so even a once step may be tried again."""
    outcome = await send(free_port())
    assert isinstance(outcome, Failed)
    assert outcome.certain


@pytest.mark.parametrize(
    ("meant", "said"),
    [
        (replace(MEANT, reach=Recipients()), "Nobody of ops can be written to: there is no address but placeholders."),
        (replace(MEANT, reach=Recipients(unreachable=("U0DAN",))), "(U0DAN: no address is known)"),
        (replace(MEANT, reach=Recipients(unavailable=("U0DAN",))), "(U0DAN: Slack has not said how to reach them)"),
        (replace(MEANT, is_private=True), "This run belongs to a private incident"),
    ],
)
async def test_nobody_to_write_to(mail_server: MailServer, meant: Meant, said: str) -> None:
    """Nothing leaves, and the sentence says who cannot be reached and why."""
    outcome = await send(mail_server.port, meant=meant)
    assert isinstance(outcome, Failed)
    assert (outcome.certain, said in outcome.sentence, mail_server.tried) == (True, True, 0)


@pytest.mark.parametrize("more", [{"subject": " "}, {"text": ""}, {"subject": None}, {"to": ["a", "b"]}])
async def test_what_does_not_fit_is_refused(mail_server: MailServer, more: dict[str, Any]) -> None:
    """Words that are missing, or something that is no text."""
    outcome = await send(mail_server.port, **more)
    assert isinstance(outcome, Failed)
    assert (outcome.certain, mail_server.tried) == (True, 0)


async def test_not_set_up() -> None:
    """Without a mail_server the sentence names its variable."""
    assert await perform(WORDS, make_context()) == Failed("E-mail is not set up: SMTP_SERVER is not set.", certain=True)


@pytest.mark.parametrize("text", [text for text in NASTY if text])
async def test_words_stay_words(mail_server: MailServer, text: str) -> None:
    """Whatever a subject or a text holds, there is one message to the same people, with the same headers."""
    hostile = f"{text}\r\nBcc: eve@example.com\r\n\r\nFrom: eve@example.com"
    assert isinstance(await send(mail_server.port, subject=hostile, text=hostile), Done)
    (got,) = mail_server.received
    assert got.to == ["ann@example.com", "bob@example.com"]
    assert got.message["Bcc"] is None
    assert got.message["From"] == "Tocsin <tocsin@example.com>"
    assert "\n" not in got.message["Subject"]
    assert "Bcc: eve@example.com" in got.part("plain")


async def test_a_secret_is_not_mailed(mail_server: MailServer) -> None:
    """What is known as a secret is hidden in a mailbox too."""
    masker = Masker([Secret("hunter2-hunter2")])
    await send(mail_server.port, subject="hunter2-hunter2", text="It is hunter2-hunter2", masker=masker)
    assert b"hunter2" not in mail_server.received[0].message.as_bytes()


async def test_a_drill_says_so(mail_server: MailServer) -> None:
    """Nobody takes a drill for the real thing."""
    await send(mail_server.port, meant=replace(MEANT, is_drill=True))
    assert mail_server.received[0].message["Subject"] == "[Drill] The shop is back"
