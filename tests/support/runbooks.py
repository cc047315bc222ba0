"""A small catalogue of runbooks for tests, and a real HTTP target that counts what is done to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

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

RESTART = """
title: Restart the shop
service: shop
parameters:
  - {{name: host, pattern: '[a-z0-9.-]+', default: shop-1}}
  - {{name: note, default: slow}}
policy:
  approval: {{who: [team:sre], quorum: 1, expires: 30m}}
steps:
  - id: look
    http: {{url: "{url}/look"}}
    effect: read
  - id: restart
    title: Restart {{{{ params.host }}}}
    http: {{method: POST, url: "{url}/restart", json: {{host: "{{{{ params.host }}}}"}}}}
    effect: once
    undo: {{http: {{method: POST, url: "{url}/start"}}, effect: repeatable}}
  - id: healthy
    http: {{url: "{url}/health"}}
    effect: read
"""


def shop(folder: Path, *, org: str = ORG, **runbooks: str) -> Path:
    """A catalogue with one service and these runbooks."""
    made = folder / "catalogue"
    (made / "shop").mkdir(parents=True)
    (made / "org.yml").write_text(org)
    (made / "shop" / "service.yml").write_text(SERVICE)
    for name, text in runbooks.items():
        (made / "shop" / f"{name}.yml").write_text(text)
    return made


class Target:
    """What a runbook works on. `counts` by path; `answers` with another status, `delay_seconds` before answering."""

    def __init__(self) -> None:
        self.url = ""
        self.counts: Counter[str] = Counter()
        self.bodies: list[str] = []
        self.status: dict[str, int] = {}

    async def handle(self, request: web.Request) -> web.Response:
        self.counts[request.path] += 1
        self.bodies.append(await request.text())
        return web.json_response(
            {"path": request.path, "count": self.counts[request.path]}, status=self.status.get(request.path, 200)
        )


@asynccontextmanager
async def target() -> AsyncIterator[Target]:
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
