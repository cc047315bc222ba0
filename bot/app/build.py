from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from bot.app.background import note_catalogue
from bot.app.database import opened
from bot.catalogue.load import load
from bot.catalogue.templates.render import TemplateFiles
from bot.deps import Config, CurrentCatalogue, Deps
from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.errors import Misconfigured
from bot.engine.secrets import Secrets
from bot.integrations.alarm import LogAlarm, WebhookAlarm
from bot.integrations.slack import SlackChat, open_session
from bot.integrations.sns import AmazonSns
from bot.paths import data
from bot.ports import Alarm, Mailer, Sns
from bot.settings import Settings
from bot.store.db.clock import DatabaseClock
from bot.store.db.database import SqlDatabase
from bot.store.wakeups.local import LocalWakeups, SharedWakeups

if TYPE_CHECKING:
    from bot.integrations.pagerduty import PagerDuty


@dataclass(frozen=True)
class App:
    settings: Settings
    database: SqlDatabase
    clock: DatabaseClock
    session: aiohttp.ClientSession
    deps: Deps


def catalogue_folders(settings: Settings) -> list[Path]:
    return list(settings.catalog) or [data("runbooks")]


def template_folders(settings: Settings) -> list[Path]:
    return [*settings.templates, data("templates")]


def make_secrets(settings: Settings) -> Secrets:
    return Secrets(settings.environment, handed_on=settings.handed_on)


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[App]:
    """Everything but the doors. Raises Misconfigured, also where the catalogue has a finding."""
    async with AsyncExitStack() as stack:
        catalogue = load_catalogue(settings)
        database = await stack.enter_async_context(opened(settings))
        clock = DatabaseClock(database, settings.clock_speed)
        await clock.start()
        wakeups = await _wakeups(settings, stack)
        session = await stack.enter_async_context(open_session())
        config = make_config(settings)
        pager = make_pager(settings, config)
        if pager:
            stack.callback(pager.close)
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
            wakeups=wakeups,
            current_catalogue=CurrentCatalogue(catalogue),
            templates=TemplateFiles(settings.templates),
            worker_name=f"{socket.gethostname()}:{os.getpid()}"[:64],
            secrets=make_secrets(settings),
            pager=pager,
            mailer=make_mailer(settings, config),
            sns=_sns(settings),
        )
        await note_catalogue(deps)
        yield App(settings, database, clock, session, deps)


def load_catalogue(settings: Settings) -> Catalogue:
    """At start every finding counts: there is no last good version to fall back to."""
    loaded = load(catalogue_folders(settings), templates=template_folders(settings), allow_shell=settings.allow_shell)
    if loaded.findings or loaded.catalogue is None:
        first = loaded.findings[0] if loaded.findings else "It holds no service."
        raise Misconfigured(f"The catalogue has {len(loaded.findings)} findings; `tocsin check` lists them. {first}")
    return loaded.catalogue


def make_config(settings: Settings) -> Config:
    return Config(
        incidents_channel=settings.incidents_channel,
        alerts_channel=settings.alerts_channel,
        public_url=settings.public_url,
        public_read=settings.api_public_read,
        shell_folders=tuple(settings.allow_shell),
    )


def _alarm(settings: Settings) -> Alarm:
    return WebhookAlarm(settings.slack_webhook_url) if settings.slack_webhook_url else LogAlarm()


def make_pager(settings: Settings, config: Config) -> PagerDuty | None:
    if settings.pagerduty_routing_key is None and settings.pagerduty_api_key is None:
        return None
    from bot.integrations.pagerduty import PagerDuty  # here: start-up is quicker without the client

    return PagerDuty(
        routing_key=settings.pagerduty_routing_key,
        api_key=settings.pagerduty_api_key,
        sender=settings.pagerduty_from,
        events_url=settings.pagerduty_events_url,
        api_url=settings.pagerduty_api_url,
        timeout_seconds=config.call_timeout_seconds,
    )


def make_mailer(settings: Settings, config: Config) -> Mailer | None:
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


async def _wakeups(settings: Settings, stack: AsyncExitStack) -> LocalWakeups:
    if settings.on_sqlite:
        return LocalWakeups()
    wakeups = _shared_wakeups(settings)
    await wakeups.start()
    stack.push_async_callback(wakeups.close)
    return wakeups


def _shared_wakeups(settings: Settings) -> SharedWakeups:
    if settings.redis_url is None:
        from bot.store.wakeups.postgres import PostgresWakeups  # here: start-up is quicker without the client

        return PostgresWakeups(settings.database_url.reveal())
    from bot.store.wakeups.redis import RedisWakeups  # for the same reason

    return RedisWakeups(settings.redis_url.reveal())
