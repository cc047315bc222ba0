"""A run seen from outside, as far as its reader may see it."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.errors import Missing
from bot.domain.people.person import Actor
from bot.domain.runs.run import number as number_of
from bot.services.admin import overview
from bot.services.runs import queries as runs
from bot.services.runs.queries import Shown


async def one(deps: Deps, name: str, reader: Actor | None) -> Shown:
    """`reader` None: nobody in particular. Raises Missing alike for a hidden run and one that is not there."""
    number = number_of(name)
    if number is None:
        raise Missing(f"“{name[:40]}” is no run's id. It looks like RUN-7.")
    if reader is not None:
        await runs.visible(deps, number, reader)
    shown = await runs.shown(deps, number)
    if reader is None and shown.run.incident is not None:
        await _must_be_public(deps, number, shown.run.incident)
    return shown


async def _must_be_public(deps: Deps, number: int, incident: int) -> None:
    try:
        await overview.one(deps, f"INC-{incident}", None)
    except Missing:
        raise Missing(f"There is no RUN-{number}. `/runbook status` shows the latest.") from None
