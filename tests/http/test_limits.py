"""Bodies are held in memory while they are answered: how many at once."""

from __future__ import annotations

import asyncio

import httpx
from starlette.types import Receive, Scope, Send

from bot.http.limits import BodyLimit


async def test_too_much_at_once_is_put_off() -> None:
    """What finds no room is 503 with the time to come again, and finds it when the others are answered."""
    may_answer, is_read = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        is_read.set()
        await may_answer.wait()
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    transport = httpx.ASGITransport(app=BodyLimit(slow, most_held=1_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin") as api:
        first = asyncio.create_task(api.post("/hooks/generic", content=b"x" * 800))
        await is_read.wait()
        second = await api.post("/hooks/generic", content=b"x" * 800)
        assert second.status_code == 503
        assert second.headers["retry-after"] == "2"
        assert second.json()["detail"] == "Too much comes in at once. Send it again in a moment."
        small = asyncio.create_task(api.post("/hooks/generic", content=b"x" * 100))
        may_answer.set()
        assert (await first).status_code == 202
        assert (await small).status_code == 202
        assert (await api.post("/hooks/generic", content=b"x" * 800)).status_code == 202
