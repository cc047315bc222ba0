"""The worker's alarm clock: APScheduler with its memory job store. Losing it loses nothing, since time is in rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.queue.chores import Chore

ARM_SECONDS = 10.0
CLOSE_ENOUGH = timedelta(milliseconds=2)


class Scheduler:
    """Calls `wake` at the next due timer, and each chore's `do_chore(name)` in its interval."""

    def __init__(
        self,
        *,
        wake: Callable[[], None],
        do_chore: Callable[[str], Coroutine[Any, Any, None]],
    ) -> None:
        self._wake_worker, self._do_worker_chore = wake, do_chore
        self._armed: datetime | None = None
        self._busy: set[asyncio.Task[None]] = set()
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
        )

    def start(self, chores: Mapping[str, Chore]) -> None:
        for name, chore in chores.items():
            self._scheduler.add_job(
                self._do_chore, "interval", seconds=chore.every_seconds, args=[name], id=f"chore:{name}"
            )
        self._scheduler.start()

    async def stop(self, seconds: float) -> None:
        """For chores that were begun."""
        self._scheduler.remove_all_jobs()
        await asyncio.sleep(0)  # what it has just submitted begins now
        if self._busy:
            await asyncio.wait(self._busy, timeout=seconds)
        self._scheduler.shutdown(wait=False)

    async def _do_chore(self, name: str) -> None:
        await self._to_its_end(self._do_worker_chore(name))

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """The scheduler cancels its jobs when it shuts down; this one goes on, and `stop` waits for it."""
        task = asyncio.create_task(work)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        await asyncio.shield(task)

    def arm(self, seconds: float) -> None:
        """What is further away than ARM_SECONDS is left to a later call."""
        at = datetime.now(UTC) + timedelta(seconds=max(seconds, 0.001))
        if seconds < ARM_SECONDS and (self._armed is None or abs(at - self._armed) > CLOSE_ENOUGH):
            self._armed = at
            self._scheduler.add_job(self._ring, "date", run_date=at, id="next", replace_existing=True)

    def _ring(self) -> None:
        self._armed = None
        self._wake_worker()
