"""An installation whose runbooks reach real targets, which keep exactly what they were sent; and what is seen after."""

from __future__ import annotations

import asyncio
import io
import json
import re
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from bot.domain.people.token import Scope
from bot.engine.secrets import Secrets
from bot.http.app import make_app
from bot.http.door import HttpDoor
from bot.ports import Database
from bot.services.admin import tokens
from bot.store.tables import metadata
from bot.store.wakeups.local import LocalWakeups
from tests.support.clock import HandClock
from tests.support.runbooks import ORG, shop
from tests.support.story import Story, shown, told, worker_of

OPS = "ops-alerts"
OVER = ("succeeded", "failed", "was cancelled", "was rejected", "was taken back")

# Writes down the arguments and the environment it was given, and what came in.
WITNESS = f"""#!{sys.executable}
import json, os, sys
given = {{"argv": sys.argv[1:], "env": dict(os.environ), "stdin": sys.stdin.read() if "-stdin" in sys.argv else ""}}
with open("witness.jsonl", "a") as file:
    file.write(json.dumps(given) + "\\n")
print(sys.argv[-1])
"""


@dataclass
class Request:
    """As it came over the wire: nothing decoded."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Echo:
    """A target that answers `/hostile` with what it was told to, `/echo` with what it was sent, the rest with its path.

    It speaks Prometheus' API as well, and keeps each query.
    """

    url: str = ""
    hostile: Any = ""
    seen: list[Request] = field(default_factory=list)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    status: dict[str, int] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        body = await request.read()
        headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in request.raw_headers]
        self.seen.append(Request(request.method, request.raw_path, headers, body))
        if path in self.held:
            self.reached.set()
            await self.held[path].wait()
        if path == "/hostile":
            return web.json_response({"v": self.hostile})
        if path == "/raw":
            return web.Response(body=self.hostile, content_type="application/json")
        if path.startswith("/api/v1/"):
            return await self._prometheus(request)
        if path.startswith("/echo"):
            told = {"sent": body.decode("utf-8", "replace"), "headers": dict(headers), "path": request.raw_path}
            return web.json_response(told, status=self.status.get(path, 200))
        return web.json_response({"path": path}, status=self.status.get(path, 200))

    async def _prometheus(self, request: web.Request) -> web.StreamResponse:
        query = str((await request.post())["query"])
        if "refuse" in query:
            error = f"parse error in {query}; {request.headers.get('Authorization', '')}"
            return web.json_response({"status": "error", "error": error}, status=400)
        series = {"metric": {"__name__": "up", "host": query}, "value": [1.0, "1"]}
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": [series]}})

    def at(self, path: str) -> list[Request]:
        """What came to this path, or below it."""
        return [one for one in self.seen if one.target.split("?")[0].startswith(path)]


@asynccontextmanager
async def echo() -> AsyncIterator[Echo]:
    """A real server on loopback."""
    made = Echo()
    app = web.Application(client_max_size=4_000_000)
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


class Scene:
    """People and programs at the doors, the target, and everything that was said, stored and logged."""

    def __init__(
        self, story: Story, there: Echo, folder: Path, environment: Mapping[str, str], api: httpx.AsyncClient
    ) -> None:
        self.story = story
        self.there = there
        self.folder = folder  # of the runbooks, in which programs run
        self.environment = environment
        self.api = api
        self._runs = 0

    # --- doors ---

    async def types(self, words: str, user: str = "Ada") -> str:
        """`/runbook run` with these words; the answer."""
        return await self.story.reads(user, f"/runbook run {words}", OPS)

    async def submits(self, runbook: str, user: str = "Ada", **values: Any) -> dict[str, Any]:
        """The form of that runbook, filled in and sent."""
        view = await self.story.opens(user, f"/runbook run {runbook}", OPS)
        return await self.story.submits(user, view, **values)

    async def executes(self, runbook: str, *, reason: str = "", owner: str = "U0ADA", **given: Any) -> httpx.Response:
        """The same over REST."""
        body = {"parameters": given, "reason": reason}
        headers = await self.token(owner)
        answer = await self.api.post(f"/api/sre/runbooks/{runbook}/execute", json=body, headers=headers)
        await self.story.settle()
        return answer

    async def token(self, owner: str = "U0ADA") -> dict[str, str]:
        self._runs += 1
        made = await tokens.create(self.story.deps, f"t{self._runs}", tuple(Scope), owner, by="test")
        return {"Authorization": f"Bearer {made.reveal()}"}

    async def approve(self, run: str, user: str = "Ben") -> None:
        question = await self.story.asked(run, "approval.approve")
        await self.story.clicks(user, OPS, question, "approval.approve")

    # --- a process that ends, and its successor ---

    async def restart(self) -> None:
        """Another process on the same database, which knows no secret yet."""
        secrets = Secrets(self.environment, handed_on=self.environment)
        deps = replace(self.story.deps, secrets=secrets, wakeups=LocalWakeups(), worker_name="successor")
        self.story.door.deps = deps
        self.story.worker = worker_of(deps)
        self.story.clock.advance(deps.config.lease_seconds + 1)
        await self.story.settle()

    # --- what there is to see ---

    async def words(self, run: str) -> str:
        return shown(await self.story.live(run))

    def said(self) -> str:
        """Every call to Slack and every answer to it, with everything in them, as text."""
        entries = [one for one in self.story.simulator.journal.since() if one.get("entry") in ("call", "ack")]
        return "\n".join(text for one in entries for text in texts(one))

    def witnessed(self) -> list[dict[str, Any]]:
        """What the program was given, each time."""
        path = self.folder / "witness.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    async def stored(self) -> str:
        """Every column of every row of every table, as text."""
        found: list[str] = []
        async with self.story.deps.database.reading() as tx:
            for table in metadata.sorted_tables:
                for row in await tx.execute(table.select()):
                    found += [text for value in row for text in texts(_readable(value))]
        return "\n".join(found)

    def is_clean(self, *involved: str) -> None:
        """Nothing that Slack would refuse was sent, and nobody is alerted but those who took part."""
        assert self.story.violations() == []
        ours = (one for one in self.story.simulator.journal.since() if one.get("entry") in ("call", "ack"))
        for text in dict.fromkeys(marked_up(ours)):
            assert not BROADCAST.search(text), text
            for person in MENTION.findall(text):
                assert person in {"U0ADA", "U0BEN", *involved}, text
            for url in LINK.findall(text):
                assert "evil.invalid" not in url, text


BROADCAST = re.compile(r"<!(?!date\^)")
MENTION = re.compile(r"<@([A-Z0-9]+)")
LINK = re.compile(r"<((?:https?|mailto)[^>]*)>")


def marked_up(entries: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Every text of ours that Slack reads as markup."""
    for one in entries:
        yield from _marked_up(one)


def _marked_up(value: Any) -> Iterator[str]:
    match value:
        case {"type": "mrkdwn", "text": str(text)}:
            yield text
        case {"entry": "call", "method": str(), **rest}:
            yield from _marked_up({key: one for key, one in rest.items() if key not in ("response", "answer")})
        case {"type": "plain_text"}:
            return
        case {"text": str(text), **rest}:
            yield text
            yield from _marked_up(rest)
        case dict():
            for one in value.values():
                yield from _marked_up(one)
        case list() | tuple():
            for one in value:
                yield from _marked_up(one)
        case str() if value[:1] in "[{":
            yield from _marked_up(_json(value))


def texts(value: Any) -> Iterator[str]:
    """Every text in it, keys included, and what is JSON in JSON as well."""
    match value:
        case str():
            yield value
            inner = _json(value) if value[:1] in "[{" else None
            if isinstance(inner, dict | list):
                yield from texts(inner)
        case dict():
            for key, one in value.items():
                yield from texts(key)
                yield from texts(one)
        case list() | tuple():
            for one in value:
                yield from texts(one)
        case bytes():
            yield value.decode("utf-8", "replace")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _readable(value: Any) -> Any:
    return value if isinstance(value, str | bytes | dict | list | tuple) else str(value)


def things(path: Path) -> str:
    """A SQLite database with one table; its URL."""
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE things (name text); INSERT INTO things VALUES ('kept');")
    connection.close()
    return f"sqlite:///{path}"


@asynccontextmanager
async def opened(
    database: Database,
    clock: HandClock,
    folder: Path,
    runbooks: Mapping[str, str],
    *,
    org: str = ORG,
    environment: Mapping[str, str] | None = None,
    programs: Mapping[str, str] | None = None,
) -> AsyncIterator[Scene]:
    """An installation with these runbooks; `{url}` in them is the target's. Programs may run in their folder."""
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(echo())
        made = {name: text.replace("{url}", there.url) for name, text in runbooks.items()}
        catalogue = shop(folder, org=org, **made)
        for name, source in {"witness": WITNESS, **(programs or {})}.items():
            (catalogue / name).write_text(source)
            (catalogue / name).chmod(0o755)
        address = there.url.removeprefix("http://")
        given = {name: value.replace("{address}", address) for name, value in (environment or {}).items()}
        story = await stack.enter_async_context(
            told(database, clock, catalogue=[catalogue], environment=given, shell_folders=(catalogue,))
        )
        door = HttpDoor(deps=lambda: story.deps, slack_trouble=story.door.trouble)
        transport = httpx.ASGITransport(app=make_app(door), raise_app_exceptions=False)
        api = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://tocsin.invalid"))
        yield Scene(story, there, catalogue, given, api)


def quoted(value: str) -> str:
    """As a person quotes one word of a command."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Log:
    """What was logged, by our own code and by others'."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def is_silent(self) -> None:
        """No traceback, and nothing that went wrong on our side."""
        assert "Traceback" not in self.text, self.text[-4_000:]
        assert '"level": "error"' not in self.text, self.text[-4_000:]
