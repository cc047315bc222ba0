"""No body larger than a megabyte is read, whatever its headers say."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.http.problems import SENTENCES, problem

BODY_LIMIT = 1_000_000
# A socket closed on unread bytes is reset, and the sender never sees why: so a little more is read and thrown away.
DRAIN_LIMIT = 20_000_000
DRAIN_SECONDS = 5.0


class BodyLimit:
    """ASGI middleware: answers 413 before the application sees too much."""

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A length may be missing or wrong, so the whole body is read first: one megabyte at most is held.
        body = await self._read(receive) if _announced(scope) <= self._limit else None
        if body is None:
            await self._refuse(scope, receive, send)
        else:
            await self._app(scope, _once(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return bytes(body)
            body += message.get("body", b"")
            if len(body) > self._limit:
                return None
            if not message.get("more_body"):
                return bytes(body)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _waits_for_leave(scope):
            await _drain(receive)
        response = problem(413, SENTENCES[413], headers={"Connection": "close"})
        await response(scope, receive, send)


async def _drain(receive: Receive) -> None:
    left = DRAIN_LIMIT
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while left > 0 and (message := await receive()).get("more_body"):
                left -= len(message["body"])


def _once(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _announced(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


def _waits_for_leave(scope: Scope) -> bool:
    """curl asks before it sends a large body: the answer is no, and nothing was sent."""
    expected: bytes = dict(scope["headers"]).get(b"expect", b"")
    return expected.lower() == b"100-continue"
