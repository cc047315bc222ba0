"""The demo: a simulated workspace, the bot and its worker in one process, on a clock that runs fast and can jump."""

from __future__ import annotations

import asyncio
import json
import shlex
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from bot import manifest
from bot.app import build, serve
from bot.app.signals import stopping
from bot.domain.errors import Misconfigured
from bot.domain.people.token import Scope
from bot.domain.text.secret import Secret
from bot.paths import data
from bot.queue import timers
from bot.services.admin import tokens
from bot.settings import Settings
from bot.simulator import Simulator

STAMP = "%Y%m%d-%H%M%S"  # the simulated workspace begins empty each time, and so must what the bot knows of it
OWNER = "U0ADA"
ALERT = {"alertname": "CheckoutErrors", "service": "shop", "severity": "P1"}
BEFORE_SECONDS = 0.2  # a jump lands a moment before what is due, so that it is seen to happen


class BotTime:
    """The simulator's clock, filled with the bot's."""

    def __init__(self) -> None:
        self.app: build.App | None = None

    def wall(self) -> float:
        return time.time()

    def now(self) -> datetime:
        return self._open.clock.now()

    async def next_timer(self) -> datetime | None:
        return await timers.next_due(self._open.deps)

    async def jump(self, seconds: float | None) -> datetime:
        if seconds is None:
            due = await self.next_timer()
            seconds = 0.0 if due is None else (due - self.now()).total_seconds() - BEFORE_SECONDS
        if seconds > 0:
            await self._open.clock.jump(timedelta(seconds=seconds))
            self._open.deps.wakeups.wake()
        return self.now()

    async def set_speed(self, speed: float) -> None:
        await self._open.clock.set_speed(speed)

    @property
    def speed(self) -> float:
        return self._open.clock.speed

    @property
    def _open(self) -> build.App:
        if self.app is None:
            raise RuntimeError("The demo's clock was asked before its app was open.")
        return self.app


async def run(
    settings: Settings, *, host: str, port: int, speed: float, folder: Path | None, say: Callable[[str], None]
) -> None:
    """Until SIGTERM or SIGINT. `folder` keeps the database; without it the demo forgets everything at its end."""
    async with AsyncExitStack() as stack:
        kept = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-demo-")))
        kept.mkdir(parents=True, exist_ok=True)
        clock = BotTime()
        simulator = Simulator(manifest.for_socket_mode(), host=host, port=port, clock=clock)
        stop = asyncio.Event()
        with stopping(stop):
            async with build.build(_settings(settings, simulator, kept, host, port, speed)) as app:
                clock.app = app
                await _start(simulator, host, port)
                stack.push_async_callback(simulator.stop)
                say(_welcome(simulator.url, speed, await _an_alert(app)))
                await serve.run(app, stop)


def _settings(settings: Settings, simulator: Simulator, folder: Path, host: str, port: int, speed: float) -> Settings:
    shown = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - only compared
    return replace(
        settings,
        database_url=Secret(f"sqlite:///{folder / f'demo-{time.strftime(STAMP)}.db'}"),
        slack_bot_token=Secret(simulator.bot_token),
        slack_app_token=Secret(simulator.app_token),
        slack_signing_secret=Secret(simulator.signing_secret),
        slack_api_url=f"http://{shown}:{port}/api/",
        slack_webhook_url=None,
        catalog=settings.catalog or (data("runbooks"), data("demo")),
        http_host="127.0.0.1",
        http_port=_free_port(port + 1),
        clock_speed=speed,
    )


def _free_port(wished: int) -> int:
    for port in (wished, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError):
                continue
            return int(probe.getsockname()[1])
    return wished


async def _an_alert(app: build.App) -> str:
    secret = await tokens.create(app.deps, "demo", [Scope.INGEST], OWNER, by=OWNER)
    body = json.dumps({"alerts": [{"status": "firing", "labels": ALERT}]})
    url = f"http://127.0.0.1:{app.settings.http_port}/hooks/alertmanager"
    return f"curl -H {shlex.quote(f'Authorization: Bearer {secret.reveal()}')} -d {shlex.quote(body)} {url}"


async def _start(simulator: Simulator, host: str, port: int) -> None:
    try:
        await simulator.start()
    except OSError as problem:
        raise Misconfigured(
            f"Port {port} on {host} cannot be had: choose another with `make demo PORT={port + 1}`."
        ) from problem


def _welcome(url: str, speed: float, alert: str) -> str:
    return (
        f"The simulated workspace is at {url}\n"
        f"{_pace(speed)}, and the page can jump to the next timer.\n"
        "As Ada, in #incidents, type:  /incident declare P1 checkout is down\n"
        "Then, in #ops-alerts:  /runbook run practice  and approve it as Ben, in its thread\n"
        f"An alert comes in when you type in another shell:\n  {alert}\n"
        "Stop with Ctrl-C."
    )


def _pace(speed: float) -> str:
    return "Time runs as it does here" if speed == 1 else f"Time runs {speed:g} times faster there"
