"""Every Monday morning the alerts channel reads which rules bother people for nothing."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from bot.app.registry import TIMERS
from bot.ports import Database
from bot.queue import timers
from bot.services.alerts import noisy_rules
from bot.store.queue import timers as timers_store
from bot.store.tables import alerts as alerts_tables, queue as queue_tables
from tests.support.alerts import OPS, Monitoring, firing, over
from tests.support.catalogues import catalogue
from tests.support.clock import HandClock
from tests.support.story import Story, told

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
WEEK = timedelta(days=7)


async def episodes(sender: Monitoring, name: str, count: int, *, pause_minutes: float = 60, **more: str) -> None:
    clock = sender.story.clock
    for _ in range(count):
        alert = firing(name, since=clock.now(), **more)
        await sender.sends(alert)
        clock.advance(minutes=6)
        await sender.sends(over(alert, clock.now()))
        clock.advance(minutes=pause_minutes)


async def lists(story: Story, channel: str = OPS) -> list[str]:
    return [text for text in await story.by_the_bot(channel) if "noisy in the last 7 days" in text]


async def until(story: Story, moment: datetime) -> None:
    await story.fast_forward(seconds=(moment - story.clock.now()).total_seconds())


async def planted(story: Story) -> list[tuple[datetime, str]]:
    """The lists that are to come."""
    mine = select(queue_tables.timers).where(
        queue_tables.timers.c.kind == noisy_rules.LIST, queue_tables.timers.c.state == "pending"
    )
    async with story.deps.database.reading() as tx:
        return [(row.due_at, row.dedupe_key) for row in await tx.execute(mine)]


async def test_the_noisy_ones_are_listed(sent: Monitoring) -> None:
    """The worst first, each with what one could do about it; who was acted on, and what is only logged, is not."""
    story = sent.story
    await noisy_rules.plant(story.deps)
    await episodes(sent, "Ignored <!channel> *x*", 7)
    await episodes(sent, "Flappy", 4, pause_minutes=5)
    await episodes(sent, "Chatter", 8, severity="info")
    await episodes(sent, "Rare", 2)
    await until(story, MONDAY - timedelta(seconds=1))
    assert await lists(story) == []
    await until(story, MONDAY)
    (text,) = await lists(story)
    lines = text.splitlines()
    assert lines[0] == "*2 rules were noisy in the last 7 days.* What one could do about each:"
    assert "Ignored &lt;!channel&gt; \N{WORD JOINER}*x*" in lines[1]
    assert lines[1].endswith(
        "(default) fired 7 times, and nobody acted on it. Delete it, or route it to a severity with `on_alert: log`."
    )
    assert lines[2].startswith(
        "• *Flappy* (default) fired 4 times and was back within 15 min of its end 3 times. Raise"
    )
    assert len(lines) == 3


async def test_nothing_is_noisy(sender: Monitoring) -> None:
    """Then nobody reads anything, and the next Monday is promised all the same."""
    await noisy_rules.plant(sender.story.deps)
    await episodes(sender, "Rare", 2)
    await until(sender.story, MONDAY + timedelta(hours=1))
    assert await lists(sender.story) == []
    assert [due for due, _ in await planted(sender.story)] == [MONDAY + WEEK]


async def test_week_after_week(sender: Monitoring) -> None:
    """Each list plants the next, and a rule that was mended is not listed again."""
    story = sender.story
    await noisy_rules.plant(story.deps)
    await episodes(sender, "Slow", 6)
    await until(story, MONDAY + 2 * WEEK + timedelta(hours=1))
    assert len(await lists(story)) == 1
    assert [due for due, _ in await planted(story)] == [MONDAY + 3 * WEEK]


async def test_planted_once(sent: Monitoring) -> None:
    """However many processes plant at the same time, and again after each start, a Monday has one list."""
    deps = sent.story.deps
    outcomes = await asyncio.gather(*(noisy_rules.plant(deps) for _ in range(5)))
    assert outcomes.count(True) == 1
    assert await planted(sent.story) == [(MONDAY, "noisy_rules.list:2026-11-23")]
    assert not await noisy_rules.plant(deps)


async def test_a_crash_amid_the_list(sender: Monitoring) -> None:
    """Where the transaction of the list is lost, nothing of it is there, and it is done again: one list, one next."""
    story = sender.story
    await noisy_rules.plant(story.deps)
    await episodes(sender, "Slow", 6)
    story.clock.set(MONDAY)
    await _lost(story)
    assert [due for due, _ in await planted(story)] == [MONDAY]
    await asyncio.gather(*(timers.fire_some(story.deps, TIMERS) for _ in range(3)))
    await story.settle()
    assert len(await lists(story)) == 1
    assert [due for due, _ in await planted(story)] == [MONDAY + WEEK]


async def _lost(story: Story) -> None:
    """The list's transaction comes to its end and is not committed."""
    with contextlib.suppress(ConnectionError):
        async with story.deps.database.transaction() as tx:
            (timer,) = await timers_store.lock_due(tx, now=MONDAY, limit=9)
            await noisy_rules.due(story.deps, tx, timer)
            raise ConnectionError


async def test_nobody_was_there_for_weeks(sender: Monitoring) -> None:
    """A bot that was down on three Mondays writes one list when it is back, and promises the next Monday."""
    story = sender.story
    await noisy_rules.plant(story.deps)
    await episodes(sender, "Slow", 6)
    story.clock.set(MONDAY + 2 * WEEK + timedelta(days=1))
    await story.settle()
    assert len(await lists(story)) == 1
    assert [due for due, _ in await planted(story)] == [MONDAY + 3 * WEEK]


async def test_it_is_acted_on_before_it_is_posted(sender: Monitoring) -> None:
    """The list is written when it is sent: what was mended while Slack was away is not in it."""
    story = sender.story
    await noisy_rules.plant(story.deps)
    await episodes(sender, "Slow", 5)
    await sender.sends(firing("Slow", since=story.clock.now()))
    story.clock.set(MONDAY)
    await timers.fire_some(story.deps, TIMERS)
    async with story.deps.database.transaction() as tx:
        await tx.execute(alerts_tables.alert_groups.update().values(acknowledged_at=MONDAY, acknowledged_by="U0ADA"))
    await story.settle()
    assert await lists(story) == []


async def test_nine_where_the_default_service_is(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Monday, nine o'clock, in the time zone of the default service."""
    sydney = """
service: shop
name: Shop
timezone: Australia/Sydney
default_severity: S1
severities: [{key: S1, name: Normal}]
"""
    folder = catalogue(tmp_path, org="default_service: shop", shop=sydney)
    async with told(sqlite_database, clock, catalogue=[folder]) as story:
        await noisy_rules.plant(story.deps)
        (found,) = await planted(story)
    assert found == (datetime(2026, 11, 22, 22, tzinfo=UTC), "noisy_rules.list:2026-11-23")
