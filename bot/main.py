"""Builds the house: settings in, everything wired out. The only file that knows every name."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from sqlalchemy.exc import NoResultFound, SQLAlchemyError

from bot import telemetry
from bot.catalogue.load import load
from bot.catalogue.reload import CatalogueWatcher
from bot.catalogue.words import TemplateWords
from bot.deps import CatalogueBox, Config, Deps
from bot.domain.catalogue import Catalogue, Finding
from bot.domain.errors import Misconfigured, Undeliverable
from bot.domain.person import BOT
from bot.engine.secrets import Secrets
from bot.integrations.alarm import LogAlarm, WebhookAlarm
from bot.integrations.slack import SlackChat, open_session
from bot.integrations.sns import AmazonSns
from bot.paths import data
from bot.ports import Alarm, Database, Mailer, Pager, Sns, Tx
from bot.services import alerts, arrivals, fatigue, inbox, notices, people, places, running
from bot.services import audit as audit_service
from bot.services.housekeeping import Chore
from bot.services.trips import ERRANDS, TIMERS
from bot.settings import Settings
from bot.signals import stopping
from bot.slack.app import SlackDoor
from bot.slack.events import EventDesk
from bot.store import audit
from bot.store.clock import DatabaseClock
from bot.store.database import SqlDatabase, open_database
from bot.store.hints import LocalHints, PostgresHints, SharedHints
from bot.store.lock import only_process
from bot.store.schema import migrate_beside, must_be_current
from bot.telemetry import Event
from bot.worker import Worker
from commands import TABLE

if TYPE_CHECKING:
    import uvicorn

BACKLOG = 2048
INTRODUCE_SECONDS = 5.0
RELOAD_SECONDS = 5.0


@dataclass(frozen=True)
class House:
    """An opened installation, without its doors."""

    settings: Settings
    database: SqlDatabase
    clock: DatabaseClock
    session: aiohttp.ClientSession
    deps: Deps

    def chores(self) -> dict[str, Chore]:
        watcher = CatalogueWatcher(
            catalogue_folders(self.settings), template_folders(self.settings), self.deps.box, self.settings.allow_shell
        )

        noted = self.deps.catalogue.version

        async def look(deps: Deps) -> None:
            nonlocal noted
            for finding in await watcher.look() or ():
                await _say_finding(deps, finding)
            if deps.catalogue.version != noted:  # also where writing it down failed the last time
                await _note_catalogue(deps)
                noted = deps.catalogue.version

        return {
            "seal": Chore(1, _seal),
            "catalogue": Chore(RELOAD_SECONDS, look, alone=False),
            "places": Chore(60, places.look_again),
            "queues": Chore(5, running.wake_queues),
            "fatigue": Chore(60, fatigue.plant),
        }


def catalogue_folders(settings: Settings) -> list[Path]:
    return list(settings.catalog) or [data("runbooks")]


def template_folders(settings: Settings) -> list[Path]:
    return [*settings.templates, data("templates")]


# --- the database -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def opened(settings: Settings, *, beside: bool = False) -> AsyncIterator[SqlDatabase]:
    """The database with the current schema. `beside`: another process may be working on it, so nothing is migrated.

    Raises Misconfigured.
    """
    url = settings.database_url.reveal()
    with contextlib.nullcontext() if beside else only_process(url):
        if settings.on_sqlite and not beside:
            await migrate_beside(url)
        database = await open_database(url)
        try:
            await must_be_current(database)
            yield database
        finally:
            await database.close()


@asynccontextmanager
async def clocked(settings: Settings) -> AsyncIterator[tuple[SqlDatabase, DatabaseClock]]:
    """For commands that look into a database beside a running bot."""
    async with opened(settings, beside=True) as database:
        yield database, await _read_clock(database, settings)


async def _read_clock(database: SqlDatabase, settings: Settings) -> DatabaseClock:
    """As the running bot set it: only where nothing ever ran, this command is the first to start it."""
    clock = DatabaseClock(database, settings.clock_speed)
    try:
        await clock.refresh()
    except NoResultFound:
        await clock.start()
    return clock


@dataclass(frozen=True)
class Books:
    """A database and its clock: all that tokens need."""

    database: SqlDatabase
    clock: DatabaseClock


class _Silent:
    """The world, for commands that only read: nothing is said to it."""

    async def call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        raise Undeliverable("this command does not speak to Slack", permanent=True)

    async def upload(
        self, *, name: str, content: str, channel: str, thread: str | None, comment: str
    ) -> dict[str, Any]:
        raise Undeliverable("this command does not speak to Slack", permanent=True)

    async def respond(self, response_url: str, payload: dict[str, Any]) -> None:
        raise Undeliverable("this command does not speak to Slack", permanent=True)


@asynccontextmanager
async def looking(settings: Settings) -> AsyncIterator[Deps]:
    """Deps for a command that reads beside a running bot. Raises Misconfigured."""
    catalogue = load_catalogue(settings)
    async with clocked(settings) as (database, clock):
        yield _quiet(settings, catalogue, database, clock)


class _NoDatabase:
    """For commands that need none."""

    dialect = "sqlite"

    def transaction(self) -> contextlib.AbstractAsyncContextManager[Tx]:
        raise Misconfigured("This command does without a database.")

    reading = transaction


def planning(settings: Settings) -> Deps:
    """Deps for a command that only plans: the catalogue and the environment. Raises Misconfigured."""
    nowhere = _NoDatabase()
    return _quiet(settings, load_catalogue(settings), nowhere, DatabaseClock(nowhere, settings.clock_speed))


def _quiet(settings: Settings, catalogue: Catalogue, database: Database, clock: DatabaseClock) -> Deps:
    return Deps(
        config=_config(settings),
        clock=clock,
        database=database,
        chat=_Silent(),
        alarm=LogAlarm(),
        hints=LocalHints(),
        box=CatalogueBox(catalogue),
        words=TemplateWords(settings.templates),
        vault=_vault(settings),
        pager=_pager(settings, _config(settings), AsyncExitStack()),  # of both, a plan only needs to know that they are
        mailer=_mailer(settings, _config(settings)),
    )


def _vault(settings: Settings) -> Secrets:
    return Secrets(settings.environment, handed_on=settings.handed_on)


# --- the house ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[House]:
    """Everything but the doors. Raises Misconfigured, also where the catalogue has a finding."""
    async with AsyncExitStack() as stack:
        catalogue = load_catalogue(settings)
        database = await stack.enter_async_context(opened(settings))
        clock = DatabaseClock(database, settings.clock_speed)
        await clock.start()
        hints = await _hints(settings, stack)
        session = await stack.enter_async_context(open_session())
        config = _config(settings)
        chat = SlackChat(
            settings.bot_token(),
            base_url=settings.slack_api_url,
            session=session,
            timeout_seconds=config.call_timeout_seconds,
        )
        deps = Deps(
            config=config,
            clock=clock,
            database=database,
            chat=chat,
            alarm=_alarm(settings),
            hints=hints,
            box=CatalogueBox(catalogue),
            words=TemplateWords(settings.templates),
            worker_name=f"{socket.gethostname()}:{os.getpid()}"[:64],
            vault=_vault(settings),
            pager=_pager(settings, config, stack),
            mailer=_mailer(settings, config),
            sns=_sns(settings),
        )
        await _note_catalogue(deps)
        yield House(settings, database, clock, session, deps)


def load_catalogue(settings: Settings) -> Catalogue:
    """At start every finding counts: there is no last good version to fall back to."""
    folders = catalogue_folders(settings)
    loaded = load(folders, templates=template_folders(settings), allow_shell=settings.allow_shell)
    if loaded.findings or loaded.catalogue is None:
        first = loaded.findings[0] if loaded.findings else "It holds no service."
        raise Misconfigured(f"The catalogue has {len(loaded.findings)} findings; `tocsin check` lists them. {first}")
    return loaded.catalogue


def _config(settings: Settings) -> Config:
    return Config(
        incidents_channel=settings.incidents_channel,
        alerts_channel=settings.alerts_channel,
        public_url=settings.public_url,
        public_read=settings.api_public_read,
        shell_folders=tuple(settings.allow_shell),
    )


def _alarm(settings: Settings) -> Alarm:
    return WebhookAlarm(settings.slack_webhook_url) if settings.slack_webhook_url else LogAlarm()


def _pager(settings: Settings, config: Config, stack: AsyncExitStack) -> Pager | None:
    if settings.pagerduty_routing_key is None and settings.pagerduty_api_key is None:
        return None
    from bot.integrations.pagerduty import PagerDuty  # here: start-up is quicker without the client

    pager = PagerDuty(
        routing_key=settings.pagerduty_routing_key,
        api_key=settings.pagerduty_api_key,
        sender=settings.pagerduty_from,
        events_url=settings.pagerduty_events_url,
        api_url=settings.pagerduty_api_url,
        timeout_seconds=config.call_timeout_seconds,
    )
    stack.callback(pager.close)
    return pager


def _mailer(settings: Settings, config: Config) -> Mailer | None:
    if settings.smtp_server is None:
        return None
    from bot.integrations.email import SmtpMailer  # here, for the same reason

    username, password = settings.smtp_username, settings.smtp_password
    return SmtpMailer(
        *settings.smtp_server,
        sender=settings.smtp_from,
        starttls=settings.smtp_starttls,
        login=(username, password) if username and password else None,
        timeout_seconds=config.call_timeout_seconds,
    )


def _sns(settings: Settings) -> Sns | None:
    return AmazonSns(settings.sns_topics) if settings.sns_topics else None


async def _hints(settings: Settings, stack: AsyncExitStack) -> LocalHints:
    hints = _shared_hints(settings)
    if hints is None:
        return LocalHints()
    await hints.start()
    stack.push_async_callback(hints.close)
    return hints


def _shared_hints(settings: Settings) -> SharedHints | None:
    if settings.on_sqlite:
        return None
    if settings.redis_url is None:
        return PostgresHints(settings.database_url.reveal())
    from bot.store.redis_hints import RedisHints  # here: start-up is quicker without the client

    return RedisHints(settings.redis_url.reveal())


async def _seal(deps: Deps) -> None:
    """The head goes to the log, so that whoever owns the database cannot rebuild the chain unseen."""
    async with deps.database.transaction() as tx:
        head = await audit.seal(tx)
    if head is not None:
        telemetry.get_logger().info(Event.AUDIT_SEALED, seq=head.seq, hash=head.hash)


async def _note_catalogue(deps: Deps) -> None:
    """Which version is in force from now on, in this process."""
    catalogue, detail = deps.catalogue, {"process": deps.worker_name}
    async with deps.database.transaction() as tx:
        await audit_service.record(tx, deps.clock, BOT, "catalogue.loaded", catalogue.version[:64], **detail)


async def _say_finding(deps: Deps, finding: Finding) -> None:
    telemetry.get_logger().warning(Event.CATALOGUE_REFUSED, finding=str(finding))
    text = f"The newest edit of the catalogue is not in force; the last good one is. {finding}"
    await notices.say(deps, deps.config.alerts_channel, text, f"{deps.clock.now().isoformat()}:{finding}")


# --- running ------------------------------------------------------------------------------------------------------


def make_worker(house: House) -> Worker:
    handle_inbox = inbox.by_family({"event": EventDesk(TABLE).handle, arrivals.FAMILY: alerts.one_by_one()})
    return Worker(house.deps, timers=TIMERS, errands=ERRANDS, handle_inbox=handle_inbox, chores=house.chores())


def make_door(house: House) -> SlackDoor:
    settings = house.settings
    return SlackDoor(
        TABLE,
        house.deps,
        session=house.session,
        base_url=settings.slack_api_url,
        app_token=settings.slack_app_token,
        signing_secret=settings.slack_signing_secret,
    )


async def serve(settings: Settings, *, with_worker: bool = True) -> None:
    """The HTTP door, Slack's door and a worker, until SIGTERM or SIGINT."""
    settings.require_slack()
    stop = asyncio.Event()
    with stopping(stop):
        async with build(settings) as house:
            await run(house, stop, with_worker=with_worker)


async def run(house: House, stop: asyncio.Event, *, with_worker: bool = True) -> None:
    """The doors of an opened house, until `stop`; what was begun is finished."""
    door = make_door(house)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        port = await stack.enter_async_context(listening(house, door, stop))
        beside = make_worker(house).run(stop) if with_worker else keep_catalogue(house, stop)
        group.create_task(beside)
        # Slack may be slow to answer; whoever asks to stop meanwhile does not wait for it.
        starting, stopped = group.create_task(door.start()), group.create_task(stop.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            _settle_memory()
            telemetry.get_logger().info(Event.READY, port=port, slack=door.trouble() or "ok")
        await stopped
        telemetry.get_logger().info(Event.STOPPING)
        starting.cancel()
        await door.stop()  # beside the worker and the HTTP door, which finish at the same time


async def keep_catalogue(house: House, stop: asyncio.Event, every_seconds: float = RELOAD_SECONDS) -> None:
    """Until `stop`: a process without a worker decides by the newest good files too."""
    look = house.chores()["catalogue"]
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every_seconds):
                await stop.wait()
        try:
            await look.do(house.deps)
        except (SQLAlchemyError, OSError) as problem:
            telemetry.get_logger().warning(Event.DATABASE_TROUBLE, during="catalogue", error=str(problem))


@asynccontextmanager
async def listening(house: House, door: SlackDoor, stop: asyncio.Event) -> AsyncIterator[int]:
    """The HTTP door on its port, which it yields, until `stop`. Raises Misconfigured where the port cannot be had."""
    import uvicorn  # here, since most commands serve nothing

    from bot.http.app import make_app
    from bot.http.door import HttpDoor
    from bot.http.signatures import Signatures

    handler = door.http_handler if house.settings.slack_signing_secret else None
    signatures = Signatures(
        house.settings.pagerduty_webhook_secret,
        house.settings.github_webhook_secret,
        house.settings.sentry_webhook_secret,
    )
    app = make_app(
        HttpDoor(deps=lambda: house.deps, slack_trouble=door.trouble, slack_events=handler, signatures=signatures)
    )
    listener = _bind(house.settings.http_host, house.settings.http_port)
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=5
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
        await app.state.refusals.flush()


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
    """A worker alone, until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    with stopping(stop):
        async with build(settings) as house, asyncio.TaskGroup() as group:
            group.create_task(make_worker(house).run(stop))
            knowing = group.create_task(_get_to_know(house.deps))
            _settle_memory()
            telemetry.get_logger().info(Event.READY, worker=house.deps.worker_name)
            await stop.wait()
            knowing.cancel()


async def _get_to_know(deps: Deps) -> None:
    """Who the bot is, for links and for its own messages. Slack being away delays only that."""
    while True:
        try:
            known = await people.introduce(deps)
        except Undeliverable as problem:
            telemetry.get_logger().warning(Event.SLACK_AWAY, error=problem.error)
            await asyncio.sleep(INTRODUCE_SECONDS)
        else:
            deps.config.known.learn(known.user, known.team, known.url)
            return


def _settle_memory() -> None:
    """What start-up made lives for ever: full collections need not look at it, and no longer pause the loop."""
    gc.collect()
    gc.freeze()
