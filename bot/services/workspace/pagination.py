"""Slack's long lists, page by page, waiting where Slack says slow down. For work at the start that nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Throttled


async def pages(deps: Deps, method: str, arguments: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Raises Undeliverable."""
    cursor: str | None = None
    while cursor != "":
        answer = await _patiently(deps, method, {**arguments, "cursor": cursor})
        yield answer
        cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")


async def _patiently(deps: Deps, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
    while True:
        try:
            return await deps.chat.call(method, arguments)
        except Throttled as refusal:
            await asyncio.sleep(refusal.retry_after_seconds)
