"""A request in a thread that must not leave once somebody says so: it asks the loop on its way out.

The question is asked with the connection established and nothing of the request written, and what it holds is held
until the request is with the network: for as long as a write to a socket of one's own machine takes. Waiting for the
other side, be it for a handshake or for the answer, holds nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from bot.domain.errors import Undeliverable
from bot.ports import Still

HELD_UP = "held_up"  # how the error begins where nobody could be asked
ANSWER_SECONDS = 15.0  # for which a thread waits to be let out
HELD_SECONDS = 2.0  # at most: by then the request is on its way, or its connection is stuck in the midst of it
LEAVES = ".send_request_headers.started"
HAS_LEFT = (".send_request_body.complete", ".send_request_body.failed", ".send_request_headers.failed")

Trace = Callable[[str, Mapping[str, Any]], None]


@contextmanager
def before_leaving(still: Still) -> Iterator[None]:
    """What is written by POST inside the block, in threads that are started there, enters `still` before it leaves."""
    step = _Doorstep(still)
    token = _here.set(step)
    try:
        yield
    finally:
        _here.reset(token)
        step.shut()


def of(method: str) -> dict[str, Any]:
    step = _here.get()
    return {"extensions": {"trace": _trace(step)}} if step and method.upper() == "POST" else {}


class _Doorstep:
    def __init__(self, still: Still) -> None:
        self._still = still
        self._loop = asyncio.get_running_loop()
        self._has_left = asyncio.Event()
        self._is_shut = False
        self._asking: asyncio.Task[None] | None = None

    def shut(self) -> None:
        """Nobody waits for the request; a thread that still comes is not let out."""
        self._is_shut = True
        self._has_left.set()

    # --- in the thread ---

    def leave(self) -> None:
        """Returns when `still` is entered. Raises what that raises, or Undeliverable where it cannot be asked."""
        allowed: Future[None] = Future()
        self._loop.call_soon_threadsafe(self._ask, allowed)
        try:
            allowed.result(ANSWER_SECONDS)
        except Undeliverable:
            raise
        except Exception as problem:  # nothing has left
            raise Undeliverable(f"{HELD_UP}: {type(problem).__name__}") from problem

    def left(self) -> None:
        self._loop.call_soon_threadsafe(self._has_left.set)

    # --- in the loop ---

    def _ask(self, allowed: Future[None]) -> None:
        self._asking = self._loop.create_task(self._hold(allowed))

    async def _hold(self, allowed: Future[None]) -> None:
        try:
            async with self._still():
                if self._is_shut:
                    raise Undeliverable(f"{HELD_UP}: nobody waits for it now")
                allowed.set_result(None)
                async with asyncio.timeout(HELD_SECONDS):
                    await self._has_left.wait()
        except BaseException as problem:  # noqa: BLE001  it belongs to the thread, which waits
            if not allowed.done():
                allowed.set_exception(problem if isinstance(problem, Exception) else Undeliverable(HELD_UP))


def _trace(step: _Doorstep) -> Trace:
    """A plain function, since the client copies what it is given: a bound method with all that it is bound to."""

    def trace(event: str, about: Mapping[str, Any]) -> None:
        if event.endswith(LEAVES) and about["request"].method == b"POST":  # a proxy is asked by CONNECT before
            step.leave()
        elif event.endswith(HAS_LEFT):
            step.left()

    return trace


_here: ContextVar[_Doorstep | None] = ContextVar("on_the_doorstep", default=None)
