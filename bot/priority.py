"""Those whom a person waits for go before the worker: what is urgent, and what waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

urgent: ContextVar[bool] = ContextVar("a_person_waits", default=False)


@contextmanager
def interactive() -> Iterator[None]:
    token = urgent.set(True)
    try:
        yield
    finally:
        urgent.reset(token)


_asked: set[asyncio.Task[Any]] = set()


def answers_a_command(task: asyncio.Task[Any]) -> None:
    _asked.add(task)
    task.add_done_callback(_asked.discard)


async def yield_to_commands(most_seconds: float) -> None:
    """At most so long: a flood must not stop the worker."""
    loop = asyncio.get_running_loop()
    waiting = {task for task in _asked if task.get_loop() is loop}
    if waiting:
        await asyncio.wait(waiting, timeout=most_seconds)
