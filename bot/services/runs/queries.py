"""Runs as they are: looked at, named, remembered; and woken when their time has come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from bot.deps import Deps
from bot.domain.catalogue.runbook import Runbook
from bot.domain.errors import Missing, Unclear
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.timer import Timer
from bot.domain.people.person import BOT, Actor
from bot.domain.runs import run as rules
from bot.domain.runs.approval import ApprovalRequest
from bot.domain.runs.run import Phase, Run, Status, StepRun
from bot.interactions import Where
from bot.ports import Tx
from bot.services.incidents import queries as incident_queries
from bot.services.runs import finish
from bot.store.runs import approvals as run_approvals, runs as store


async def get(deps: Deps, number: int) -> Run:
    """Raises Missing."""
    async with deps.database.reading() as tx:
        return await store.get(tx, number)


async def with_runbook(deps: Deps, number: int) -> tuple[Run, Runbook]:
    async with deps.database.reading() as tx:
        run = await store.get(tx, number)
        return run, await store.version(tx, run.version)


async def visible(deps: Deps, number: int, by: Actor) -> Run:
    """A run of a private incident is as private. Raises Missing."""
    run = await get(deps, number)
    if run.incident is not None and (by.channel is None or by.channel != run.channel):
        try:
            await incident_queries.visible(deps, run.incident, by)
        except Missing:
            raise Missing(f"There is no RUN-{number}. `/runbook status` shows the latest.") from None
    return run


async def named(deps: Deps, text: str, where: Where, by: Actor) -> Run:
    """By `RUN-7`, or by its thread. Raises Unclear, Missing."""
    number = rules.number(text)
    if number is not None:
        return await visible(deps, number, by)
    if text.strip():
        raise Unclear(
            f"“{text.strip()[:40]}” is no run. A run is named like RUN-7; `/runbook status` lists the latest."
        )
    if where.channel and where.thread:
        async with deps.database.reading() as tx:
            here = await store.in_thread(tx, where.channel, where.thread)
        if here:
            return here
    raise Unclear("Which run? Name it, for example RUN-7; `/runbook status` lists the latest.")


@dataclass(frozen=True)
class Shown:
    run: Run
    runbook: Runbook
    plan: list[dict[str, Any]]
    progress: dict[str, StepRun]
    approval_requests: list[ApprovalRequest]

    @property
    def undoable(self) -> bool:
        return bool(rules.undos(self.runbook, self.progress)) and self.run.phase is Phase.DO


async def shown(deps: Deps, number: int) -> Shown:
    async with deps.database.reading() as tx:
        return await shown_in(tx, number)


async def shown_in(tx: Tx, number: int) -> Shown:
    run = await store.get(tx, number)
    return Shown(
        run,
        await store.version(tx, run.version),
        await store.plan_of(tx, number),
        await store.progress(tx, number),
        await run_approvals.of_run(tx, number),
    )


async def latest(deps: Deps, by: Actor, limit: int = 10) -> list[Run]:
    async with deps.database.reading() as tx:
        found = await store.newest(tx, limit=limit * 3)
    return (await visible_of(deps, found, by))[:limit]


async def visible_of(deps: Deps, found: Iterable[Run], by: Actor) -> list[Run]:
    return [run for run in found if await may_see(deps, run, by)]


async def may_see(deps: Deps, run: Run, by: Actor) -> bool:
    try:
        await visible(deps, run.id, by)
    except Missing:
        return False
    return True


@dataclass(frozen=True)
class Record:
    """How a runbook has done. `fixed` of `ended` runs succeeded; `median_seconds` of those that did."""

    ended: int
    fixed: int
    median_seconds: float | None


async def record(deps: Deps, runbook: str) -> Record:
    async with deps.database.reading() as tx:
        return record_of(await store.of_runbook(tx, runbook, limit=100))


def record_of(found: list[Run]) -> Record:
    ended = [run for run in found if run.is_over and run.started_at]
    fixed = [run for run in ended if run.status is Status.SUCCEEDED]
    times = [run.took.total_seconds() for run in fixed if run.took is not None]
    return Record(len(ended), len(fixed), median(times) if times else None)


@dataclass(frozen=True)
class Subject:
    """A step's button: `RUN-7:restart`."""

    run: int
    step: str
    ts: str | None = None  # of the message that was pressed


def subject_of(value: str) -> Subject:
    """Raises Missing."""
    name, _, step = value.partition(":")
    number = rules.number(name)
    if number is None or not name.upper().startswith("RUN-") or not step:
        raise Missing("That button belongs to no step that I know. `/runbook status` shows the latest runs.")
    return Subject(number, step)


# --- timers -----------------------------------------------------------------------------------------------------------


async def wake(deps: Deps, tx: Tx, timer: Timer) -> None:
    run = await store.lock(tx, rules.number(timer.subject) or 0)
    if run.state == "parked" and run.status is Status.WAITING:
        await store.change(tx, run.id, state="ready", next_at=deps.clock.wall())


async def deadline(deps: Deps, tx: Tx, timer: Timer) -> None:
    """A run whose step is unknown goes on asking."""
    run = await store.lock(tx, rules.number(timer.subject) or 0)
    if run.is_over or run.status is Status.UNKNOWN or run.state == "running":
        return
    await finish.end(deps, tx, run, Status.FAILED, "It took longer than its deadline allows.", by=BOT)


async def suggestions(deps: Deps, incident: Incident) -> list[tuple[Runbook, Record]]:
    mine = [one for one in deps.catalogue.runbooks.values() if one.service == incident.service]
    found = [(one, await record(deps, one.id)) for one in mine]
    return sorted(found, key=lambda pair: (-pair[1].fixed, pair[0].id))
