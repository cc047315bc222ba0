"""A real `tocsin serve` that is killed while an e-mail and a page are under way, beside servers that hold them."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from tests.stories.runs.test_run_processes import FREE, GUARDED, runbook, started, step
from tests.support.crash import NewDatabase
from tests.support.mail_server import MailServer
from tests.support.pagerduty import ROUTING_KEY, PagerDutyStandIn
from tests.support.run_processes import opened
from tests.support.runbooks import SERVICE

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]  # processes start, beside whatever else the machine does

CONTACTS = "contacts: {ops: {email: [ops@example.com]}, desk: {who: [U0ADA]}}"
MAIL = "email: {to: ops, subject: It is back, text: It was the cache}"
PAGE = "page: {to: desk, text: Please look at it}"
ONCE, AGAIN = ("mail_once", "page_once"), ("mail_again", "page_again")


class HeldMail(MailServer):
    """Takes a message, and answers when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def handle_DATA(self, *given: Any) -> str:  # noqa: N802
        answer = await super().handle_DATA(*given)
        await self.gate.wait()
        return answer


class HeldPagerDuty(PagerDutyStandIn):
    """The same of events."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def _enqueue(self, request: web.Request) -> web.Response:
        answer = await super()._enqueue(request)
        await self.gate.wait()
        return answer


def runbooks() -> dict[str, str]:
    bodies = {"mail": MAIL, "page": PAGE}
    once = {name: runbook(step("act", bodies[name[:4]], "once"), policy=GUARDED) for name in ONCE}
    again = {name: runbook(step("act", bodies[name[:4]], "repeatable"), policy=FREE) for name in AGAIN}
    return once | again


@asynccontextmanager
async def held(folder: Path) -> Any:
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    mail, pagerduty = HeldMail(), HeldPagerDuty()
    async with mail.serving(), pagerduty.serving(tls):
        yield (
            mail,
            pagerduty,
            {
                "SMTP_SERVER": f"127.0.0.1:{mail.port}",
                "SMTP_FROM": "tocsin@example.com",
                "PAGERDUTY_ROUTING_KEY": ROUTING_KEY,
                "PAGERDUTY_EVENTS_URL": pagerduty.url,
                "SSL_CERT_FILE": str(folder / "authority.pem"),
            },
        )


async def test_killed_while_somebody_is_reached(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    """After SIGKILL a `once` step asks a person; a repeatable one goes again under its name, so that it counts once."""
    async with (
        held(tmp_path) as (mail, pagerduty, settings),
        opened(new_sqlite(), tmp_path, runbooks(), service=SERVICE + CONTACTS, settings=settings) as shop,
    ):
        await started(shop, [*ONCE, *AGAIN], guarded=ONCE)
        for room in shop.rooms.values():
            await room.under_way(lambda: mail.tried == 2 and len(pagerduty.events) == 2)
        await shop.kill()
        mail.gate.set()
        pagerduty.gate.set()
        await shop.start()

        for room in shop.those(AGAIN):
            await room.until("succeeded")
        for room in shop.those(ONCE):
            await room.until("unknown")
            assert (await room.message_with("step.happened")).is_reply
        assert (len(mail.received), len(pagerduty.events)) == (3, 3)
        assert len({one.message["Message-ID"] for one in mail.received}) == 2
        assert len(pagerduty.incidents) == 2
