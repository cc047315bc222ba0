"""A shop whose alerts follow escalation policies: Slack and e-mail at once, a page after 15 minutes, management
after 30.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from sqlalchemy import select

from bot.app.registry import LATE
from bot.domain.text.secret import Secret
from bot.integrations.email import SmtpMailer
from bot.integrations.pagerduty import PagerDuty
from bot.ports import Database, Pager
from bot.queue import commitments as self_audit
from bot.services.workspace import people
from bot.store.tables.queue import commitments
from tests.support.alerts import Monitoring, firing, monitoring
from tests.support.catalogues import catalogue
from tests.support.clock import START, HandClock
from tests.support.mail_server import MailServer
from tests.support.pagerduty import API_KEY, ROUTING_KEY, SENDER, PagerDutyStandIn
from tests.support.story import Story, shown, tidy, told, worker_of

SHOP = """
service: shop
name: Shop
default_severity: P1
severities:
  - {key: P0, aliases: [critical], name: Critical, on_alert: declare, escalation_policy: critical}
  - {key: P1, aliases: [high], name: High, on_alert: card, escalation_policy: high}
  - {key: P2, aliases: [warning], name: Medium, on_alert: card, escalation_policy: calm}
  - {key: P3, aliases: [low], name: Low, on_alert: card}
escalation_policies:
  critical:
    steps:
      - {after: 0m, notify: ["slack:#ops-alerts", "email:ops"]}
      - {after: 15m, notify: ["page:oncall"]}
      - {after: 30m, notify: ["email:management"]}
      - {after: 2h, unless: resolved, notify: ["dm:U0DAN"]}
  high:
    repeat: 1
    steps:
      - {after: 5m, notify: ["slack:#ops-alerts"]}
      - {after: 15m, unless: assigned, notify: ["dm:team:management"]}
  calm:
    steps:
      - {after: 30m, during: business, notify: ["slack:#ops-alerts"]}
hours:
  business: {tz: Europe/Berlin, days: [mon, tue, wed, thu, fri], from: "09:00", to: "17:00"}
oncall:
  primary: {who: [U0BEN]}
contacts:
  ops: {email: [ops@example.com]}
  management: {email: [boss@example.com]}
  nobody: {email: [x@company.invalid]}
  production: {pagerduty_service: PSVC123}
"""
ORG = """
default_service: shop
teams: {management: [U0DAN]}
"""


class Shop(Monitoring):
    """A story with alerts, and what its escalation policies told whom."""

    story: Story
    mail: MailServer

    async def fires(self, name: str = "APIDown", severity: str = "critical", **labels: str) -> dict[str, Any]:
        alert = firing(name, since=self.story.clock.now(), severity=severity, service="shop", **labels)
        await self.sends(alert)
        return alert

    async def at(self, minutes: float, seconds: float = 0) -> None:
        """From timer to timer until so long after the story's beginning."""
        left = START + timedelta(minutes=minutes, seconds=seconds) - self.story.clock.now()
        await self.story.fast_forward(seconds=max(left.total_seconds(), 0))

    async def cards(self, user: str = "U0ADA") -> list[dict[str, Any]]:
        """Without what is in their threads."""
        return [one for one in await super().cards(user) if one.get("thread_ts") in (None, one["ts"])]

    async def thread(self, name: str = "ALR-1") -> list[str]:
        """What is under its card."""
        return [tidy(shown(one)) for one in await self.story.replies("ops-alerts", await self.card(name))]

    async def card_says(self, name: str = "ALR-1") -> str:
        return tidy(await self.words(name))

    def mailed(self, to: str) -> list[str]:
        return [str(one.message["Subject"]) for one in self.mail.received if to in one.to]

    async def promised(self, subject: str = "ALR-1") -> list[str]:
        """The states of its promises, in the order of their making."""
        async with self.story.deps.database.reading() as tx:
            rows = await tx.execute(
                select(commitments.c.state).where(commitments.c.subject == subject).order_by(commitments.c.id)
            )
            return list(rows.scalars())

    async def audits(self) -> None:
        """The self-audit looks, and what it says is said."""
        await self_audit.audit_commitments(self.story.deps, LATE)
        await self.story.settle()


@asynccontextmanager
async def pagerduty(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PagerDutyStandIn]:
    """A PagerDuty over TLS, whose certificate is trusted, and which knows Ben."""
    authority, trusted = trustme.CA(), folder / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with PagerDutyStandIn().serving(context) as stand_in:
        stand_in.users.append({"id": "PUBEN", "name": "Ben", "email": "ben@example.com", "type": "user"})
        yield stand_in


def pager_of(stand_in: PagerDutyStandIn) -> PagerDuty:
    return PagerDuty(
        routing_key=Secret(ROUTING_KEY),
        api_key=Secret(API_KEY),
        sender=SENDER,
        events_url=stand_in.url,
        api_url=stand_in.url,
        timeout_seconds=30,
    )


@asynccontextmanager
async def opened(
    database: Database, clock: HandClock, folder: Path, *, pager: Pager | None = None, shop: str = SHOP, org: str = ORG
) -> AsyncIterator[Shop]:
    folders = [catalogue(folder, org=org, shop=shop)]
    async with MailServer().serving() as server, AsyncExitStack() as stack:
        mailer = SmtpMailer("127.0.0.1", server.port, sender="Tocsin <tocsin@example.com>", timeout_seconds=30)
        parts = {"mailer": mailer, "pager": pager}
        story = await stack.enter_async_context(told(database, clock, catalogue=folders, parts=parts))
        await people.remember(story.deps, {"id": "U0BEN", "name": "ben", "profile": {"email": "ben@example.com"}})
        async with monitoring(story) as sender:
            made = Shop(story, sender._api)
            made.mail = server
            yield made
        assert story.violations() == []


async def restarted(story: Story) -> None:
    """A worker that knows nothing but what the database says."""
    story.worker = worker_of(story.deps)
    await story.worker.recover()
    await story.settle()
