"""The signals that end a process which runs until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def stopping(stop: asyncio.Event) -> Iterator[None]:
    """A second signal ends the process as usual."""
    loop = asyncio.get_running_loop()
    wanted = (signal.SIGTERM, signal.SIGINT)

    def on_signal() -> None:
        stop.set()
        for one in wanted:
            loop.remove_signal_handler(one)

    for one in wanted:
        loop.add_signal_handler(one, on_signal)
    try:
        yield
    finally:
        for one in wanted:
            loop.remove_signal_handler(one)
