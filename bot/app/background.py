"""What a process does beside its work: it takes up the newest good catalogue, and settles its memory."""

from __future__ import annotations

import asyncio
import contextlib
import gc

from bot import telemetry
from bot.catalogue.reload import CatalogueWatcher
from bot.deps import Deps
from bot.domain.catalogue.catalogue import Finding
from bot.domain.people.person import BOT
from bot.queue import audit as audit_service
from bot.queue.chores import Chore
from bot.services.messaging import operator_notices
from bot.store.db.errors import DatabaseTrouble
from bot.telemetry import Event

RELOAD_SECONDS = 5.0


async def note_catalogue(deps: Deps) -> None:
    catalogue, detail = deps.catalogue, {"process": deps.worker_name}
    async with deps.database.transaction() as tx:
        await audit_service.record(tx, deps.clock, BOT, "catalogue.loaded", catalogue.version[:64], **detail)


async def _say_finding(deps: Deps, finding: Finding) -> None:
    telemetry.get_logger().warning(Event.CATALOGUE_REFUSED, finding=str(finding))
    text = f"The newest edit of the catalogue is not in force; the last good one is. {finding}"
    await operator_notices.say(deps, deps.config.alerts_channel, text, f"{deps.clock.now().isoformat()}:{finding}")


def catalogue_chore(deps: Deps, watcher: CatalogueWatcher) -> Chore:
    """In each process. Says what is wrong with an edit that it does not take up."""
    noted = deps.catalogue.version

    async def look(deps: Deps) -> None:
        nonlocal noted
        for finding in await watcher.look() or ():
            await _say_finding(deps, finding)
        if deps.catalogue.version != noted:  # also where writing it down failed the last time
            await note_catalogue(deps)
            noted = deps.catalogue.version

    return Chore(RELOAD_SECONDS, look, alone=False)


async def keep_catalogue(deps: Deps, chore: Chore, stop: asyncio.Event) -> None:
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(chore.every_seconds):
                await stop.wait()
        try:
            await chore.do(deps)
        except (DatabaseTrouble, OSError) as problem:
            telemetry.get_logger().warning(Event.DATABASE_TROUBLE, during="catalogue", error=str(problem))


def settle_memory() -> None:
    """What start-up made lives for ever: full collections skip it, and pause the loop no longer."""
    gc.collect()
    gc.freeze()
