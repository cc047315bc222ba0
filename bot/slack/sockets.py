"""Socket Mode: two connections, since Slack's SDK closes the old one before it opens the next and clicks get lost."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp

from bot import telemetry
from bot.domain.text.secret import Secret
from bot.telemetry import Event

CONNECTIONS = 2
PING_SECONDS = 5.0
PATIENCE_SECONDS = 30.0  # the SDK mends a connection by itself; after this it is replaced
LOOK_SECONDS = 0.5


class _Quiet(logging.Filter):
    """The SDK logs a stack trace for every attempt while Slack is away; the first line says all of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return True


_QUIET = _Quiet()


def _quiet_logger() -> logging.Logger:
    logger = logging.getLogger("slack_sdk.socket_mode")
    logger.addFilter(_QUIET)  # which is there once, however often it is added
    return logger


def _silent_logger() -> logging.Logger:
    logger = logging.getLogger("slack_sdk.socket_mode.closing")
    logger.disabled = True
    return logger


class Socket:
    """One connection, kept: connected, watched, and replaced as a whole where the SDK cannot mend it."""

    def __init__(
        self,
        app: AsyncApp,
        app_token: Secret,
        *,
        name: str,
        ping_seconds: float = PING_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._app = app
        self._app_token = app_token
        self._ping_seconds = ping_seconds
        self._patience_seconds = patience_seconds
        self._name = name
        self.is_connected = False  # as of the last look, half a second ago at most

    async def keep(self) -> None:
        """Runs until it is cancelled. One generation at a time: the old one is closed before the next begins."""
        while True:
            handler = AsyncSocketModeHandler(
                self._app,
                self._app_token.reveal(),
                logger=_quiet_logger(),
                ping_interval=self._ping_seconds,
            )
            try:
                await self._live(handler)
            finally:
                self.is_connected = False
                await _close(handler)
            telemetry.get_logger().warning(Event.SLACK_SOCKET_RENEWED, socket=self._name)

    async def _live(self, handler: AsyncSocketModeHandler) -> None:
        loop = asyncio.get_running_loop()
        connecting = asyncio.ensure_future(handler.connect_async())  # type: ignore[no-untyped-call]
        try:
            last_seen = loop.time()
            while loop.time() - last_seen < self._patience_seconds:
                self.is_connected = await handler.client.is_connected()
                if self.is_connected:
                    last_seen = loop.time()
                await asyncio.sleep(LOOK_SECONDS if self.is_connected else LOOK_SECONDS / 25)
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)


async def _close(handler: AsyncSocketModeHandler) -> None:
    client = handler.client
    client.logger = _silent_logger()  # what it can acknowledge no more, Slack sends again to the next connection
    background = [client.message_processor, client.current_session_monitor, client.message_receiver]
    with suppress(OSError, RuntimeError):  # a connection that broke while it was being closed
        await handler.close_async()  # type: ignore[no-untyped-call]
    await asyncio.gather(*(task for task in background if task), return_exceptions=True)
