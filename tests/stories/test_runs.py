"""Runbooks in the thread: planned, approved by somebody else, run, and told."""

from __future__ import annotations

from pathlib import Path

from bot.ports import Database
from tests.support.clock import HandClock
from tests.support.runbooks import RESTART, shop, target
from tests.support.story import shown, told


async def test_approved_and_run(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Ada asks, Ben approves in the thread, the steps are done once, and the live message says so."""
    async with target() as there:
        folder = shop(tmp_path, restart=RESTART.format(url=there.url))
        async with told(database, clock, catalogue=[folder]) as story:
            assert "RUN-1" in await story.types("Ada", "/runbook run restart host=shop-2", "ops-alerts")
            assert "waits for approval" in shown(await story.live("RUN-1"))
            question = await story.asked("RUN-1", "approval.approve")
            assert there.counts["/restart"] == 0

            await story.clicks("Ben", "ops-alerts", question, "approval.approve")

            assert dict(there.counts) == {"/look": 1, "/restart": 1, "/health": 1}
            assert "succeeded" in shown(await story.live("RUN-1"))
            assert story.violations() == []
