"""Escalation policies in real processes: alerts come in over HTTP, people are told by Slack, SMTP and PagerDuty's
events.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import trustme
from sqlalchemy import select, update

from bot.app.database import Opened
from bot.domain.people.token import Scope
from bot.services.admin import tokens
from bot.services.escalation.progress import STEP
from bot.store.tables import escalation as escalation_tables, queue as queue_tables
from tests.support.catalogues import catalogue
from tests.support.crash import House, housed
from tests.support.escalations import ORG
from tests.support.mail_server import MailServer
from tests.support.pagerduty import ROUTING_KEY, PagerDutyStandIn

SAID = re.compile(r"(ALR-\d+)\b.*?(?:for (\d+) min|fires)")
LOOK_SECONDS = 0.05
PATIENCE = timedelta(hours=6)  # over a minute of the wall where a quarter of an hour takes three seconds

Step = tuple[str, int]  # ALR-3, and how many minutes after T+0


class Timed(list[Any]):
    """A list that knows when each was appended, by the wall."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[float] = []

    def append(self, one: Any) -> None:
        self.at.append(time.time())
        super().append(one)


@dataclass
class Heard:
    """What reached people: each step, and when it did so first. What said the same under one key counts once."""

    first: dict[Step, float] = field(default_factory=dict)
    times: Counter[Step] = field(default_factory=Counter)
    repeated: int = 0  # with the same Message-ID or dedup_key: nobody is bothered twice by those
    other: list[str] = field(default_factory=list)  # that a step did not come in time
    _keys: set[str] = field(default_factory=set)

    def hear(self, text: str, key: str, at: float) -> None:
        if key in self._keys:
            self.repeated += 1
            return
        self._keys.add(key)
        found = SAID.search(text)
        if found is None:
            self.other.append(text)
            return
        step = (found[1], int(found[2] or 0))
        self.times[step] += 1
        self.first.setdefault(step, at)


class Tower:
    """The house and those around it."""

    def __init__(self, house: House, mail: MailServer, pager: PagerDutyStandIn, api: httpx.AsyncClient) -> None:
        self.house = house
        self.pager = pager
        self._mail, self._api = mail, api

    async def fires(self, name: str) -> None:
        """Monitoring sends it until somebody takes it."""
        labels = {"alertname": name, "severity": "critical", "service": "shop"}
        alert = {"status": "firing", "labels": labels, "startsAt": datetime.now(UTC).isoformat()}
        while True:
            try:
                answer = await self._api.post("/hooks/alertmanager", json={"version": "4", "alerts": [alert]})
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code == 202:
                return
            await asyncio.sleep(LOOK_SECONDS)  # the bot is being started again

    def heard(self) -> Heard:
        heard = Heard()
        received, events = self._mail.received, self.pager.events
        assert isinstance(received, Timed)
        assert isinstance(events, Timed)
        for one, at in zip(received, received.at, strict=True):
            heard.hear(str(one.message["Subject"]), str(one.message["Message-ID"]), at)
        for event, at in zip(events, events.at, strict=True):
            if event["event_action"] == "trigger":
                heard.hear(event["payload"]["summary"], event["dedup_key"], at)
        return heard

    async def until(self, count: int, seconds: float) -> Heard:
        """So many steps have reached people, and everything is written down."""
        end = time.monotonic() + seconds
        while len(self.heard().first) < count:
            assert time.monotonic() < end, f"{sorted(self.heard().first)}\n{self.house.logs()}"
            await asyncio.sleep(LOOK_SECONDS)  # it happens in other processes
        return self.heard()

    async def due_walls(self, afters: Sequence[int]) -> dict[Step, float]:
        """When each step was due, by the wall."""
        await self.house.clock.refresh()
        wall, speed = time.time(), self.house.clock.speed
        now = self.house.clock.from_wall(wall)
        async with self.house.database.reading() as tx:
            begun = {row.subject: row.begins_at for row in await tx.execute(select(escalation_tables.escalations))}
        return {
            (subject, after): wall + (at + timedelta(minutes=after) - now).total_seconds() / speed
            for subject, at in begun.items()
            for after in afters
        }

    async def in_flight(self) -> set[Step]:
        """The steps whose message was under way when its process was killed: it was asked for, and said again."""
        waits, table = escalation_tables.escalations, queue_tables.deliveries
        asked = select(table.c.subject, table.c.payload).where(
            table.c.kind.in_(["escalation.email", "page"]), table.c.attempts > 1
        )
        async with self.house.database.reading() as tx:
            pinned = {row.id: row.pinned["steps"] for row in await tx.execute(select(waits))}
            found = [row for row in await tx.execute(asked) if row.payload.get("step")]
        steps = [(row.subject, *row.payload["step"]) for row in found]
        afters = [(subject, pinned[number][position]["after"]) for subject, number, position, _ in steps]
        return {(subject, int(after // 60)) for subject, after in afters}

    async def fired_late(self) -> list[float]:
        """How late each step's timer fired, in seconds of the wall: what came after is the way to people."""
        table, clock = queue_tables.timers, self.house.clock
        await clock.refresh()
        fired = select(table.c.due_at, table.c.fired_at).where(table.c.kind == STEP, table.c.fired_at.is_not(None))
        async with self.house.database.reading() as tx:
            return sorted((row.fired_at - row.due_at).total_seconds() / clock.speed for row in await tx.execute(fired))

    async def commitments(self) -> Counter[str]:
        async with self.house.database.reading() as tx:
            return Counter((await tx.execute(select(queue_tables.commitments.c.state))).scalars())

    async def has_patience(self) -> None:
        """What is promised may come hours later than it says: how long a restart takes is the machine's affair."""
        mine = queue_tables.commitments
        async with self.house.database.transaction() as tx:
            for row in (await tx.execute(select(mine.c.id, mine.c.late_at))).all():
                stretched = update(mine).where(mine.c.id == row.id).values(late_at=row.late_at + PATIENCE)
                await tx.execute(stretched)


def shop(*steps: tuple[int, str]) -> str:
    """A service whose critical alerts escalation these steps: minutes, and a target."""
    lines = "\n".join(f'      - {{after: {after}m, notify: ["{target}"]}}' for after, target in steps)
    return f"""
service: shop
name: Shop
default_severity: P0
severities:
  - {{key: P0, aliases: [critical], name: Critical, on_alert: card, escalation_policy: critical}}
escalation_policies:
  critical:
    steps:
{lines}
oncall: {{primary: {{who: [U0BEN]}}}}
contacts: {{ops: {{email: [ops@example.com]}}}}
"""


@asynccontextmanager
async def tower(
    url: str, folder: Path, speed: float, *steps: tuple[int, str], workers: Sequence[str] = ()
) -> AsyncIterator[Tower]:
    """`tocsin serve`, and on PostgreSQL these workers, on a clock that runs so many times faster than the wall."""
    authority, trusted = trustme.CA(), folder / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    mail, pager = MailServer(), PagerDutyStandIn()
    mail.received, pager.events = Timed(), Timed()
    async with mail.serving(), pager.serving(context):
        settings = {
            "TOCSIN_CATALOG": str(catalogue(folder, org=ORG, shop=shop(*steps))),
            "TOCSIN_CLOCK_SPEED": str(speed),
            "SMTP_SERVER": f"127.0.0.1:{mail.port}",
            "SMTP_FROM": "tocsin@example.com",
            "SMTP_STARTTLS": "off",
            "PAGERDUTY_ROUTING_KEY": ROUTING_KEY,
            "PAGERDUTY_EVENTS_URL": pager.url,
            "SSL_CERT_FILE": str(trusted),
        }
        async with housed(url, "http", workers=workers, settings=settings) as house:
            books = Opened(house.database, house.clock)
            secret = await tokens.create(books, "monitoring", [Scope.INGEST], "U0ADA", by="test")
            base = f"http://127.0.0.1:{house.environment['TOCSIN_HTTP_PORT']}"
            headers = {"Authorization": f"Bearer {secret.reveal()}"}
            async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as api:
                yield Tower(house, mail, pager, api)
            violations = [str(one) for one in house.simulator.journal.since() if "violation" in one]
            assert violations == []
