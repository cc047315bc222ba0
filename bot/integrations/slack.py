"""Slack's Web API: one call, one answer, every refusal sorted by whether it may have happened. Never retries."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.domain.errors import Throttled, Undeliverable
from bot.domain.text.secret import Secret

TRANSIENT = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})
# An operator mends these: what was promised meanwhile waits, and is not given up.
TOKEN_TROUBLE = frozenset(
    {"invalid_auth", "not_authed", "token_expired", "token_revoked", "account_inactive", "org_login_required"}
    | {"access_denied", "ekm_access_denied", "team_access_not_granted", "two_factor_setup_required"}
)
DEFAULT_RETRY_SECONDS = 1.0

# Raised before a byte of the request left: name not found, refused, no TLS, no connection in time.
NOTHING_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


def open_session(timeout_seconds: float = 30.0) -> aiohttp.ClientSession:
    """Its opener closes it."""
    connector = aiohttp.TCPConnector(limit=100, keepalive_timeout=60)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=timeout_seconds))


def web_client(token: Secret | None, *, base_url: str, session: aiohttp.ClientSession) -> AsyncWebClient:
    """Without the SDK's retry handlers: repeating a post is the outbox's decision, after a look."""
    revealed = token.reveal() if token else None
    return AsyncWebClient(token=revealed, base_url=f"{base_url.rstrip('/')}/", session=session, retry_handlers=[])


class SlackChat:
    """`ports.Chat` over slack_sdk and one shared session."""

    def __init__(
        self, token: Secret, *, base_url: str, session: aiohttp.ClientSession, timeout_seconds: float = 10.0
    ) -> None:
        self._session = session
        self._client = web_client(token, base_url=base_url, session=session)
        self._timeout_seconds = timeout_seconds

    async def call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """As a form, which every method takes; a value with structure goes as JSON in its field."""
        async with self._sorting_refusals():
            response = await self._send(method, as_form(arguments))
            return dict(response.data) if isinstance(response.data, dict) else {}

    async def _send(self, method: str, form: dict[str, str]) -> AsyncSlackResponse:
        try:
            return await self._client.api_call(method, data=form)
        except AttributeError:  # the SDK takes any text/plain for the answer to a file, and stumbles over it
            raise Undeliverable("no_json", maybe_done=True) from None

    async def upload(
        self, *, name: str, content: str, channel: str, thread: str | None, comment: str
    ) -> dict[str, Any]:
        body = content.encode()
        ticket = await self.call("files.getUploadURLExternal", {"filename": name, "length": len(body)})
        await self._send_bytes(str(ticket["upload_url"]), body)
        done = await self.call(
            "files.completeUploadExternal",
            {
                "files": [{"id": ticket["file_id"], "title": name}],
                "channel_id": channel,
                "thread_ts": thread,
                "initial_comment": comment,
            },
        )
        return dict((done.get("files") or [{}])[0])

    async def respond(self, response_url: str, payload: dict[str, Any]) -> None:
        async with (
            self._sorting_refusals(),
            self._session.post(response_url, json=payload, allow_redirects=False) as response,
        ):
            code = _code(await response.text())
            if response.status != 200:
                raise _refused(response.status, response.headers, code or "response_url_refused")
            if code not in (None, "ok"):
                raise _refused(response.status, response.headers, code)

    async def _send_bytes(self, url: str, body: bytes) -> None:
        """Uploaded bytes show nowhere until the upload is completed: whatever goes wrong here has not happened."""
        try:
            async with self._sorting_refusals(), self._session.post(url, data=io.BytesIO(body)) as response:
                if response.status != 200:
                    raise _refused(response.status, response.headers, "upload_failed")
        except Undeliverable as problem:
            problem.maybe_done = False
            raise

    @asynccontextmanager
    async def _sorting_refusals(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                yield
        except SlackApiError as refusal:
            raise _sorted(refusal) from None
        except NOTHING_LEFT as problem:
            raise Undeliverable(f"not_reached: {type(problem).__name__}") from None
        except (TimeoutError, aiohttp.ClientError, OSError) as problem:
            raise Undeliverable(f"answer_lost: {type(problem).__name__}", maybe_done=True) from None


def as_form(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Booleans in words, lists of names with commas, structures as JSON; None is absent."""
    return {name: _field(value) for name, value in arguments.items() if value is not None}


def _field(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple) and value and all(isinstance(item, str | int) for item in value):
        return ",".join(map(str, value))
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _sorted(refusal: SlackApiError) -> Undeliverable:
    """The SDK hands over its own response or, where the body was no JSON, aiohttp's."""
    response: Any = refusal.response
    status = int(getattr(response, "status_code", None) or getattr(response, "status", None) or 0)
    data = getattr(response, "data", None)
    error = data.get("error") if isinstance(data, dict) else None
    return _refused(status, getattr(response, "headers", None) or {}, str(error or ""))


def _refused(status: int, headers: Mapping[str, str], error: str) -> Undeliverable:
    if status == 429 or error == "ratelimited":
        return Throttled(retry_after_seconds(headers))
    if status >= 500 or not error or error in TRANSIENT:
        return Undeliverable(error or f"http_{status}", maybe_done=True)
    return Undeliverable(error, permanent=error not in TOKEN_TROUBLE)


def retry_after_seconds(headers: Mapping[str, str]) -> float:
    value = next((text for name, text in headers.items() if name.lower() == "retry-after"), "")
    try:
        return max(float(value), 0.0)
    except ValueError:
        return DEFAULT_RETRY_SECONDS


def _code(body: str) -> str | None:
    """A response_url answers nothing, `ok`, an error code, or JSON that holds one."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body.strip()[:80] or None
    if not isinstance(answer, dict) or answer.get("ok"):
        return None
    return str(answer.get("error") or "refused")
