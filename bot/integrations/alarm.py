"""The second channel: where the bot says that the first one failed. An incoming webhook, or the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import telemetry
from bot.domain.errors import Throttled, Undeliverable
from bot.domain.text.secret import Secret
from bot.integrations.slack import retry_after_seconds
from bot.telemetry import Event

if TYPE_CHECKING:
    import httpx


class WebhookAlarm:
    """The log gets the sentence too, so that losing the webhook loses nothing."""

    def __init__(self, url: Secret, *, timeout_seconds: float = 10.0) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._log = LogAlarm()

    async def raise_alarm(self, sentence: str) -> None:
        import httpx  # here: start-up is quicker without the client

        await self._log.raise_alarm(sentence)
        try:
            async with httpx.AsyncClient(timeout=self._timeout_seconds) as client:
                response = await client.post(self._url.reveal(), json={"text": sentence})
        except httpx.HTTPError as problem:
            raise Undeliverable(type(problem).__name__, maybe_done=True) from None
        _expect_ok(response)


class LogAlarm:
    """Where no second channel is configured: a critical line in the log."""

    async def raise_alarm(self, sentence: str) -> None:
        telemetry.get_logger().critical(Event.ALARM, sentence=sentence)


def _expect_ok(response: httpx.Response) -> None:
    if response.status_code == 429:
        raise Throttled(retry_after_seconds(response.headers))
    if response.status_code != 200:
        raise Undeliverable(f"http_{response.status_code}", permanent=response.status_code < 500)
