"""Signed HTTP: the same payloads as POSTs to the app's request address."""

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp

from bot.simulator.delivery.deliver import Ack, Delivery, Undelivered
from bot.simulator.workspace.state import Workspace


def signature(secret: str, timestamp: str, body: bytes) -> str:
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


class HttpDoor:
    """POSTs deliveries to `request_url_base` + /slack/events, or to the manifest's addresses where no base is set."""

    name = "http"

    def __init__(
        self, workspace: Workspace, signing_secret: str, request_url_base: str | None, ack_seconds: float
    ) -> None:
        self.request_url_base = request_url_base
        self._ack_seconds = ack_seconds
        self._workspace = workspace
        self._secret = signing_secret
        self._session: aiohttp.ClientSession | None = None

    async def wait_for_route(self) -> bool:
        """An HTTP address announces no return: Slack's schedule decides."""
        return False

    async def hand_over(self, delivery: Delivery) -> Ack:
        url = self._address(delivery)
        if url is None:
            raise Undelivered("connection_failed", retry=False)
        body, content_type = _encode(delivery)
        timestamp = str(self._workspace.epoch())
        headers = {
            "Content-Type": content_type,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self._secret, timestamp, body),
            **_retry_headers(delivery),
        }
        started = time.perf_counter()
        payload = await self._post(url, body, headers)
        return Ack(payload, (time.perf_counter() - started) * 1000)

    async def verify_url(self) -> bool:
        challenge = self._workspace.new_hex(16**20, 20)
        payload = {"type": "url_verification", "token": "simulated", "challenge": challenge}
        try:
            ack = await self.hand_over(Delivery("events_api", payload, challenge))
        except Undelivered:
            return False
        answer = ack.payload.get("challenge") or ack.payload.get("text") if isinstance(ack.payload, dict) else None
        return answer == challenge

    async def close(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    def _address(self, delivery: Delivery) -> str | None:
        if self.request_url_base:
            return self.request_url_base.rstrip("/") + "/slack/events"
        manifest = self._workspace.manifest
        if delivery.sort == "events_api":
            return manifest.events_url
        if delivery.sort == "interactive":
            return manifest.interactivity_url
        return manifest.commands[delivery.payload["command"]].url

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> Any:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._ack_seconds)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                return await _read_ack(response)
        except TimeoutError as problem:
            raise Undelivered("http_timeout") from problem
        except aiohttp.ClientError as problem:
            raise Undelivered("connection_failed") from problem


async def _read_ack(response: aiohttp.ClientResponse) -> Any:
    if not 200 <= response.status < 300:
        raise Undelivered("http_error", retry=response.headers.get("X-Slack-No-Retry") != "1")
    text = await response.text()
    if not text:
        return None
    if response.content_type != "application/json":
        return {"text": text}
    try:
        return json.loads(text)
    except ValueError as problem:
        raise Undelivered("unknown_error") from problem


def _encode(delivery: Delivery) -> tuple[bytes, str]:
    if delivery.sort == "events_api":
        return json.dumps(delivery.payload).encode(), "application/json"
    form = {"payload": json.dumps(delivery.payload)} if delivery.sort == "interactive" else delivery.payload
    return urlencode(form).encode(), "application/x-www-form-urlencoded"


def _retry_headers(delivery: Delivery) -> dict[str, str]:
    if not delivery.attempt:
        return {}
    return {"X-Slack-Retry-Num": str(delivery.attempt), "X-Slack-Retry-Reason": delivery.reason or "unknown_error"}
