"""No body larger than a megabyte is read, ten where alerts come in, whatever its headers say; nor too many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.http.problems import problem

BODY_LIMIT = 1_000_000
HOOK_LIMIT = 10_000_000
HOOKS = "/hooks/"
MOST_HELD = 100_000_000  # bytes of bodies in memory at the same time, of strangers' too
FULL = "Too much comes in at once. Send it again in a moment."
RETRY = {"Retry-After": "2"}
TOO_LARGE = "The body is larger than {size} MB."
# A socket closed on unread bytes is reset, and the sender never sees why: so a little more is read and thrown away.
DRAIN_LIMIT = 20_000_000
DRAIN_SECONDS = 5.0


class BodyLimit:
    """Answers 413 before the application sees too much."""

    def __init__(self, app: ASGIApp, most_held: int = MOST_HELD) -> None:
        self._app = app
        self._most_held, self._held = most_held, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A length may be missing or wrong, so the whole body is read first: no more than the limit is held.
        limit = HOOK_LIMIT if scope["path"].startswith(HOOKS) else BODY_LIMIT
        with self._holding() as hold:
            try:
                body = await _read(receive, limit, hold) if _announced(scope) <= limit else None
            except _Full:
                await _put_off(scope, receive, send)
                return
            if body is None:
                await _refuse(limit, scope, receive, send)
            else:
                await self._app(scope, _once(body, receive), send)

    @contextmanager
    def _holding(self) -> Iterator[Callable[[int], None]]:
        mine = 0

        def hold(size: int) -> None:
            nonlocal mine
            mine += size
            self._held += size
            if self._held > self._most_held:
                raise _Full

        try:
            yield hold
        finally:
            self._held -= mine


class _Full(Exception):
    """There is no room for this body now."""


async def _read(receive: Receive, limit: int, hold: Callable[[int], None]) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        piece = message.get("body", b"")
        hold(len(piece))
        body += piece
        if len(body) > limit:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def _refuse(limit: int, scope: Scope, receive: Receive, send: Send) -> None:
    if not _waits_for_leave(scope):
        await _drain(receive)
    sentence = TOO_LARGE.format(size=limit // 1_000_000)
    await problem(413, sentence, headers={"Connection": "close"})(scope, receive, send)


async def _put_off(scope: Scope, receive: Receive, send: Send) -> None:
    """Never 4xx: who sends alerts would drop them."""
    await _drain(receive)
    await problem(503, FULL, headers=RETRY | {"Connection": "close"})(scope, receive, send)


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
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])
