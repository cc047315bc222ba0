"""What the benchmarks lay ready by writing rows of their own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from bench import runs, seed
from bench.hall import opened
from bot.store.db.database import open_database
from bot.store.tables.runs import approval_requests


async def test_seeded_incidents_fit_the_schema(tmp_path: Path) -> None:
    """Every table that is filled with open incidents takes its rows."""
    url = f"sqlite:///{tmp_path / 'seeded.db'}"
    seed.fill(url, 3)
    database = await open_database(url)
    async with database.reading() as tx:
        found = {table.name: await tx.scalar(select(func.count()).select_from(table)) for table, _ in seed.TABLES}
    await database.close()
    assert found == {
        "incidents": 3,
        "timeline": 15,
        "timers": 3,
        "commitments": 3,
        "roles": 3,
        "deliveries": 3 * len(seed.DONE),
    }


async def test_runs_that_wait_fit_the_schema(tmp_path: Path) -> None:
    """Runs that wait for approval are written with their questions."""
    async with opened(tmp_path) as hall:
        await runs.park(hall, 2)
        async with hall.database.reading() as tx:
            assert await tx.scalar(select(func.count()).select_from(approval_requests)) == 2
        await hall.schedule("soon", 1, lambda _: timedelta(hours=1))
