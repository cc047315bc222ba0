"""What runs have an effect on, in a process of its own that nobody kills: it counts whatever arrives, and tells.

    python -m tests.support.once_target

It prints its port, and ends when its standard input does. A request names its run and step in the headers `X-Run` and
`X-Step`; it is counted under them and its `Idempotency-Key` before anything else happens.

* `POST /do/ok`      answers 200
* `POST /do/slow`    answers 200 after `X-Seconds`
* `POST /do/cut`     is counted, and the connection is closed without an answer
* `POST /do/error`   answers 500
* `GET  /counts`     `[{"run": "RUN-7", "step": "restart", "key": "…", "count": 1}, …]`
* `GET  /after/12`   answers when so many have been counted, with how many there are
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

Counts = dict[tuple[str, str], Counter[str]]  # run and step -> idempotency key -> how often


class Tally:
    """What has arrived, by run, step and key."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.total = 0
        self._more = asyncio.Condition()

    async def do(self, request: web.Request) -> web.StreamResponse:
        name = request.headers
        self.counts[name.get("X-Run", ""), name.get("X-Step", ""), name.get("Idempotency-Key", "")] += 1
        self.total += 1
        async with self._more:
            self._more.notify_all()
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        match request.match_info["manner"]:
            case "slow":
                await asyncio.sleep(float(request.headers.get("X-Seconds", "1")))
            case "error":
                return web.json_response({"done": False}, status=500)
            case "cut" if request.transport is not None:
                request.transport.abort()
        return web.json_response({"done": True})

    async def tell(self, request: web.Request) -> web.Response:
        return web.json_response(
            [{"run": run, "step": step, "key": key, "count": count} for (run, step, key), count in self.counts.items()]
        )

    async def after(self, request: web.Request) -> web.Response:
        async with self._more:
            await self._more.wait_for(lambda: self.total >= int(request.match_info["total"]))
        return web.json_response(self.total)


async def serve() -> None:
    """Until standard input ends."""
    tally, app = Tally(), web.Application()
    app.router.add_route("*", "/do/{manner}", tally.do)
    app.router.add_get("/counts", tally.tell)
    app.router.add_get("/after/{total}", tally.after)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)  # noqa: T201  the process that started it reads this
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


# --- for tests -----------------------------------------------------------------------------------------------------


class OnceTarget:
    """The target as tests see it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def counts(self) -> Counts:
        found: Counts = {}
        async with self._session.get(f"{self.url}/counts") as response:
            for one in await response.json():
                found.setdefault((one["run"], one["step"]), Counter())[one["key"]] += one["count"]
        return found

    async def until(self, total: int) -> int:
        """Returns when so many have arrived: how many there are."""
        async with self._session.get(f"{self.url}/after/{total}") as response:
            return int(await response.text())


@asynccontextmanager
async def once_target() -> AsyncIterator[OnceTarget]:
    """The target in a process of its own."""
    command = [sys.executable, "-m", "tests.support.once_target"]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = json.loads(await process.stdout.readline())
        async with aiohttp.ClientSession() as session:
            yield OnceTarget(f"http://127.0.0.1:{port}", session)
    finally:
        process.stdin.close()
        await process.communicate()


if __name__ == "__main__":
    asyncio.run(serve())
