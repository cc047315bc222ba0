"""What step tests share: a context, and small real servers that misbehave on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bot.domain.catalogue.runbook import Connection
from bot.engine.secrets import Secrets
from bot.engine.steps import Connections, StepContext
from tests.support.clock import HandClock

NASTY = (
    "two words",
    'it\'s "quoted"',
    "; rm -rf /tmp/nothing",
    "$(touch pwned) `touch pwned`",
    "a\nb\r\nc",
    ":name %s %(name)s {0}",
    "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
    "' OR 1=1; DROP TABLE things; --",
    "{{ 7 * 7 }} {% raw %}",
    "héé — 🙂",
    "--help",
    "",
)


def make_context(connections: Mapping[str, tuple[str, str]] | None = None, **more: Any) -> StepContext:
    """`connections`: name -> (kind, URL), each resolved from an environment as in operation."""
    given = connections or {}
    secrets = Secrets({f"{name.upper()}_URL": url for name, (_, url) in given.items()})
    known = {name: Connection(name, kind, f"env:{name.upper()}_URL") for name, (kind, _) in given.items()}
    settings: dict[str, Any] = {"timeout_seconds": 5.0, "clock": HandClock(), **more}
    return StepContext(key="run-1.restart", connections=Connections(known, secrets.resolve), **settings)


@asynccontextmanager
async def web_server(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A real HTTP server; its URL without a slash at the end."""
    app = web.Application(client_max_size=4_000_000)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Wire:
    """A proxy in front of a real server, whose answers can be held back or cut off."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self.cut_after: bytes | None = None  # cut when the client sends this: it goes through, the answer does not
        self.is_silent = False  # pass on what the client sends, and no more answers
        self.silent_after: bytes | None = None
        self.passed = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        self._writers += [writer, back]
        for work in (self._ask(reader, back, writer), self._answer(there, writer)):
            task = asyncio.create_task(work)
            self._tasks.add(task)

    async def _ask(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65_536):
            is_cut = self.cut_after is not None and self.cut_after in data
            self.is_silent = self.is_silent or is_cut or (self.silent_after is not None and self.silent_after in data)
            back.write(data)
            await back.drain()
            if self.is_silent:
                self.passed.set()
            if is_cut:
                client.transport.abort()
        back.close()

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await there.read(65_536):
            if not self.is_silent:
                writer.write(data)
                await writer.drain()

    async def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def wire_to(host: str, port: int) -> AsyncIterator[Wire]:
    """A `Wire` that listens on `wire.port`."""
    wire = Wire(host, port)
    server = await asyncio.start_server(wire._serve, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        await wire.close()


async def cancelled(work: Awaitable[Any], when: asyncio.Event) -> None:
    """Starts it, waits for the event, cancels it, and waits until it is over."""
    task = asyncio.ensure_future(work)
    await asyncio.wait_for(when.wait(), 30)
    task.cancel()
    await asyncio.wait({task}, timeout=10)
    assert task.cancelled()
