"""The Slack door: Bolt's signature check and transports around one dispatcher. HTTP, Socket Mode, or both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
from fastapi import Request, Response
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot import telemetry
from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.text.secret import Secret
from bot.integrations.slack import TOKEN_TROUBLE, web_client
from bot.interactions import Listeners
from bot.priority import interactive
from bot.services.workspace import channels, people
from bot.services.workspace.people import Identity
from bot.slack import events, payloads
from bot.slack.background_tasks import Tasks
from bot.slack.dispatcher import BUDGET_SECONDS, Dispatcher, empty
from bot.slack.sockets import CONNECTIONS, PING_SECONDS, Socket
from bot.telemetry import Event

BOLT = "slack_bolt.tocsin"
BODY_LIMIT = 1_000_000
RETRY_SECONDS = 5.0
START_SECONDS = 5.0
DRAIN_SECONDS = 5.0


class SlackDoor:
    """What Slack and the bot say to one another. `start`, then `http_handler` and the sockets take what comes."""

    def __init__(
        self,
        listeners: Listeners,
        deps: Deps,
        *,
        session: aiohttp.ClientSession,
        base_url: str,
        app_token: Secret | None = None,
        signing_secret: Secret | None = None,
        budget_seconds: float = BUDGET_SECONDS,
        ping_seconds: float = PING_SECONDS,
        start_seconds: float = START_SECONDS,
        connections: int = CONNECTIONS,
    ) -> None:
        self.listeners = listeners
        self.deps = deps
        self._has_secret = signing_secret is not None
        self._start_seconds = start_seconds
        self.identity: Identity | None = None  # of the bot in its workspace; None until Slack has said so
        self._trouble: str | None = "I have not reached Slack yet."
        self.is_stopping = False
        self._tasks = Tasks()  # answers: drained at the end
        self._keepers = Tasks()  # connections: cancelled at the end
        self.app = self._bolt(web_client(None, base_url=base_url, session=session), signing_secret)
        dispatcher = Dispatcher(listeners, lambda: self.deps, self._tasks, budget_seconds)
        self.app.middleware(_Handover(self, dispatcher))
        self._sockets = (
            [Socket(self.app, app_token, ping_seconds=ping_seconds, name=str(n)) for n in range(connections)]
            if app_token
            else []
        )

    def _bolt(self, client: Any, signing_secret: Secret | None) -> AsyncApp:
        logger = logging.getLogger(BOLT)
        # While it is made, Bolt warns of the SLACK_BOT_TOKEN that it finds in the environment.
        logger.setLevel(logging.ERROR)
        app = AsyncApp(
            name=BOLT,  # Bolt sets the level of the logger of this name: it must not be ours
            logger=logger,
            client=client,
            signing_secret=signing_secret.reveal() if signing_secret else "",
            authorize=_Ourselves(self),  # type: ignore[arg-type] # Bolt takes its own class too
        )
        # At WARNING and above: below, Bolt logs the whole body of a request whose signature is wrong.
        logger.setLevel(logging.WARNING)
        return app

    # --- coming and going ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Where Slack is away, this returns all the same and goes on trying."""
        tried = asyncio.Event()
        self._keepers.spawn(self._get_to_know(tried))
        for socket in self._sockets:
            self._keepers.spawn(socket.keep())
        with suppress(TimeoutError):
            async with asyncio.timeout(self._start_seconds):
                await tried.wait()
                await self._wait_for_sockets()

    async def stop(self) -> None:
        self.is_stopping = True
        await self._tasks.drain(DRAIN_SECONDS)
        await self._keepers.drain(0.0)

    async def quiet(self) -> None:
        await self._tasks.quiet()

    def connected(self) -> bool:
        return self.trouble() is None

    def trouble(self) -> str | None:
        if self._sockets and self.identity and not any(socket.is_connected for socket in self._sockets):
            return "No Socket Mode connection to Slack is open; I keep trying."
        return self._trouble

    async def _get_to_know(self, tried: asyncio.Event) -> None:
        while not await self._introduce():
            tried.set()
            await asyncio.sleep(RETRY_SECONDS)
        await channels.find_all(self.deps)
        tried.set()
        self._keepers.spawn(self._prefill())

    async def _introduce(self) -> bool:
        try:
            known = await people.introduce(self.deps)
        except Undeliverable as problem:
            self._trouble = f"Slack does not answer ({problem.error}); I keep trying."
            if problem.permanent or problem.error in TOKEN_TROUBLE:
                self._trouble = f"Slack refuses the bot's token ({problem.error}): check SLACK_BOT_TOKEN."
            telemetry.get_logger().warning(Event.SLACK_AWAY, sentence=self._trouble)
            return False
        self.identity, self._trouble = known, None
        self.deps.workspace.learn(known.user, known.team, known.url)
        telemetry.get_logger().info(Event.SLACK_CONNECTED, team=known.team, bot_user=known.user)
        return True

    async def _prefill(self) -> None:
        try:
            await people.prefill(self.deps)
        except Undeliverable as problem:
            # A person who is not in the table yet is asked for when they first say something.
            telemetry.get_logger().info(Event.SLACK_AWAY, sentence=f"users.list: {problem.error}")

    async def _wait_for_sockets(self) -> None:
        if self.identity is None:
            return  # Slack is away: nobody knows for how long
        while not all(socket.is_connected for socket in self._sockets):  # noqa: ASYNC110 - the SDK has no event for it
            await asyncio.sleep(0.01)

    # --- HTTP ------------------------------------------------------------------------------------------------------

    async def http_handler(self, request: Request) -> Response:
        """401 where the request is not signed by Slack."""
        if not self._has_secret:
            return Response(status_code=404, content="SLACK_SIGNING_SECRET is not set.")
        body = await _bounded(request)
        if body is None:
            return Response(status_code=413)
        answer = await self._dispatch(request, body)
        if answer.status == 401:
            telemetry.get_logger().warning(
                Event.SLACK_SIGNATURE_REFUSED,
                timestamp=request.headers.get("x-slack-request-timestamp", "")[:20],
                client=request.client.host if request.client else None,
            )
        return Response(
            status_code=answer.status, content=answer.body, headers=answer.first_headers_without_set_cookie()
        )

    async def _dispatch(self, request: Request, body: bytes) -> BoltResponse:
        if not request.headers.get("x-slack-request-timestamp", "").isdecimal():
            return BoltResponse(status=401, body={"error": "invalid request"})
        try:
            signed = AsyncBoltRequest(body=body.decode(), query=request.url.query, headers=dict(request.headers))
        except (ValueError, TypeError, AttributeError):  # neither a form nor JSON: not Slack's, whatever its signature
            return BoltResponse(status=401, body={"error": "invalid request"})
        return await self.app.async_dispatch(signed)

    async def take_event(self, body: dict[str, Any]) -> BoltResponse:
        """What could not be stored is not acknowledged: Slack sends it again."""
        try:
            with interactive():
                await events.keep(self.deps, self.listeners, body)
        except events.NOT_STORED as problem:
            telemetry.get_logger().error(Event.SLACK_EVENT_NOT_STORED, error=type(problem).__name__)
            return BoltResponse(status=503, body="")
        return empty()


class _Ourselves(AsyncAuthorize):
    """Bolt asks who we are before each request; it was learned once, at the start."""

    def __init__(self, door: SlackDoor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._door = door

    async def __call__(
        self, *, enterprise_id: str | None, team_id: str | None, **_about: object
    ) -> AuthorizeResult | None:
        known = self._door.identity
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_user_id=known.user if known else None,
            bot_id=known.bot if known else None,
        )


class _Handover(AsyncMiddleware):
    """Where Bolt hands over. No listener is registered: Bolt's runner looks for an acknowledgement only every 10 ms."""

    def __init__(self, door: SlackDoor, dispatcher: Dispatcher) -> None:
        self._door = door
        self._dispatcher = dispatcher

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002 - Bolt passes it by this name
    ) -> BoltResponse:
        if self._door.is_stopping:
            return BoltResponse(status=503, body="")
        if req.body.get("type") == "event_callback":
            return await self._door.take_event(req.body)
        interaction = payloads.interaction(req.body)
        return await self._dispatcher.answer(interaction) if interaction else empty()


async def _bounded(request: Request) -> bytes | None:
    """None where it is longer than anything Slack sends."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)
