"""Runs at work: claimed by the worker, carried step by step, each intent committed before its effect.

What a crash leaves says what was under way: reads and repeatable steps begin again, a `once` step is unknown, and a
person is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from bot.deps import Deps
from bot.domain.catalogue.runbook import Runbook
from bot.domain.runs.approval import ApprovalRequest
from bot.domain.runs.run import Run, Status, StepRun
from bot.ports import Tx
from bot.queue import outbox
from bot.queue.concurrency import Pool
from bot.queue.group_commit import GroupCommit
from bot.services.runs import deliveries as run_deliveries
from bot.services.runs.executor import Executor
from bot.services.runs.writer import Write, commit, is_ours
from bot.store.db import claim as kernel
from bot.store.db.claim import Claim, LeaseLost
from bot.store.db.errors import DatabaseTrouble
from bot.store.db.locks import serialise
from bot.store.runs import approvals as run_approvals, runs as store, slots
from bot.telemetry import Event, get_logger

CONCURRENCY = 48
WATCH_SECONDS = 0.5
VERSIONS_KEPT = 200

log = get_logger()


@dataclass(frozen=True)
class Job:
    claim: Claim
    run: Run
    runbook: Runbook
    progress: dict[str, StepRun]
    approved: list[ApprovalRequest]


class Engine:
    def __init__(self, deps: Deps, on_done: Callable[[], None] = lambda: None) -> None:
        self._deps = deps
        self._running: set[Executor] = set()
        self._versions: dict[str, Runbook] = {}
        self._together: GroupCommit[Write, str | None] = GroupCommit(partial(commit, deps))
        self._watch: asyncio.Task[None] | None = None
        self._stopping = False
        self.pool: Pool[Job] = Pool(self._claim, self._execute, concurrency=CONCURRENCY, on_done=on_done)

    async def start_ready(self) -> int:
        return 0 if self._stopping else await self.pool.start_ready()

    async def until_idle(self) -> int:
        return await self.pool.until_idle()

    def begin_nothing(self) -> None:
        self._stopping = True
        for executor in self._running:
            executor.stop()

    async def finish(self, seconds: float) -> None:
        """What takes longer is given up as a crash would."""
        self.begin_nothing()
        await self.pool.finish(seconds)
        if self._watch:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch

    async def next_wall(self) -> float | None:
        async with self._deps.database.reading() as tx:
            return await store.next_wall(tx, wall=self._deps.clock.wall())

    # --- claiming -----------------------------------------------------------------------------------------------------

    async def _claim(self, room: int) -> list[Job]:
        deps, wall = self._deps, self._deps.clock.wall()
        async with deps.database.reading() as tx:
            if not await store.any_claimable(tx, wall=wall):
                return []
        async with deps.database.transaction() as tx:
            found = await store.claim(
                tx, wall=wall, limit=room, owner=deps.worker_name, until=wall + deps.config.lease_seconds
            )
            with_slot = [(claim, run) for claim, run in found if await self._take_slot(tx, claim, run)]
            return await self._jobs(tx, with_slot)

    async def _take_slot(self, tx: Tx, claim: Claim, run: Run) -> bool:
        """In the claiming transaction; a run that finds none is queued."""
        if not run.slot_key or run.has_slot:
            return True
        await serialise(tx, f"slot:{run.slot_key}")
        if await slots.take_slot(tx, run):
            await store.change(tx, run.id, has_slot=True)
            return True
        names = ", ".join(f"RUN-{one}" for one in await slots.in_slot(tx, run.slot_key))
        sentence = f"It waits for {names}, which has the same target."
        await kernel.finish(tx, claim, state="parked", status=Status.QUEUED.value, sentence=sentence)
        await outbox.enqueue(self._deps, tx, run_deliveries.edit(run.id, run.rank))
        return False

    async def _jobs(self, tx: Tx, taken: list[tuple[Claim, Run]]) -> list[Job]:
        begun = [run.id for _, run in taken if run.started_at]
        progress = await store.progress_of(tx, begun) if begun else {}
        approved = await run_approvals.approved_of(tx, begun) if begun else {}
        return [
            Job(claim, run, await self._version(tx, run.version), progress.get(run.id, {}), approved.get(run.id, []))
            for claim, run in sorted(taken, key=lambda pair: pair[1].id)
        ]

    async def _version(self, tx: Tx, version: str) -> Runbook:
        if version not in self._versions:
            if len(self._versions) >= VERSIONS_KEPT:
                self._versions.clear()
            self._versions[version] = await store.version(tx, version)
        return self._versions[version]

    # --- carrying -----------------------------------------------------------------------------------------------------

    async def _execute(self, job: Job) -> None:
        executor = Executor(self._deps, job.run, job.claim, job.runbook, job.progress, job.approved, self._together.put)
        self._running.add(executor)
        if self._stopping:
            executor.stop()
        self._keep_watch()
        try:
            await executor.go()
        except LeaseLost as lost:
            log.warning(Event.LEASE_LOST, what=str(lost))
        finally:
            self._running.discard(executor)

    # --- the watch ----------------------------------------------------------------------------------------------------

    def _keep_watch(self) -> None:
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watch_over())

    async def _watch_over(self) -> None:
        lease_seconds = self._deps.config.lease_seconds
        pause = min(WATCH_SECONDS, lease_seconds / 6)
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(pause)
            if not self._running:
                return
            try:
                if loop.time() - renewed > lease_seconds / 3:
                    await self._renew()
                    renewed = loop.time()
                await self._look()
            except (DatabaseTrouble, OSError) as problem:
                log.warning(Event.DATABASE_TROUBLE, during="runs", error=str(problem))

    async def _renew(self) -> None:
        deps, long = self._deps, [executor for executor in self._running if executor.is_long]
        until = deps.clock.wall() + deps.config.lease_seconds
        async with deps.database.transaction() as tx:
            await store.renew(tx, [(one.claim.id, one.claim.owner, one.claim.epoch) for one in long], until=until)
            rows = await store.held(tx, [executor.claim.id for executor in long], locked=False)
        for executor in long:
            if is_ours(executor.claim, rows):
                executor.renewed(until)

    async def _look(self) -> None:
        long = [executor for executor in self._running if executor.is_long]
        if not long:
            return
        async with self._deps.database.reading() as tx:
            rows = await store.held(tx, [executor.claim.id for executor in long], locked=False)
        now = self._deps.clock.now()
        for executor in long:
            if executor not in self._running or not executor.is_long:
                continue  # it has landed meanwhile
            row = rows.get(executor.claim.id)
            if row is None or not is_ours(executor.claim, rows):
                executor.lease_lost()
            elif row.cancelled_by:
                executor.cancel(row.cancelled_by)
            elif row.deadline_at and now >= row.deadline_at:
                executor.deadline_passed()


async def wake_queues(deps: Deps) -> None:
    async with deps.database.reading() as tx:
        keys = await slots.queued_before_free_slots(tx)
    for key in keys:
        async with deps.database.transaction() as tx:
            await serialise(tx, f"slot:{key}")
            await slots.wake_queued(tx, key, wall=deps.clock.wall())
    if keys:
        deps.wakeups.wake()
