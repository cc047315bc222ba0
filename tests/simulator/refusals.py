"""Reads how the workspace refused a call."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from slack_sdk.errors import SlackApiError


async def refusal(call: Awaitable[Any]) -> dict[str, Any]:
    """The body of the refusal; an assertion when the call succeeded."""
    try:
        answer = await call
    except SlackApiError as problem:
        body = problem.response.data
        assert isinstance(body, dict)
        return body
    raise AssertionError(f"not refused: {answer}")


async def error(call: Awaitable[Any]) -> str:
    """The error code alone."""
    return str((await refusal(call))["error"])
