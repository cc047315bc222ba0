"""What a listener asks of Amazon SNS: its certificates, and to begin a subscription.

Callers have found the address to be Amazon's own: see `intake.proof`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.domain.errors import Undeliverable

if TYPE_CHECKING:
    import httpx

LONGEST = 100_000
MOST_CERTIFICATES = 16
FETCHES_A_MINUTE = 10  # of certificates, for addresses that strangers make up


class AmazonSns:
    """`ports.Sns`. `at` is asked in Amazon's place, where that is not the real one: `http://127.0.0.1:8080`."""

    def __init__(self, topics: Collection[str], *, at: str | None = None, timeout_seconds: float = 5.0) -> None:
        self.topics = frozenset(topics)
        self._at = at
        self._timeout_seconds = timeout_seconds
        self._certificates: dict[str, bytes] = {}
        self._fetches: deque[float] = deque(maxlen=FETCHES_A_MINUTE)
        self._one_at_a_time = asyncio.Lock()

    async def certificate(self, url: str) -> bytes:
        async with self._one_at_a_time:
            if url not in self._certificates:
                self._must_be_patient()
                found = await self._get(url)
                if len(self._certificates) >= MOST_CERTIFICATES:
                    self._certificates.clear()
                self._certificates[url] = found
            return self._certificates[url]

    async def confirm(self, url: str) -> None:
        await self._get(url)

    def _must_be_patient(self) -> None:
        now = time.monotonic()
        if len(self._fetches) == FETCHES_A_MINUTE and now - self._fetches[0] < 60:
            raise Undeliverable("too many certificates were asked for in the last minute")
        self._fetches.append(now)

    async def _get(self, url: str) -> bytes:
        import httpx  # here: start-up is quicker without the client

        try:
            # No redirect is followed: it could lead anywhere.
            async with (
                httpx.AsyncClient(timeout=self._timeout_seconds, follow_redirects=False) as client,
                asyncio.timeout(self._timeout_seconds),
                client.stream("GET", self._where(url)) as answer,
            ):
                return await _whole(answer)
        except (httpx.HTTPError, TimeoutError) as problem:
            raise Undeliverable(f"not_reached: {type(problem).__name__}") from None

    def _where(self, url: str) -> str:
        parts = urlsplit(url)
        return f"{self._at}{parts.path}?{parts.query}" if self._at else url


async def _whole(answer: httpx.Response) -> bytes:
    if answer.status_code != 200:
        raise Undeliverable(f"http_{answer.status_code}", permanent=400 <= answer.status_code < 500)
    found = bytearray()
    async for piece in answer.aiter_bytes():
        found += piece
        if len(found) > LONGEST:
            raise Undeliverable("the answer is longer than it may be", permanent=True)
    return bytes(found)
