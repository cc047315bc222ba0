"""Is this process fit for work? What stops it, and what an operator should merely know."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bot.deps import Deps
from bot.services.messaging import email
from bot.services.workspace import channels
from bot.store.db import schema
from bot.store.db.errors import DatabaseTrouble
from bot.store.queue import workers

ANSWER_SECONDS = 3.0
STALLED_SECONDS = 15.0  # a worker gives a sign of life every two


@dataclass(frozen=True)
class Readiness:
    """`checks`: what was looked at -> what is wrong with it, or None. `notes`: sentences that stop nothing."""

    checks: dict[str, str | None]
    notes: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        return not any(self.checks.values())


async def look(deps: Deps, slack_trouble: str | None) -> Readiness:
    """Answers within three seconds, whatever hangs."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await _look(deps, slack_trouble)
    except (DatabaseTrouble, OSError, TimeoutError) as problem:
        sentence = f"The database does not answer: {type(problem).__name__}."
        return Readiness({"database": sentence, "slack": slack_trouble})


async def _look(deps: Deps, slack_trouble: str | None) -> Readiness:
    if not await schema.is_current(deps.database):
        trouble = "The database has another schema than this version needs: run `tocsin migrate`."
        return Readiness({"database": None, "schema": trouble, "slack": slack_trouble})
    async with deps.database.reading() as tx:
        worker_trouble = _pulse(await workers.newest(tx), deps.clock.wall())
    checks = {"database": None, "schema": None, "slack": slack_trouble, "worker": worker_trouble}
    return Readiness(checks, await _notes(deps))


def _pulse(newest: float | None, wall: float) -> str | None:
    if newest is None:
        return "No worker has started yet: run `tocsin worker`, or `tocsin serve` without --no-worker."
    age = wall - newest
    return None if age <= STALLED_SECONDS else f"The worker's last sign of life is {age:.0f} s old."


async def _notes(deps: Deps) -> tuple[str, ...]:
    findings = [
        f"The newest edit of the catalogue is not in force: {finding}" for finding in deps.current_catalogue.findings
    ]
    mail = email.wanted_in_vain(deps)
    return (*await channels.problems(deps), *findings, *([mail] if mail else []))
