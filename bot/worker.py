"""The worker's door: an alarm clock that fires due timers, works the inbox and sends what waits to be told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from bot.deps import Deps
from bot.ports import Tx
from bot.priority import yield_to_commands
from bot.queue import commitments, inbox, lease, outbox, timers
from bot.queue.chores import Chore, may_do
from bot.queue.commitments import LateHandler
from bot.queue.handler import DeliveryHandler
from bot.queue.inbox import InboxHandler, by_family
from bot.queue.timers import TimerHandler
from bot.scheduler import Scheduler
from bot.services.alerts import heartbeats as alert_heartbeats
from bot.services.runs import scheduler as run_scheduler
from bot.store.db.errors import DatabaseTrouble
from bot.store.queue import pending, workers
from bot.telemetry import Event, get_logger

COMMITMENTS_SECONDS = 5.0
BEAT_SECONDS = 2.0  # well below what /readyz calls stalled
REFRESH_SECONDS = 1.0
POLITE_SECONDS = 0.35  # how long deliveries let commands go first; timers a quarter of it
LEAST_NAP_SECONDS = 0.01  # between two looks at the outbox, so that rate limits opening one by one are passed in groups

log = get_logger()


class Worker:
    """It is handed five tables, each from a kind to its function; `late` says of a kind of commitment who tells that it
    was missed.
    """

    def __init__(
        self,
        deps: Deps,
        *,
        timers: Mapping[str, TimerHandler],
        deliveries: Mapping[str, DeliveryHandler[Any]],
        inbox: Mapping[str, InboxHandler],
        chores: Mapping[str, Chore],
        late: Mapping[str, LateHandler],
        tick_seconds: float = 0.5,
        finish_seconds: float = 10.0,
    ) -> None:
        self._deps = deps
        self._timers = timers
        self._handlers = deliveries
        self._handle_inbox = by_family(inbox)
        audit = Chore(COMMITMENTS_SECONDS, partial(commitments.audit_commitments, late=late))
        self._chores: Mapping[str, Chore] = {"commitments": audit, **chores}
        self._tick_seconds = tick_seconds
        self._finish_seconds = finish_seconds  # for what is in flight at a stop
        self._refreshed_at = self._beaten_at = float("-inf")
        self.last_tick: float | None = None  # wall; for /readyz in the same process
        self._due = asyncio.Event()
        self._arrived = asyncio.Event()
        self._sendable = asyncio.Event()
        self._runnable = asyncio.Event()
        self._next_tick = asyncio.Event()

    def wake(self) -> None:
        for event in (self._due, self._arrived, self._sendable, self._runnable):
            event.set()

    async def recover(self) -> None:
        """At start. SQLite has this one process, so what is still leased was left by a crash and may go on at once;
        and nobody is missed who could not be heard.
        """
        if self._deps.database.dialect == "sqlite":
            await lease.release_all(self._deps)
        try:
            await alert_heartbeats.came_back(self._deps)
        except (DatabaseTrouble, OSError) as problem:
            log.warning(Event.DATABASE_TROUBLE, during="start", error=str(problem))

    async def work_once(self) -> int:
        await self._refresh_clock()
        moved, _ = await self._fire()
        moved += await inbox.work(self._deps, self._handle_inbox)
        moved += await run_scheduler.Engine(self._deps).until_idle()
        moved += await outbox.send_waiting(self._deps, self._handlers)
        await self._beat()
        return moved

    async def do_chores(self) -> None:
        for name in self._chores:
            await self.do_chore(name)

    async def run(self, stop: asyncio.Event) -> None:
        """After `stop` takes nothing new and gives what is in flight ten seconds."""
        await self.recover()
        self._deps.wakeups.listen(self.wake)
        taking_in = inbox.intake(self._deps, self._handle_inbox, on_done=self.wake)
        sending = outbox.Outbox(self._deps, self._handlers, on_done=self._sendable.set)
        engine = run_scheduler.Engine(self._deps, on_done=self._run_done)
        alarm_clock = Scheduler(wake=self.wake, do_chore=self.do_chore)
        loops = (
            self._whenever(self._due, lambda: self._fire_and_arm(alarm_clock), stop, polite_seconds=POLITE_SECONDS / 4),
            self._whenever(self._arrived, taking_in.start_ready, stop),
            self._whenever(self._sendable, lambda: self._send_and_nap(sending), stop),
            self._whenever(self._runnable, lambda: self._run_and_nap(engine), stop, polite_seconds=POLITE_SECONDS / 4),
        )
        self.wake()
        alarm_clock.start(self._chores)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._rouse_at(stop, engine))
                group.create_task(self._tick_until(stop))
                for loop in loops:
                    group.create_task(loop)
        finally:
            # No step begins while a chore is waited for. Before the outbox: a run may have something to say.
            await asyncio.gather(alarm_clock.stop(self._finish_seconds), engine.finish(self._finish_seconds))
            await asyncio.gather(taking_in.finish(self._finish_seconds), sending.finish(self._finish_seconds))

    # --- the loops ----------------------------------------------------------------------------------------------------

    async def _whenever(
        self,
        event: asyncio.Event,
        act: Callable[[], Awaitable[object]],
        stop: asyncio.Event,
        *,
        polite_seconds: float = POLITE_SECONDS,
    ) -> None:
        """A database out of reach is tried again at the next tick."""
        while not stop.is_set():
            await event.wait()
            await yield_to_commands(polite_seconds)
            event.clear()
            if stop.is_set():
                return
            try:
                await act()
            except (DatabaseTrouble, OSError) as problem:
                log.warning(Event.DATABASE_TROUBLE, during="worker", error=str(problem))

    async def _rouse_at(self, stop: asyncio.Event, engine: run_scheduler.Engine) -> None:
        await stop.wait()
        engine.begin_nothing()
        self._next_tick.set()
        self.wake()

    async def _fire_and_arm(self, alarm_clock: Scheduler) -> None:
        _, due = await self._fire()
        if due is not None:
            alarm_clock.arm(self._deps.clock.seconds_until(due))

    async def _send_and_nap(self, sending: outbox.Outbox) -> None:
        await sending.start_ready()
        self._rouse_soon(self._sendable, sending.next_wall)

    async def _run_and_nap(self, engine: run_scheduler.Engine) -> None:
        await engine.start_ready()
        self._rouse_soon(self._runnable, await engine.next_wall())

    def _rouse_soon(self, event: asyncio.Event, next_wall: float | None) -> None:
        if next_wall is not None and (left := next_wall - self._deps.clock.wall()) < self._tick_seconds:
            asyncio.get_running_loop().call_later(max(left, LEAST_NAP_SECONDS), event.set)

    def _run_done(self) -> None:
        self._runnable.set()
        self._sendable.set()

    async def _fire(self) -> tuple[int, datetime | None]:
        return await timers.fire_all(self._deps, self._timers, self._sendable.set)

    # --- the tick -----------------------------------------------------------------------------------------------------

    async def _tick_until(self, stop: asyncio.Event) -> None:
        """By the loop's monotonic time, so that a clock set back stops nothing."""
        while not stop.is_set():
            await self.tick()
            asyncio.get_running_loop().call_later(self._tick_seconds, self._next_tick.set)
            await self._next_tick.wait()
            self._next_tick.clear()

    async def tick(self) -> None:
        """The safety net behind every hint: one look, and more only where something waits."""
        try:
            await self._beat()
            await self._look()
        except (DatabaseTrouble, OSError) as problem:
            log.warning(Event.DATABASE_TROUBLE, during="tick", error=str(problem))
        else:
            self.last_tick = self._deps.clock.wall()

    async def _look(self) -> None:
        """What comes due before the next look counts: its loop waits for the moment itself."""
        async with self._deps.database.reading() as tx:
            await self._refresh_clock(tx)
            soon = self._deps.clock.wall() + 2 * self._tick_seconds
            found = await pending.look(tx, now=self._deps.clock.from_wall(soon), wall=soon)
        waiting = (
            (found.timers, self._due),
            (found.inbox, self._arrived),
            (found.deliveries, self._sendable),
            (found.runs, self._runnable),
        )
        for is_waiting, event in waiting:
            if is_waiting:
                event.set()

    async def _refresh_clock(self, tx: Tx | None = None) -> None:
        if abs(self._deps.clock.wall() - self._refreshed_at) >= REFRESH_SECONDS:
            await self._deps.clock.refresh(tx)
            self._refreshed_at = self._deps.clock.wall()

    async def _beat(self) -> None:
        wall = self._deps.clock.wall()
        if abs(wall - self._beaten_at) >= BEAT_SECONDS:
            async with self._deps.database.transaction() as tx:
                await workers.beat(tx, worker=self._deps.worker_name, wall=wall)
            self._beaten_at = wall

    async def do_chore(self, name: str) -> None:
        """If it is this process's turn. What it raises is logged by the scheduler, and it comes again."""
        chore = self._chores[name]
        try:
            if await may_do(self._deps, name, chore):
                await chore.do(self._deps)
        except (DatabaseTrouble, OSError) as problem:
            log.warning(Event.DATABASE_TROUBLE, during=f"chore {name}", error=str(problem))
