"""What came first: a request to PagerDuty, or the answer to a person? Told by one who sees both, without a watch.

The stand-in runs in a thread of its own and takes marks by a plain connection. A request whose bytes were there before
a mark was written is always seen before it, however busy the machine is: of what is ready at once, marks come last.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.support.pagerduty import PagerDutyStandIn


@dataclass(frozen=True)
class Began:
    """The first byte of a request that wakes somebody: its place in the order, and the key it names."""

    at: int
    key: str


class OrderedPagerDuty(PagerDutyStandIn):
    """Every request comes by a connection of its own, whose handshake takes a while, as over a long line."""

    def __init__(self, tls: ssl.SSLContext, *, slowest_seconds: float, seed: int) -> None:
        super().__init__()
        self.began: list[Began] = []
        self.marks: dict[str, int] = {}
        self._tls = tls
        self._slowest_seconds = slowest_seconds
        self._dice = random.Random(seed)  # noqa: S311  a seed makes it repeatable
        self._count = 0
        self._first: dict[Any, int] = {}
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._over = asyncio.Event()
        self._marking = socket.socket()

    # --- in the thread of the test ---

    @contextmanager
    def standing(self) -> Iterator[OrderedPagerDuty]:
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._stand(),), daemon=True)
        thread.start()
        assert self._is_up.wait(10)
        try:
            yield self
        finally:
            self._marking.close()
            self._loop.call_soon_threadsafe(self._over.set)
            thread.join(10)
            self._loop.close()

    def mark(self, name: str) -> None:
        """What begins after this returns comes after it in the order."""
        self._marking.sendall(f"{name}\n".encode())

    def late(self) -> list[str]:
        """The keys of the pages that began after the mark of their alert."""
        return [one.key for one in self.began if one.at > self.marks.get(one.key.split(":")[1], self._count)]

    # --- in a thread of its own ---

    async def _stand(self) -> None:
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        assert runner.server is not None
        made = runner.server
        doors = await self._loop.create_server(lambda: _SlowDoor(self, made()), "127.0.0.1", 0)
        marks = await self._loop.create_server(lambda: _Marks(self), "127.0.0.1", 0)
        self.url = f"https://127.0.0.1:{doors.sockets[0].getsockname()[1]}"
        self._marking.connect(marks.sockets[0].getsockname())
        self._is_up.set()
        await self._over.wait()
        for server in (doors, marks):
            server.close()
        await runner.cleanup()

    def next(self) -> int:
        self._count += 1
        return self._count

    def first_byte(self, connection: Any) -> None:
        self._first.setdefault(connection, self.next())

    async def shake_hands(self, transport: asyncio.Transport, behind: _Behind) -> None:
        await asyncio.sleep(self._dice.uniform(0, self._slowest_seconds))  # the line is long
        with suppress(OSError):
            tls = await self._loop.start_tls(transport, behind, self._tls, server_side=True)
            assert tls is not None
            behind.connection_made(tls)

    async def _enqueue(self, request: web.Request) -> web.Response:
        event = await request.json()
        return self._alone(request, await super()._enqueue(request), event["dedup_key"], event["event_action"])

    async def _create(self, request: web.Request) -> web.Response:
        key = (await request.json())["incident"]["incident_key"]
        return self._alone(request, await super()._create(request), key, "trigger")

    def _alone(self, request: web.Request, answer: web.Response, key: str, action: str) -> web.Response:
        if action == "trigger":
            self.began.append(Began(self._first[request.protocol], key))
        answer.force_close()
        return answer


class _SlowDoor(asyncio.Protocol):
    def __init__(self, pager: OrderedPagerDuty, inner: Any) -> None:
        self._pager, self._inner = pager, inner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        behind = _Behind(self._pager, self._inner)
        self._task = asyncio.get_running_loop().create_task(self._pager.shake_hands(transport, behind))


class _Behind(asyncio.Protocol):
    """Behind the handshake: hands on what comes, and notes when it began."""

    def __init__(self, pager: OrderedPagerDuty, inner: Any) -> None:
        self._pager, self._inner = pager, inner
        self._early: list[bytes] | None = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(transport)
        early, self._early = self._early or [], None
        for data in early:
            self._inner.data_received(data)

    def data_received(self, data: bytes) -> None:
        self._pager.first_byte(self._inner)
        if self._early is None:
            self._inner.data_received(data)
        else:
            self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._early is None:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


class _Marks(asyncio.Protocol):
    def __init__(self, pager: OrderedPagerDuty) -> None:
        self._pager, self._rest = pager, b""

    def data_received(self, data: bytes) -> None:
        # In the next round of the loop: whatever was ready together with it is read by then.
        *names, self._rest = (self._rest + data).split(b"\n")
        for name in names:
            asyncio.get_running_loop().call_soon(self._note, name.decode())

    def _note(self, name: str) -> None:
        self._pager.marks[name] = self._pager.next()
