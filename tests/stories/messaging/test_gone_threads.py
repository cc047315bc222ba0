"""What belongs in a thread is said elsewhere where Slack takes nothing in that thread, whatever the reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.ports import Database
from bot.services.messaging import thread_notes
from tests.support.alerts import OPS
from tests.support.clock import HandClock
from tests.support.escalations import Shop, opened
from tests.support.runbooks import RESTART, opened_shop
from tests.support.story import Story, shown

GONE = [
    "cannot_reply_to_message",
    "thread_not_found",
    "message_not_found",
    "restricted_action_thread_locked",
    "restricted_action_non_threadable_channel",
]


@pytest.fixture
async def escalating(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[Shop]:
    """An alert has its card, and its escalation policy speaks in five minutes."""
    async with opened(sqlite_database, clock, tmp_path) as made:
        await made.fires("Slow", "high")
        yield made


async def loose(story: Story, channel: str) -> list[str]:
    """What the bot said there outside of any thread."""
    found = await story.messages(channel)
    return [shown(one) for one in found if one.get("bot_id") and one.get("thread_ts") in (None, one["ts"])]


async def gone(story: Story, error: str) -> None:
    await story.fault("error", method="chat.postMessage", error=error)


@pytest.mark.parametrize("error", GONE)
async def test_a_step_of_an_escalation_policy(escalating: Shop, error: str) -> None:
    """The channel hears of it beside the card, and the step has kept its promise."""
    await gone(escalating.story, error)
    await escalating.at(5)
    assert any("Nobody has acknowledged ALR-1" in said for said in await loose(escalating.story, OPS))
    assert (await escalating.promised())[0] == "met"


@pytest.mark.parametrize("error", GONE)
async def test_a_note_under_an_alert(escalating: Shop, error: str) -> None:
    """The alerts channel hears of it."""
    await gone(escalating.story, error)
    async with escalating.story.deps.database.transaction() as tx:
        await thread_notes.say(escalating.story.deps, tx, "ALR-1", "The disk is full.", "disk")
    await escalating.story.settle()
    assert "The disk is full." in await loose(escalating.story, OPS)


async def test_somebody_locks_the_thread_of_a_card(escalating: Shop) -> None:
    """What follows for that alert is in its channel: a note and the next step, each once."""
    card = await escalating.card()
    await escalating.story.does("lock", user="Ada", channel=OPS, ts=card["ts"])
    async with escalating.story.deps.database.transaction() as tx:
        await thread_notes.say(escalating.story.deps, tx, "ALR-1", "The disk is full.", "disk")
    await escalating.at(5)
    said = await loose(escalating.story, OPS)
    assert ["The disk is full." in one or "Nobody has acknowledged ALR-1" in one for one in said].count(True) == 2
    assert await escalating.story.thread(OPS, card["ts"]) == []


@pytest.mark.parametrize("error", GONE)
async def test_an_update_of_an_incident(tale: Story, error: str) -> None:
    """An incident that lives under its card goes on in that channel."""
    await tale.types("Ada", "/incident declare P3 a typo")
    await gone(tale, error)
    await tale.types("Ada", "/incident update INC-1 it is on every page")
    assert any("it is on every page" in said and "Update on INC-1" in said for said in await loose(tale, "incidents"))


@pytest.mark.parametrize("error", GONE)
async def test_a_note_in_the_thread_of_a_run(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, error: str
) -> None:
    """Who asked for the run hears of it."""
    async with opened_shop(sqlite_database, clock, tmp_path, restart=RESTART) as (story, _):
        await story.types("Ada", "/runbook run restart", OPS)
        await gone(story, error)
        await story.fast_forward(minutes=31)
        (said,) = await story.direct("U0ADA")
        assert said.startswith("Nobody approved it by 09:30 UTC.")
