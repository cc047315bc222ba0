"""A simulated workspace in this process, and a real `tocsin serve` beside it in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from bot import manifest
from bot.simulator import Simulator

PEOPLE = ("U0ADA", "U0BEN", "U0CLEO", "U0DAN")
QUIET_SECONDS = 0.4
MEGABYTE = 1024 * 1024


@dataclass
class Rig:
    simulator: Simulator
    process: asyncio.subprocess.Process
    ready_after_seconds: float
    port: int

    async def command(self, text: str, *, person: int = 0, channel: str = "general") -> float:
        """Milliseconds until the acknowledgement. Raises where the command was not answered."""
        wish = {"user": PEOPLE[person % len(PEOPLE)], "channel": channel, "text": text}
        answer: dict[str, Any] = await self.simulator.control.command(wish)
        if not answer.get("ok", True):
            raise RuntimeError(f"{text} was not answered: {answer}")
        return float(answer["ack_ms"])

    async def quiet(self, limit_seconds: float = 120) -> None:
        """No call for a moment."""
        deadline, seen = time.monotonic() + limit_seconds, -1
        while time.monotonic() < deadline:
            last = self.journal_end()
            if last == seen:
                return
            seen = last
            await asyncio.sleep(QUIET_SECONDS)
        raise RuntimeError("The bot does not come to rest.")

    def journal_end(self) -> int:
        return max((line["seq"] for line in self.simulator.journal.since()), default=0)

    def called(self, method: str, since: int) -> bool:
        return any(line.get("method") == method for line in self.simulator.journal.since(since))

    def memory_mb(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss) / MEGABYTE

    def refused_calls(self) -> int:
        return sum(1 for line in self.simulator.journal.since() if line["entry"] == "violation")


@asynccontextmanager
async def served(
    folder: Path, *, database: str | None = None, more: Mapping[str, str] | None = None
) -> AsyncIterator[Rig]:
    """`database` defaults to a fresh SQLite file in `folder`; `more` is environment."""
    simulator = Simulator(manifest.for_socket_mode())
    await simulator.start()
    started = time.monotonic()
    port = _free_port()
    environment = _environment(simulator, database or f"sqlite:///{folder / 'bench.db'}", port) | dict(more or {})
    with (folder / "serve.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot.cli", "serve", env=environment, stdout=log, stderr=log
        )
        try:
            await _ready(port)
            yield Rig(simulator, process, time.monotonic() - started, port)
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()
            await simulator.stop()


def _environment(simulator: Simulator, database: str, port: int) -> dict[str, str]:
    """With the code compiled once, as an installation has it, whatever this shell says of that."""
    not_kept = ("TOCSIN_", "SLACK_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(not_kept)}
    return kept | {
        "TOCSIN_DATABASE_URL": database,
        "SLACK_BOT_TOKEN": simulator.bot_token,
        "SLACK_APP_TOKEN": simulator.app_token,
        "SLACK_API_URL": simulator.api_url,
        "TOCSIN_HTTP_PORT": str(port),
        "TOCSIN_LOG_LEVEL": "warning",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _ready(port: int) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(60):
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.02)
