"""Deps for commands that only read: nothing is said to the world."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from bot.app.build import load_catalogue, make_config, make_mailer, make_pager, make_secrets
from bot.app.database import clocked
from bot.catalogue.templates.render import TemplateFiles
from bot.deps import CurrentCatalogue, Deps
from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.errors import Misconfigured, Undeliverable
from bot.integrations.alarm import LogAlarm
from bot.ports import Database, Tx
from bot.settings import Settings
from bot.store.db.clock import DatabaseClock
from bot.store.wakeups.local import LocalWakeups


class NoSlack:
    async def call(self, *_arguments: Any, **_named: Any) -> NoReturn:
        raise Undeliverable("this command does not speak to Slack", permanent=True)

    upload = respond = call


@asynccontextmanager
async def looking(settings: Settings) -> AsyncIterator[Deps]:
    """Raises Misconfigured."""
    catalogue = load_catalogue(settings)
    async with clocked(settings) as opened:
        yield _deps(settings, catalogue, opened.database, opened.clock)


class NoDatabase:
    dialect = "sqlite"

    def transaction(self) -> contextlib.AbstractAsyncContextManager[Tx]:
        raise Misconfigured("This command does without a database.")

    reading = transaction


def planning(settings: Settings) -> Deps:
    """Raises Misconfigured."""
    nowhere = NoDatabase()
    return _deps(settings, load_catalogue(settings), nowhere, DatabaseClock(nowhere, settings.clock_speed))


def _deps(settings: Settings, catalogue: Catalogue, database: Database, clock: DatabaseClock) -> Deps:
    config = make_config(settings)
    return Deps(
        config=config,
        clock=clock,
        database=database,
        chat=NoSlack(),
        alarm=LogAlarm(),
        wakeups=LocalWakeups(),
        current_catalogue=CurrentCatalogue(catalogue),
        templates=TemplateFiles(settings.templates),
        secrets=make_secrets(settings),
        # Of both, a plan only needs to know that they are there.
        pager=make_pager(settings, config),
        mailer=make_mailer(settings, config),
    )
