"""What monitoring sent and was refused is counted: by day, vendor and reason, in memory first and then in a table.

A flood of refused messages costs a write every few seconds, not one each. What was counted since the last write is lost
where the process is killed; nothing but these figures depends on it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.deps import Deps
from bot.http.limits import HOOKS
from bot.intake import VENDORS
from bot.store.alerts import refused_webhooks as store
from bot.store.alerts.refused_webhooks import Refusal
from bot.store.db.errors import DatabaseTrouble
from bot.telemetry import Event, get_logger

FLUSH_SECONDS = 5.0  # of real time
UNKNOWN = "unknown"  # in place of what the address says: strangers would fill the table with rows of their own
REASONS: Mapping[int, str] = {
    400: "unreadable",
    401: "bad_token",
    403: "wrong_scope",
    413: "too_large",
    422: "unreadable",
}
PROOFS = frozenset(
    {
        b"authorization",
        b"x-pagerduty-signature",
        b"x-hub-signature-256",
        b"sentry-hook-signature",
        b"x-amz-sns-message-type",
    }
)


class Refusals:
    """The counts that are not written yet. The first one of a few seconds sees to it that they are."""

    def __init__(self, deps: Callable[[], Deps], flush_seconds: float = FLUSH_SECONDS) -> None:
        self._deps = deps
        self._flush_seconds = flush_seconds
        self._counts: Counter[Refusal] = Counter()
        self._writing: asyncio.Task[None] | None = None
        self._is_armed = False

    def count(self, vendor: str, reason: str) -> None:
        today = self._deps().clock.now().astimezone(UTC).date()
        self._counts[Refusal(today, vendor if vendor in VENDORS else UNKNOWN, reason)] += 1
        if not self._is_armed:
            self._is_armed = True
            asyncio.get_running_loop().call_later(self._flush_seconds, self._begin)

    def _begin(self) -> None:
        self._writing = asyncio.create_task(self.flush())

    async def flush(self) -> None:
        """A database that is away is told with the next ones."""
        self._is_armed = False
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            async with self._deps().database.transaction() as tx:
                await store.add(tx, counts)
        except (DatabaseTrouble, OSError) as trouble:
            self._counts += counts
            get_logger().warning(Event.DATABASE_TROUBLE, during="refusals", error=str(trouble))
        else:
            said = {f"{one.vendor} {one.reason}": count for one, count in sorted(counts.items())}
            get_logger().warning(Event.HOOK_REFUSALS, messages=counts.total(), of=said)


class CountRefusals:
    """ASGI middleware: looks at the answer to each hook, of whichever layer."""

    def __init__(self, app: ASGIApp, refusals: Refusals) -> None:
        self._app = app
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(HOOKS):
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._look(scope, message["status"])
            await send(message)

        await self._app(scope, receive, answer)

    def _look(self, scope: Scope, status: int) -> None:
        vendor = scope["path"].removeprefix(HOOKS)
        reason = _reason(vendor, status, scope)
        if reason:
            self._refusals.count(vendor, reason)


def _reason(vendor: str, status: int, scope: Scope) -> str | None:
    if status == 404:
        return "unknown_source" if vendor in VENDORS else "unknown_vendor"
    if status == 401 and not any(name.lower() in PROOFS for name, _ in scope["headers"]):
        return "no_token"
    return REASONS.get(status)
