"""A PagerDuty for tests: its Events v2 and REST v2 over TLS, as far as we use them, and its bad days."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from bot.domain.text.secret import Secret
from bot.integrations.pagerduty import PagerDuty
from tests.support.clock import HandClock

ROUTING_KEY = "R0UT1NGK3Y"
API_KEY = "4P1K3Y"
SENDER = "tocsin@example.com"
STATUS = {"acknowledge": "acknowledged", "resolve": "resolved"}


class PagerDutyStandIn:
    """What was asked of it is in `events` and `requests`; what became of it in `incidents`, by their key."""

    def __init__(self) -> None:
        self.url = ""
        self.events: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.incidents: dict[str, dict[str, Any]] = {}
        self.notes: list[tuple[str, str]] = []
        self.users = [{"id": "PUADA", "name": "Ada", "email": "ada@example.com", "type": "user"}]
        self.schedules: dict[str, list[dict[str, Any]]] = {}
        self.clock: HandClock | None = None  # its own, where shifts begin and end
        self.meanwhile: Callable[[], Awaitable[None]] | None = None  # done before the next request is answered
        self._bad_days: list[web.Response | str] = []
        self._is_away = False

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext) -> AsyncIterator[PagerDutyStandIn]:
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._on_a_bad_day])
        application.router.add_post("/v2/enqueue", self._enqueue)
        application.router.add_get("/incidents", self._list)
        application.router.add_post("/incidents", self._create)
        application.router.add_put("/incidents/{id}", self._change)
        application.router.add_post("/incidents/{id}/notes", self._note)
        application.router.add_get("/users", self._find_users)
        application.router.add_get("/users/{id}", self._user)
        application.router.add_get("/oncalls", self._on_calls)
        return application

    # --- bad days, one request each ---

    def answers(self, status: int, text: str = "", **headers: str) -> None:
        """The next request is answered so, and has no effect."""
        made = web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})
        self._bad_days.append(made)

    def hangs_up(self, *, after: bool = False) -> None:
        """The connection of the next request drops: before anything happens, or after it did."""
        self._bad_days.append("after" if after else "before")

    def goes_away(self) -> None:
        """Every connection drops before anything happens, until it comes back."""
        self._is_away = True

    def comes_back(self) -> None:
        self._is_away = False

    @web.middleware
    async def _on_a_bad_day(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        bad = "before" if self._is_away else self._bad_days.pop(0) if self._bad_days else None
        if isinstance(bad, web.Response):
            return bad
        answer: web.StreamResponse = web.Response() if bad == "before" else await handler(request)
        if self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        if bad is not None:
            assert request.transport is not None
            request.transport.abort()
        return answer

    # --- Events v2 ---

    async def _enqueue(self, request: web.Request) -> web.Response:
        event = await request.json()
        wrong = _wrong(event)
        if wrong:
            body = {"status": "invalid event", "message": "Event object is invalid", "errors": wrong}
            return web.json_response(body, status=400)
        self.events.append(event)
        key, action = event["dedup_key"], event["event_action"]
        if action == "trigger":
            self.incidents.setdefault(key, {"id": f"Q{len(self.incidents)}", "status": "triggered"})
        elif key in self.incidents:
            self.incidents[key]["status"] = STATUS[action]
        return web.json_response({"status": "success", "message": "Event processed", "dedup_key": key}, status=202)

    # --- REST v2 ---

    async def _list(self, request: web.Request) -> web.Response:
        _must_be_let_in(request)
        key, statuses = request.query["incident_key"], request.query.getall("statuses[]")
        found = self.incidents.get(key)
        return web.json_response({"incidents": [found] if found and found["status"] in statuses else []})

    async def _create(self, request: web.Request) -> web.Response:
        _must_be_let_in(request)
        wanted = (await request.json())["incident"]
        key = wanted["incident_key"]
        if self.incidents.get(key, {}).get("status") in ("triggered", "acknowledged"):
            errors = ["Open incident with matching dedup key already exists on this service"]
            body = {"error": {"message": "Arguments Caused Error", "code": 2002, "errors": errors}}
            return web.json_response(body, status=400)
        self.incidents[key] = {**wanted, "id": f"Q{len(self.incidents)}", "status": "triggered"}
        return web.json_response({"incident": self.incidents[key]}, status=201)

    async def _change(self, request: web.Request) -> web.Response:
        _must_be_let_in(request)
        self._of(request)["status"] = (await request.json())["incident"]["status"]
        return web.json_response({"incident": self._of(request)})

    async def _note(self, request: web.Request) -> web.Response:
        _must_be_let_in(request)
        text = (await request.json())["note"]["content"]
        self.notes.append((self._of(request)["id"], text))
        return web.json_response({"note": {"content": text}}, status=201)

    def _of(self, request: web.Request) -> dict[str, Any]:
        return next(one for one in self.incidents.values() if one["id"] == request.match_info["id"])

    async def _find_users(self, request: web.Request) -> web.Response:
        """As there, a look for a part of the address."""
        _must_be_let_in(request)
        wanted = request.query["query"].casefold().partition("@")[0]
        return web.json_response({"users": [one for one in self.users if wanted in one["email"].casefold()]})

    async def _user(self, request: web.Request) -> web.Response:
        _must_be_let_in(request)
        found = [one for one in self.users if one["id"] == request.match_info["id"]]
        return web.json_response({"user": found[0]} if found else {}, status=200 if found else 404)

    async def _on_calls(self, request: web.Request) -> web.Response:
        _must_be_let_in(request)
        (schedule,) = request.query.getall("schedule_ids[]")
        if schedule not in self.schedules:
            return web.json_response({"error": {"message": "Not Found", "code": 2100}}, status=404)
        since = request.query.get("since")
        at = datetime.fromisoformat(since) if since else self.clock.now() if self.clock else None
        return web.json_response({"oncalls": [one for one in self.schedules[schedule] if _is_on(one, at)]})


def shift(name: str, start: datetime, end: datetime) -> dict[str, Any]:
    """An entry of `/oncalls`: this person, by their address in the simulated workspace."""
    user = {"id": f"PU{name.upper()}", "name": name, "email": f"{name.lower()}@company.invalid"}
    return {"user": user, "escalation_level": 1, "start": start.isoformat(), "end": end.isoformat()}


def _is_on(entry: dict[str, Any], at: datetime | None) -> bool:
    if at is None or "start" not in entry:
        return True
    # As there: what touches the moment is in the answer, also what ends then.
    return datetime.fromisoformat(entry["start"]) <= at <= datetime.fromisoformat(entry["end"])


def trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """For a server on 127.0.0.1 that everybody trusts who honours SSL_CERT_FILE."""
    authority, kept = trustme.CA(), folder / "authority.pem"
    authority.cert_pem.write_to_path(kept)
    monkeypatch.setenv("SSL_CERT_FILE", str(kept))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def pager(stand_in: PagerDutyStandIn) -> PagerDuty:
    """The bot's own client, speaking to it."""
    return PagerDuty(api_key=Secret(API_KEY), sender=SENDER, api_url=stand_in.url, timeout_seconds=30)


def _wrong(event: dict[str, Any]) -> list[str]:
    if event.get("routing_key") != ROUTING_KEY:
        return ["'routing_key' is invalid"]
    payload = event.get("payload") or {}
    wanted = ("summary", "source", "severity") if event["event_action"] == "trigger" else ()
    return [f"'payload.{name}' is missing or blank" for name in wanted if not payload.get(name)]


def _must_be_let_in(request: web.Request) -> None:
    if request.headers.get("Authorization") != f"Token token={API_KEY}":
        raise web.HTTPUnauthorized
    if request.method != "GET" and request.headers.get("From") != SENDER:
        raise web.HTTPBadRequest(text='{"error": {"message": "Requester User Not Found", "code": 1008}}')
