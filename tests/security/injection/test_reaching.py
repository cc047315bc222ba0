"""Hostile values in e-mail and pages: they stand in one message to the people who were meant, and nowhere else."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from bot.domain.outgoing.mail import Mail
from bot.domain.text.secret import Secret
from bot.integrations.email import SmtpMailer
from bot.integrations.pagerduty import PagerDuty
from bot.ports import Database
from bot.services.workspace import people
from tests.security.injection.scene import Log, Scene, opened, quoted
from tests.security.injection.test_steps import EVERY, NULLS, WIDTH, runbook, step
from tests.support.clock import START, HandClock
from tests.support.mail_server import MailServer, Received
from tests.support.pagerduty import ROUTING_KEY, PagerDutyStandIn
from tests.support.story import worker_of

MAIL = "".join(
    step(f"m{number}", f'email: {{to: U0ADA, subject: "a{{{{ NAME{number} }}}}b", text: "<{{{{ NAME{number} }}}}>"}}')
    for number in range(WIDTH)
)
PAGE = "".join(step(f"p{number}", f'page: {{to: U0ADA, text: "a{{{{ NAME{number} }}}}b"}}') for number in range(WIDTH))
KINDS = {"mail": MAIL, "page": PAGE}
BOOKS = {
    **{f"{name}_given": runbook(steps, given=True) for name, steps in KINDS.items()},
    **{f"{name}_late": runbook(steps, given=False) for name, steps in KINDS.items()},
}
HEADERS = {
    "From", "To", "Subject", "Message-ID", "In-Reply-To", "References", "Date", "Auto-Submitted", "MIME-Version",
    "Content-Type",
}  # fmt: skip
HEADER = (
    "x\r\nBcc: eve@evil.invalid",
    "x\nTo: eve@evil.invalid\n\nhello",
    "\r\n.\r\nMAIL FROM:<eve@evil.invalid>",
    "=?utf-8?q?=0ABcc:?=",
)


class Stage:
    """The scene, with a mail server and PagerDuty behind it."""

    def __init__(self, scene: Scene, mail: MailServer, pagerduty: PagerDutyStandIn) -> None:
        self.scene, self.mail, self.pagerduty = scene, mail, pagerduty
        self.number = 0

    async def uses(self, kind: str, door: str, values: Sequence[Any]) -> str:
        self.number += 1
        self.mail.received.clear()
        self.pagerduty.events.clear()
        given = {f"v{number}": value for number, value in enumerate(values)}
        match door:
            case "typed":
                words = " ".join(f"{name}={quoted(value)}" for name, value in given.items())
                await self.scene.types(f"{kind}_given {words}")
            case "form":
                await self.scene.submits(f"{kind}_given", **given)
            case "rest":
                await self.scene.executes(f"{kind}_given", **given)
            case _:
                self.scene.there.hostile = list(values)
                await self.scene.types(f"{kind}_late")
        return await self.scene.words(f"RUN-{self.number}")


@pytest.fixture
async def stage(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log
) -> AsyncIterator[Stage]:
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    async with (
        MailServer().serving() as mail,
        PagerDutyStandIn().serving(tls) as pagerduty,
        opened(sqlite_database, clock, tmp_path, BOOKS) as scene,
    ):
        pager = PagerDuty(routing_key=Secret(ROUTING_KEY), events_url=pagerduty.url, timeout_seconds=30)
        mailer = SmtpMailer("127.0.0.1", mail.port, sender="tocsin@example.com", timeout_seconds=30)
        deps = replace(scene.story.deps, mailer=mailer, pager=pager)
        scene.story.door.deps = deps
        scene.story.worker = worker_of(deps)
        await people.remember(deps, {"id": "U0ADA", "name": "ada", "profile": {"email": "ada@example.com"}})
        yield Stage(scene, mail, pagerduty)
        pager.close()
        scene.is_clean()
        log.is_silent()


def batch(values: Sequence[str]) -> tuple[str, ...]:
    return (*values, *["filler"] * (WIDTH - len(values)))


def direct_messages(text: str) -> str:
    """Without what a mail program may break a line at."""
    return "".join(text.split())


@pytest.mark.parametrize(("door", "values"), [*EVERY, ("late", batch(HEADER))])
async def test_mail(stage: Stage, door: str, values: Sequence[str]) -> None:
    """Each is one message with our headers, to the one person who was meant; the words are in its subject and text."""
    words = await stage.uses("mail", door, values)
    assert "✓ succeeded" in words, (values, words)
    assert len(stage.mail.received) == WIDTH
    for value, got in zip(values, stage.mail.received, strict=True):
        assert (got.sender, got.to) == ("tocsin@example.com", ["ada@example.com"])
        assert set(got.message.keys()) == HEADERS
        assert got.message["To"] == "ada@example.com"
        _holds(got, value)


def _holds(got: Received, value: str) -> None:
    line = Mail((), f"a{value}b", "", START, "").line
    assert direct_messages(str(got.message["Subject"])) == direct_messages(line)
    assert direct_messages(got.part("plain")) == direct_messages(f"<{value}>"[:20_000])
    assert "<script" not in got.part("html")


@pytest.mark.parametrize(("door", "values"), [*EVERY[::3], ("late", batch(HEADER))])
async def test_pages(stage: Stage, door: str, values: Sequence[str]) -> None:
    """Each is one page under a key of ours, for the one person who was meant; the words are in its details."""
    words = await stage.uses("page", door, values)
    assert "✓ succeeded" in words, (values, words)
    assert len({event["dedup_key"] for event in stage.pagerduty.events}) == WIDTH
    for value, event in zip(values, stage.pagerduty.events, strict=True):
        assert event["event_action"] == "trigger"
        assert event["payload"]["source"] == "shop"
        assert "\n" not in event["payload"]["summary"]
        assert event["payload"]["custom_details"]["for"] == "ada@example.com"
        assert event["payload"]["custom_details"]["details"] == f"a{value}b"[:10_000]


async def test_what_no_message_can_hold(stage: Stage) -> None:
    """Null characters and halves of characters are refused or replaced, and bring nothing down."""
    for kind in KINDS:
        words = await stage.uses(kind, "late", batch(NULLS))
        assert "succeeded" in words or "failed" in words
    assert all(got.to == ["ada@example.com"] for got in stage.mail.received)
