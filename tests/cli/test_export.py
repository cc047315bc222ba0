"""`tocsin export`: an incident for the world outside Slack, beside a bot that may be running."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bot.store.db.database import open_database
from tests.cli.conftest import Run
from tests.support.clock import HandClock
from tests.support.story import told


@pytest.fixture
async def told_url(sqlite_url: str, clock: HandClock) -> str:
    """A database in which an incident was declared, noted upon and resolved."""
    database = await open_database(sqlite_url)
    async with told(database, clock) as story:
        room = await story.declared("P1 checkout is down")
        clock.advance(minutes=3)
        await story.types("Ada", "/incident note rolled back to 1.41", room)
        clock.advance(minutes=10)
        await story.types("Ada", "/incident resolve rolled back", room)
    await database.close()
    return sqlite_url


async def test_as_markdown(told_url: str, run: Run, tmp_path: Path) -> None:
    """The draft is printed, or written to a file, as Markdown with its times and its timeline."""
    variables = {"TOCSIN_DATABASE_URL": told_url}
    printed = await asyncio.to_thread(run, "export", "INC-1", **variables)
    assert (printed.code, printed.err) == (0, "")
    assert printed.out.startswith("#")
    assert "checkout is down" in printed.out
    assert "rolled back to 1.41" in printed.out
    file = tmp_path / "draft.md"
    written = await asyncio.to_thread(run, "export", "inc-1", "--out", str(file), **variables)
    assert (written.code, written.out, file.read_text()) == (0, "", printed.out)


async def test_as_json(told_url: str, run: Run) -> None:
    """Everything known is one JSON document: times in UTC, durations in seconds, the timeline in order."""
    outcome = await asyncio.to_thread(run, "export", "INC-1", "--format", "json", TOCSIN_DATABASE_URL=told_url)
    found = json.loads(outcome.out)
    assert (found["incident"]["name"], found["incident"]["status"]) == ("INC-1", "resolved")
    assert found["incident"]["declared_at"].endswith("+00:00")
    assert found["durations_seconds"]["to_resolve"] >= 13 * 60
    kinds = [entry["kind"] for entry in found["timeline"]]
    assert kinds[0] == "declared"
    assert kinds.index("note") < kinds.index("status")
    assert found["postmortem"].startswith("#")


async def test_into_a_folder_that_is_not_there(told_url: str, run: Run, tmp_path: Path) -> None:
    """A file that cannot be written is one sentence."""
    file = str(tmp_path / "nowhere" / "draft.md")
    outcome = await asyncio.to_thread(run, "export", "INC-1", "--out", file, TOCSIN_DATABASE_URL=told_url)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert "nowhere" in outcome.err
    assert "unexpectedly" not in outcome.err
