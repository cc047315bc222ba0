"""A small catalogue of runbooks for tests, and a real HTTP target that counts what is done to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.ports import Database
from tests.support.clock import HandClock
from tests.support.story import Story, told

ORG = """
default_service: shop
teams:
  sre: [U0ADA, U0BEN, U0CLEO]
access:
  execute: [team:sre]
  approve: [team:sre]
  admin: [U0DAN]
"""

SERVICE = """
service: shop
name: Shop
default_severity: P2
severities:
  - {key: P1, aliases: [high], name: High, update_every: 30m}
  - {key: P2, name: Normal, update_every: 60m}
"""

# `{url}` becomes the target's address.
RESTART = """
title: Restart the shop
service: shop
parameters:
  - {name: host, pattern: '[a-z0-9.-]+', default: shop-1}
  - {name: note, default: slow}
policy:
  approval: {who: [team:sre], quorum: 1, expires: 30m}
steps:
  - id: look
    http: {url: "{url}/look"}
    effect: read
  - id: restart
    title: Restart {{ params.host }}
    http: {method: POST, url: "{url}/restart", json: {host: "{{ params.host }}"}}
    effect: once
    undo: {http: {method: POST, url: "{url}/start"}, effect: repeatable}
  - id: healthy
    http: {url: "{url}/health"}
    effect: read
"""


def shop(folder: Path, *, org: str = ORG, service: str = SERVICE, **runbooks: str) -> Path:
    """A catalogue with one service and these runbooks."""
    made = folder / "catalogue"
    (made / "shop").mkdir(parents=True)
    (made / "org.yml").write_text(org)
    (made / "shop" / "service.yml").write_text(service)
    for name, text in runbooks.items():
        (made / "shop" / f"{name}.yml").write_text(text)
    return made


class Target:
    """What a runbook works on. It counts by path; a path may answer with another status, be cut off, or be held."""

    def __init__(self) -> None:
        self.url = ""
        self.counts: Counter[str] = Counter()
        self.bodies: list[str] = []
        self.keys: list[str] = []
        self.asked: list[str] = []  # method and path, in order
        self.status: dict[str, int] = {}
        self.cut: set[str] = set()  # counted, and then the connection is closed without an answer
        self.held: dict[str, asyncio.Event] = {}  # answers when the event is set
        self.reached = asyncio.Event()  # something that is held has arrived

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.counts[path] += 1
        self.asked.append(f"{request.method} {path}")
        self.bodies.append(await request.text())
        self.keys.append(request.headers.get("Idempotency-Key", ""))
        if path in self.held:
            self.reached.set()
            await self.held[path].wait()
        if path in self.cut and request.transport is not None:
            request.transport.abort()
        return web.json_response({"path": path, "count": self.counts[path]}, status=self.status.get(path, 200))


@asynccontextmanager
async def target() -> AsyncIterator[Target]:
    """A real server on loopback."""
    made = Target()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened_shop(
    database: Database,
    clock: HandClock,
    folder: Path,
    *,
    org: str = ORG,
    service: str = SERVICE,
    config: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    **runbooks: str,
) -> AsyncIterator[tuple[Story, Target]]:
    """An installation with these runbooks (`{url}` is the target's), and the target. Slack's rules are kept."""
    async with target() as there:
        made = {name: text.replace("{url}", there.url) for name, text in runbooks.items()}
        catalogue = shop(folder, org=org, service=service, **made)
        async with told(database, clock, catalogue=[catalogue], environment=environment, **(config or {})) as story:
            yield story, there
            assert story.violations() == []
