"""A real Alertmanager, alone or behind a real Prometheus with a rule, that sends to a door of ours on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import yaml
from fastapi import FastAPI

from tests.support.backends import Server, free_port, short_folder
from tests.support.programs import answers, program

PACKAGE = "prometheus-alertmanager"
# Everything that takes a person's patience in real life takes a moment here.
ROUTE = {"group_wait": "50ms", "group_interval": "300ms", "repeat_interval": "1s", "group_by": ["alertname"]}


class Alertmanager:
    """The process, by its API."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def fires(self, **labels: str) -> None:
        """As `amtool alert add` does; it fires until five minutes are over."""
        await self._posts([{"labels": labels, "annotations": {"summary": "It is slow"}}])

    async def ends(self, **labels: str) -> None:
        await self._posts([{"labels": labels, "endsAt": datetime.now(UTC).isoformat()}])

    async def _posts(self, alerts: list[dict[str, Any]]) -> None:
        async with httpx.AsyncClient() as client:
            answer = await client.post(f"{self.url}/api/v2/alerts", json=alerts)
        assert answer.status_code == 200, answer.text

    async def figure(self, name: str) -> float:
        """One of its own metrics, of webhooks."""
        async with httpx.AsyncClient() as client:
            lines = (await client.get(f"{self.url}/metrics")).text.splitlines()
        found = [line for line in lines if line.startswith(f'{name}{{integration="webhook"')]
        return sum(float(line.rpartition(" ")[2]) for line in found)


@contextmanager
def alertmanager(
    hook: str, auth: Mapping[str, Any], routes: list[Mapping[str, Any]] | None = None
) -> Iterator[Alertmanager]:
    """`auth` goes under its `http_config`; `routes` are more routes to the same receiver."""
    binary = program(PACKAGE, PACKAGE)
    folder, port = short_folder("tocsin-am-"), free_port()
    webhook = {"url": hook, "send_resolved": True, "http_config": dict(auth)}
    more = [{**route, "receiver": "tocsin"} for route in routes or ()]
    config = {
        "route": {**ROUTE, "receiver": "tocsin", "routes": more},
        "receivers": [{"name": "tocsin", "webhook_configs": [webhook]}],
    }
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    url = f"http://127.0.0.1:{port}"
    command = [
        binary, f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn",
    ]  # fmt: skip
    server = Server(folder, url, command, lambda: answers(f"{url}/-/ready"), None)
    try:
        server.start()
        yield Alertmanager(url)
    finally:
        server.stop()


@contextmanager
def prometheus_with_rule(rule: Mapping[str, Any], scrape: Mapping[str, Any], manager: Alertmanager) -> Iterator[None]:
    """A Prometheus that scrapes and evaluates ten times a second and tells this Alertmanager."""
    binary = program("prometheus", "prometheus")
    folder, port = short_folder("tocsin-prom-"), free_port()
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "shop", "rules": [dict(rule)]}]}))
    target = {"static_configs": [{"targets": [manager.url.removeprefix("http://")]}]}
    config = {
        "global": {"scrape_interval": "100ms", "scrape_timeout": "100ms", "evaluation_interval": "100ms"},
        "scrape_configs": [dict(scrape)],
        "rule_files": [str(folder / "rules.yml")],
        "alerting": {"alertmanagers": [target]},
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    url = f"http://127.0.0.1:{port}"
    command = [
        binary, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    server = Server(folder, url, command, lambda: answers(f"{url}/-/ready"), None)
    try:
        server.start()
        yield
    finally:
        server.stop()


@contextmanager
def metrics_at(port: int, folder: Path) -> Iterator[None]:
    """Something to scrape at that port, as long as the block lasts."""
    (folder / "metrics").write_text("shop_requests 1\n")
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    server = Server(
        short_folder("tocsin-shop-"), "", command, lambda: answers(f"http://127.0.0.1:{port}/metrics"), None
    )
    try:
        server.start()
        yield
    finally:
        server.stop()


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """The URL of this application, served on loopback."""
    port = free_port()
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]  # signals are pytest's
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:  # noqa: ASYNC110 - uvicorn says so in no other way
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving
