"""The simulated workspace as one HTTP server: Web API, Socket Mode, response_url, control API and the page."""

import asyncio
import itertools
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from aiohttp import BodyPartReader, web

from bot.simulator.api import Method, methods
from bot.simulator.api.call import Call
from bot.simulator.arguments import Args, read_arguments, read_json
from bot.simulator.control import Control
from bot.simulator.delivery.deliver import ACK_SECONDS, Deliverer, Transport
from bot.simulator.delivery.events import Events
from bot.simulator.delivery.faults import Fault, Faults
from bot.simulator.delivery.http import HttpDoor
from bot.simulator.delivery.sockets import Sockets
from bot.simulator.interactivity.interactions import Interactions
from bot.simulator.interactivity.respond import respond
from bot.simulator.workspace.changes import Changes
from bot.simulator.workspace.clock import SimClock, WallClock
from bot.simulator.workspace.errors import BROKEN_CONTRACT, NotPossible, Refused, refuse
from bot.simulator.workspace.journal import Journal
from bot.simulator.workspace.limits import Limits
from bot.simulator.workspace.manifest import Manifest
from bot.simulator.workspace.seed import seed as fill
from bot.simulator.workspace.state import Json, Workspace

PAGE = Path(__file__).parent / "page"
PAGE_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MOST_REQUEST_BYTES = 64 * 1024 * 1024


class Simulator:
    """`manifest` is the app's manifest as a dict; {} grants what this bot needs."""

    def __init__(
        self,
        manifest: dict[str, Any],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: SimClock | None = None,
        journal_path: Path | None = None,
        seed: int = 0,
        signing_secret: str = "simulated-signing-secret",  # noqa: S107  a simulated one
        delivery: Literal["socket", "http"] = "socket",
        request_url_base: str | None = None,
        latency_seconds: float = 0.0,
        ack_seconds: float = ACK_SECONDS,
    ) -> None:
        self.bot_token = "xoxb-simulated-bot"  # noqa: S105  a simulated one
        self.app_token = "xapp-simulated-app"  # noqa: S105  a simulated one
        self.signing_secret = signing_secret
        self.faults = Faults()
        self.limits = Limits()
        self.journal = Journal(journal_path)
        self.workspace = Workspace(Manifest.read(manifest), clock or WallClock(), self.journal, Changes(), seed=seed)
        self.sockets = Sockets(self.workspace, self.faults, ack_seconds)
        self.door = HttpDoor(self.workspace, signing_secret, request_url_base, ack_seconds)
        transports: dict[str, Transport] = {"socket": self.sockets, "http": self.door}
        self.deliverer = Deliverer(self.workspace, self.faults, transports)
        self.deliverer.mode = delivery
        self.control = Control(
            self.workspace,
            Interactions(self.workspace, self.deliverer),
            self.deliverer,
            self.sockets,
            self.door,
            self.faults,
            self.limits,
            self.reset,
        )
        self.control.latency_seconds = latency_seconds
        self._host, self._port, self._seed = host, port, seed
        self._runner: web.AppRunner | None = None
        self._requests = itertools.count(1)
        self.reset()

    @property
    def url(self) -> str:
        return self.workspace.url

    @property
    def api_url(self) -> str:
        """For SLACK_API_URL; ends with a slash."""
        return f"{self.url}/api/"

    async def start(self) -> None:
        """Afterwards `url` and `api_url` are known."""
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        host, port = self._runner.addresses[0][:2]
        self.workspace.url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104  only compared

    async def stop(self) -> None:
        self.workspace.changes.close()
        await self.deliverer.close()
        await self.sockets.close()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
        await self.door.close()
        self.journal.close()

    def reset(self) -> None:
        """Connections stay open; the journal is emptied."""
        workspace = self.workspace
        fresh = Workspace(workspace.manifest, workspace.clock, self.journal, workspace.changes, seed=self._seed)
        fresh.url = workspace.url
        vars(workspace).update(vars(fresh))
        workspace.emit = Events(workspace, self.deliverer).emit
        self.faults.clear()
        self.journal.clear()
        fill(workspace)
        workspace.changes.mark()

    # --- addresses ---

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=MOST_REQUEST_BYTES, middlewares=[_sentences])
        app.add_routes(
            [
                web.post("/api/{method}", self._handle_call),
                web.get("/api/{method}", self._handle_call),
                web.get("/link", self.sockets.serve),
                web.post("/response/{team}/{key}", self._handle_response_url),
                web.post("/upload/v1/{file}", self._handle_upload),
                web.get("/", _show_page),
                web.get("/archives/{tail:.*}", _show_page),
                web.get("/_sim/page/{file}", _show_page),
                *self.control.routes(),
            ]
        )
        return app

    # --- the Web API ---

    async def _handle_call(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        name = request.match_info["method"]
        try:
            args, token = await read_arguments(request)
        except Refused as problem:
            return self._respond(name, Args({}), problem.body(), started)
        fault = self.faults.take_call(name, *self._channels_of(args))
        if fault and (response := await self._go_wrong(fault, name, args, started)):
            return response
        body = self._answer(name, args, token)
        if self.control.latency_seconds:
            await asyncio.sleep(self.control.latency_seconds)
        if fault and fault.kind == "drop_response":
            return self._hang_up(request, name, args, body, started)
        return self._respond(name, args, body, started)

    def _answer(self, name: str, args: Args, token: str) -> Json:
        try:
            method = self._allowed(name, args, token)
            self._check_rate(method, args)
            return {"ok": True, **method.perform(Call(args, self.workspace, self.sockets, method.scopes))}
        except Refused as problem:
            return problem.body()

    def _allowed(self, name: str, args: Args, token: str) -> Method:
        method = methods().get(name)
        if method is None:
            raise Refused("unknown_method", req_method=name)
        if name != "api.test":
            self._check_token(name, token)
            if method.scopes:
                self.workspace.manifest.need_any(method.scopes)
        missing = [one for one in method.required if one not in args]
        if missing:
            sentences = (f"[ERROR] missing required field: {one} [json-pointer:/{one}]" for one in missing)
            raise Refused("invalid_arguments", *sentences)
        return method

    def _check_token(self, name: str, token: str) -> None:
        refuse(
            not_authed=not token,
            invalid_auth=token not in (self.bot_token, self.app_token),
            not_allowed_token_type=(token == self.app_token) is not (name == "apps.connections.open"),
        )

    def _check_rate(self, method: Method, args: Args) -> None:
        channel, now = args.text("channel"), self.workspace.clock.wall()
        if (wait := self.limits.wait_seconds(method.name, method.tier, channel, now)) is not None:
            raise Refused("ratelimited", retry_after=wait)

    async def _go_wrong(self, fault: Fault, name: str, args: Args, started: float) -> web.Response | None:
        """None where the call goes on."""
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "rate_limited":
            body = {"ok": False, "error": "ratelimited", "retry_after": fault.retry_after}
            return self._respond(name, args, body, started)
        elif fault.kind == "error":
            return self._respond(name, args, {"ok": False, "error": fault.error}, started)
        elif fault.kind == "http_500":
            self._note(name, args, {"ok": False, "error": f"http_{fault.status}"}, started)
            return web.Response(
                status=fault.status, text="<html><body>Server Error</body></html>", content_type="text/html"
            )
        return None

    def _hang_up(self, request: web.Request, name: str, args: Args, body: Json, started: float) -> web.Response:
        """The state has changed, the answer is lost."""
        self._note(name, args, body, started, answer="lost")
        if request.transport:
            request.transport.abort()
        return web.Response()

    def _respond(self, name: str, args: Args, body: Json, started: float) -> web.Response:
        self._note(name, args, body, started)
        scopes = ",".join(sorted(self.workspace.manifest.scopes))
        headers = {"x-slack-req-id": f"{next(self._requests):032x}", "x-oauth-scopes": scopes}
        if method := methods().get(name):
            headers["x-accepted-oauth-scopes"] = ",".join(method.scopes)
        if (wait := body.pop("retry_after", None)) is not None:
            headers["Retry-After"] = str(math.ceil(wait))
        return web.json_response(body, status=200 if wait is None else 429, headers=headers)

    def _note(self, name: str, args: Args, body: Json, started: float, **more: Any) -> None:
        duration = round((time.perf_counter() - started) * 1000, 2)
        more |= {key: body[key] for key in ("ok", "error", "ts", "message_ts") if key in body}
        self.workspace.record("call", method=name, args=args.raw, duration_ms=duration, **more)
        if body.get("error") in BROKEN_CONTRACT:
            messages = body.get("response_metadata", {}).get("messages", [])
            sentence = f"{name} was refused with {body['error']}"
            self.workspace.violation(sentence, method=name, error=body["error"], messages=messages)

    def _channels_of(self, args: Args) -> tuple[str, ...]:
        wanted = str(args.raw.get("channel") or args.raw.get("channel_id") or "")
        channel = self.workspace.channels.get(wanted)
        return (wanted, channel.name) if channel else (wanted.removeprefix("#"),)

    # --- the other addresses an app is given ---

    async def _handle_response_url(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        try:
            body = await read_json(request, "invalid_payload")
            respond(self.workspace, key, body)
        except Refused as problem:
            self.workspace.record("response_url", ok=False, error=problem.code)
            self.workspace.violation(f"response_url was refused with {problem.code}", messages=problem.messages)
            status = 404 if problem.code.endswith("_url") else 400
            return web.json_response(problem.body(), status=status)
        self.workspace.record("response_url", ok=True, body=body)
        return web.Response(text="ok")

    async def _handle_upload(self, request: web.Request) -> web.Response:
        file = self.workspace.files.get(request.match_info["file"])
        if file is None or file.content is not None:
            raise web.HTTPNotFound(text="This upload address is not known, or was used.")
        content = await _uploaded(request)
        if len(content) != file.length:
            self.workspace.violation("an upload's length differs from what was announced", file=file.id)
            raise web.HTTPBadRequest(text="The length differs from what was announced.")
        file.content = content
        return web.Response(text=f"OK - {file.length}")


async def run_simulator(
    manifest: dict[str, Any],
    host: str = "127.0.0.1",
    port: int = 3000,
    journal_path: Path | None = None,
    speed: float = 1.0,
    *,
    listening: Callable[[Simulator], None] = lambda _: None,
    stop: asyncio.Event | None = None,
) -> None:
    """`listening` is called once it answers."""
    simulator = Simulator(manifest, host=host, port=port, clock=WallClock(speed), journal_path=journal_path)
    try:
        await simulator.start()
        listening(simulator)
        await (stop or asyncio.Event()).wait()
    finally:
        await simulator.stop()


async def _uploaded(request: web.Request) -> bytes:
    if request.content_type != "multipart/form-data":
        return await request.read()
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader):
            return bytes(await part.read())
    return b""


async def _show_page(request: web.Request) -> web.StreamResponse:
    name = request.match_info.get("file", "index.html")
    path = PAGE / name
    if path.parent != PAGE or path.suffix not in PAGE_TYPES or not path.is_file():
        raise web.HTTPNotFound(text="There is no such page.")
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": PAGE_POLICY}
    return web.Response(body=path.read_bytes(), content_type=PAGE_TYPES[path.suffix], charset="utf-8", headers=headers)


@web.middleware
async def _sentences(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except NotPossible as problem:
        return web.json_response(problem.body())
    return response
