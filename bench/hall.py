"""The kernel alone, on a fresh SQLite file: database, clock and worker, with nothing outside."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from bot.deps import Config, CurrentCatalogue, Deps
from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.errors import Undeliverable
from bot.integrations.alarm import LogAlarm
from bot.queue.handler import DeliveryHandler
from bot.queue.timers import TimerHandler
from bot.store.db.clock import DatabaseClock
from bot.store.db.database import SqlDatabase, open_database
from bot.store.db.schema import migrate_beside
from bot.store.tables.queue import timers
from bot.store.wakeups.local import LocalWakeups
from bot.worker import Worker


class Nobody:
    """Neither Slack nor templates: benchmarks of the kernel say nothing."""

    async def call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        raise Undeliverable("nobody there", permanent=True)

    async def upload(
        self, *, name: str, content: str, channel: str, thread: str | None, comment: str
    ) -> dict[str, Any]:
        raise Undeliverable("nobody there", permanent=True)

    async def respond(self, response_url: str, payload: dict[str, Any]) -> None:
        raise Undeliverable("nobody there", permanent=True)

    def render(self, kind: str, *, service: str, severity: str, values: dict[str, Any]) -> str:
        return kind

    def render_postmortem(self, *, service: str, values: dict[str, Any]) -> str:
        return service

    def render_mail(self, kind: str, *, service: str, severity: str, values: dict[str, Any]) -> tuple[str, str]:
        return kind, kind


@dataclass
class Hall:
    database: SqlDatabase
    deps: Deps
    fired: Counter[str] = field(default_factory=Counter)

    async def schedule(self, kind: str, count: int, after: Callable[[int], timedelta]) -> None:
        now = self.deps.clock.now()
        rows = [
            {
                "due_at": now + after(number),
                "kind": kind,
                "subject": f"{kind}-{number}",
                "payload": {},
                "dedupe_key": f"{kind}:{number}",
                "lateness": "fire_late",
                "state": "pending",
            }
            for number in range(count)
        ]
        async with self.database.transaction() as tx:
            await tx.execute(insert(timers), rows)

    @asynccontextmanager
    async def working(
        self, timers: Mapping[str, TimerHandler], handlers: Mapping[str, DeliveryHandler[Any]] | None = None
    ) -> AsyncIterator[None]:
        stop = asyncio.Event()
        worker = Worker(self.deps, timers=timers, deliveries=handlers or {}, inbox={}, chores={}, late={})
        running = asyncio.create_task(worker.run(stop))
        try:
            yield
        finally:
            stop.set()
            await running


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Hall]:
    url = f"sqlite:///{folder / 'kernel.db'}"
    await migrate_beside(url)
    async with opened_at(url, LocalWakeups()) as hall:
        yield hall


@asynccontextmanager
async def opened_at(url: str, wakeups: LocalWakeups, name: str = "worker") -> AsyncIterator[Hall]:
    database = await open_database(url)
    clock = DatabaseClock(database)
    await clock.start()
    nobody = Nobody()
    deps = Deps(
        config=Config(),
        clock=clock,
        database=database,
        chat=nobody,
        alarm=LogAlarm(),
        wakeups=wakeups,
        current_catalogue=CurrentCatalogue(Catalogue(services={}, default_service="default")),
        templates=nobody,
        worker_name=name,
    )
    yield Hall(database, deps)
    await database.close()
