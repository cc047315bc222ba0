"""A worker in a process of its own, whose outside world is a file: `python -m tests.queue.child URL FILE`."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Any

from bot.deps import Deps
from bot.domain.outgoing.delivery import Delivery, Found
from bot.domain.outgoing.timer import Timer
from bot.ports import Tx
from bot.queue import outbox
from bot.queue.inbox import InboxItem
from bot.store.db.clock import DatabaseClock
from bot.store.db.database import open_database
from bot.worker import Worker
from tests.queue.world import Note, Said, World, make_deps, note


class Scribe(Note):
    """Says things by appending the delivery's token to a file, and takes its time around that."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    async def send(self, deps: Deps, delivery: Delivery[Said], arguments: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311  not a secret
        with self.file.open("ab", buffering=0) as paper:
            paper.write(f"{delivery.token}\n".encode())
        await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311  not a secret
        return {}

    async def find_sent(self, deps: Deps, delivery: Delivery[Said], arguments: dict[str, Any]) -> Found | None:
        said = self.file.read_text().split() if self.file.exists() else []
        return Found({}) if delivery.token in said else None


async def say_it(deps: Deps, tx: Tx, timer: Timer) -> None:
    await outbox.enqueue(deps, tx, note(timer.subject))


async def read_it(deps: Deps, item: InboxItem) -> None:
    async with deps.database.transaction() as tx:
        await outbox.enqueue(deps, tx, note(item.key, dedupe_key=item.key))


async def main(url: str, file: Path) -> None:
    database = await open_database(url)
    clock = DatabaseClock(database)
    await clock.start()
    deps = make_deps(database, clock, World(clock), lease_seconds=2.0, lookup_interval_seconds=0.05)
    worker = Worker(
        deps, timers={"say": say_it}, deliveries={"note": Scribe(file)}, inbox={"event": read_it}, chores={}, late={}
    )
    os.write(1, b"ready\n")
    await worker.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
