"""The doors and the worker of an installation, until they are told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from bot import telemetry
from bot.app import background
from bot.app.background import keep_catalogue, settle_memory
from bot.app.build import App, build, catalogue_folders, template_folders
from bot.app.registry import CHORES, DELIVERIES, INBOX, LATE, TIMERS
from bot.app.signals import stopping
from bot.catalogue.reload import CatalogueWatcher
from bot.deps import Deps
from bot.domain.errors import Misconfigured, Undeliverable
from bot.queue.chores import Chore
from bot.queue.inbox import one_at_a_time
from bot.services.workspace import people
from bot.settings import Settings
from bot.slack.app import SlackDoor
from bot.slack.events import EventDispatcher
from bot.telemetry import Event
from bot.worker import Worker
from commands import LISTENERS

if TYPE_CHECKING:
    import uvicorn

BACKLOG = 2048
INTRODUCE_SECONDS = 5.0


def make_worker(app: App) -> Worker:
    return Worker(
        app.deps,
        timers=TIMERS,
        deliveries=DELIVERIES,
        late=LATE,
        chores={**CHORES, "catalogue": catalogue_chore(app)},
        inbox={
            "event": EventDispatcher(LISTENERS).handle,
            **{name: one_at_a_time(handler) for name, handler in INBOX.items()},
        },
    )


def catalogue_chore(app: App) -> Chore:
    settings, deps = app.settings, app.deps
    watched = catalogue_folders(settings), template_folders(settings)
    return background.catalogue_chore(deps, CatalogueWatcher(*watched, deps.current_catalogue, settings.allow_shell))


def make_door(app: App) -> SlackDoor:
    return SlackDoor(
        LISTENERS,
        app.deps,
        session=app.session,
        base_url=app.settings.slack_api_url,
        app_token=app.settings.slack_app_token,
        signing_secret=app.settings.slack_signing_secret,
    )


async def serve(settings: Settings, *, with_worker: bool = True) -> None:
    settings.require_slack()
    stop = asyncio.Event()
    with stopping(stop):
        async with build(settings) as app:
            await run(app, stop, with_worker=with_worker)


async def run(app: App, stop: asyncio.Event, *, with_worker: bool = True) -> None:
    door = make_door(app)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        port = await stack.enter_async_context(listening(app, door, stop))
        group.create_task(
            make_worker(app).run(stop) if with_worker else keep_catalogue(app.deps, catalogue_chore(app), stop)
        )
        # Slack may be slow to answer; a signal to stop does not wait for it.
        starting, stopped = group.create_task(door.start()), group.create_task(stop.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            settle_memory()
            telemetry.get_logger().info(Event.READY, port=port, slack=door.trouble() or "ok")
        await stopped
        telemetry.get_logger().info(Event.STOPPING)
        starting.cancel()
        await door.stop()  # beside the worker and the HTTP door, which finish at the same time


@asynccontextmanager
async def listening(app: App, door: SlackDoor, stop: asyncio.Event) -> AsyncIterator[int]:
    """Raises Misconfigured where the port cannot be had."""
    import uvicorn  # here, since most commands serve nothing

    from bot.http.app import make_app
    from bot.http.door import HttpDoor
    from bot.http.signatures import Signatures

    handler = door.http_handler if app.settings.slack_signing_secret else None
    signatures = Signatures(
        app.settings.pagerduty_webhook_secret,
        app.settings.github_webhook_secret,
        app.settings.sentry_webhook_secret,
    )
    routes = make_app(
        HttpDoor(deps=lambda: app.deps, slack_trouble=door.trouble, slack_events=handler, signatures=signatures)
    )
    listener = _bind(app.settings.http_host, app.settings.http_port)
    server = uvicorn.Server(
        uvicorn.Config(
            routes, log_config=None, access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=5
        )
    )
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]  # signals are ours
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    closing = asyncio.create_task(_close_at(stop, server))
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        closing.cancel()
        await serving
        await routes.state.refusals.flush()


async def _close_at(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


def _bind(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=BACKLOG, family=_family(host))
    except OSError as problem:
        # create_server repeats the address in its text; a name that does not resolve has a number below 0
        reason = os.strerror(problem.errno) if problem.errno and problem.errno > 0 else str(problem.strerror)
        raise Misconfigured(
            f"Port {port} on {host} cannot be had ({reason.lower()}): set TOCSIN_HTTP_PORT."
        ) from problem


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


async def work(settings: Settings) -> None:
    stop = asyncio.Event()
    with stopping(stop):
        async with build(settings) as app, asyncio.TaskGroup() as group:
            group.create_task(make_worker(app).run(stop))
            knowing = group.create_task(_get_to_know(app.deps))
            settle_memory()
            telemetry.get_logger().info(Event.READY, worker=app.deps.worker_name)
            await stop.wait()
            knowing.cancel()


async def _get_to_know(deps: Deps) -> None:
    """Slack being away delays only links and what the bot's own messages are known by."""
    while True:
        try:
            known = await people.introduce(deps)
        except Undeliverable as problem:
            telemetry.get_logger().warning(Event.SLACK_AWAY, error=problem.error)
            await asyncio.sleep(INTRODUCE_SECONDS)
        else:
            deps.workspace.learn(known.user, known.team, known.url)
            return
