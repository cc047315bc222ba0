"""The figures of alert fatigue, as both databases count them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import delete, insert, text

from bot.domain.alerts.noisy_rules import FLAPPING_WITHIN, SOON, WINDOW, Rule
from bot.ports import Database
from bot.store.alerts import noisy_rules
from bot.store.tables import alerts as alerts_tables, incidents as incidents_tables, runs as runs_tables
from tests.support.alert_rows import group, incident, run
from tests.support.clock import START

Episode = tuple[str, int, int, bool, bool]  # key, minutes since the one before it ended, minutes it took, told, acted


async def fill(database: Database, *rows: dict[str, Any]) -> None:
    async with database.transaction() as tx:
        for row in rows:
            await tx.execute(insert(alerts_tables.alert_groups), row)


async def counted(database: Database) -> list[Rule]:
    async with database.reading() as tx:
        return await noisy_rules.rules(tx, START - WINDOW, START)


HOUR = timedelta(hours=1)


async def test_by_service_and_name(database: Database) -> None:
    """Groups of one name in one service are one rule; what opened before the week is not counted."""
    await fill(
        database,
        group("a", START - WINDOW - HOUR),
        group("a", START - 5 * HOUR),
        group("b", START - 4 * HOUR, took=None, has_card=False, total=5, resolved_by=None),
        group("c", START - 3 * HOUR, service="payments"),
        group("d", START - 2 * HOUR, name=""),
    )
    assert await counted(database) == [
        Rule("default", "Slow", fired=2, told=1, alerts=7, acted_on=0),
        Rule("default", "", fired=1, told=1, alerts=2, acted_on=0),
        Rule("payments", "Slow", fired=1, told=1, alerts=2, acted_on=0),
    ]


async def test_who_acted(database: Database) -> None:
    """A person who acknowledges, resolves, declares or starts a run acts; the bot and the end of the alerts do not."""
    async with database.transaction() as tx:
        for declarer in ("tocsin", "U0ADA", "tocsin"):
            await tx.execute(insert(incidents_tables.incidents), incident(declared_by=declarer))
        await tx.execute(insert(incidents_tables.incidents), incident(private=True))
    acting: list[dict[str, Any]] = [
        {"acknowledged_at": START, "acknowledged_by": "U0ADA"},
        {"resolved_by": "U0ADA"},
        {"incident": 2},
        {"incident": 3},  # in which a person started a run
        {},  # for which a person started a run
    ]
    idle: list[dict[str, Any]] = [{}, {"incident": 1}, {"silenced_by": "U0ADA", "silenced_until": START}]
    every = [group(f"k{number}", START - HOUR, **more) for number, more in enumerate([*acting, *idle])]
    await fill(database, *every, group("private", START - HOUR, incident=4, name="Secret"))
    async with database.transaction() as tx:
        await tx.execute(insert(runs_tables.runs), run(incident=3))
        await tx.execute(insert(runs_tables.runs), run(alert_group=len(acting)))
        await tx.execute(insert(runs_tables.runs), run(alert_group=len(acting) + 1, source="automation"))
    (rule,) = await counted(database)
    assert (rule.name, rule.fired, rule.acted_on) == ("Slow", len(acting) + len(idle), len(acting))


async def test_in_maintenance(database: Database) -> None:
    """What fires while somebody works on its service is counted, and bothers nobody."""
    window = {"service": "default", "made_by": "U0ADA", "begins_at": START - HOUR, "ends_at": START}
    async with database.transaction() as tx:
        await tx.execute(insert(alerts_tables.maintenance_windows), window)
    rows = [group("a", START - HOUR + number * timedelta(minutes=6), maintenance=1) for number in range(6)]
    await fill(database, *rows)
    (rule,) = await counted(database)
    assert (rule.fired, rule.told, rule.returned, rule.is_noisy) == (6, 0, 0, False)


@pytest.mark.parametrize(("pause", "returned"), [(0, 3), (15 * 60_000, 3), (15 * 60_000 + 1, 0)])
async def test_back_soon(pause: int, returned: int, database: Database) -> None:
    """Firing again a quarter of an hour after its end is a return, to the millisecond; another's end is not its."""
    each = timedelta(minutes=5) + timedelta(milliseconds=pause)
    first = START - timedelta(hours=20)
    await fill(database, *(group("a", first + number * each) for number in range(4)))
    await fill(database, group("b", first + timedelta(minutes=6)))
    (rule,) = await counted(database)
    assert (rule.returned, rule.most_in_a_day, rule.is_flapping) == (returned, returned, returned == 3)


EPISODES = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from([0, 14, 15, 16, 300, 1000]),
        st.integers(0, 90),
        st.booleans(),
        st.booleans(),
    ),
    max_size=14,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(episodes=EPISODES)
async def test_as_counted_by_hand(episodes: list[Episode], database: Database) -> None:
    """Whatever the week was like, the statement finds what a person with pencil and paper would."""
    rows, ends = [], dict.fromkeys("ab", START - timedelta(days=6))
    for key, pause, took, told, acted in episodes:
        opened = ends[key] + timedelta(minutes=pause)
        ends[key] = opened + timedelta(minutes=took)
        more = {"acknowledged_at": START} if acted else {}
        rows.append(group(key, opened, timedelta(minutes=took), has_card=told, **more))
    rows = [row for row in rows if row["opened_at"] <= START]
    async with database.transaction() as tx:
        await tx.execute(delete(alerts_tables.alert_groups))
    await fill(database, *rows)
    assert await counted(database) == by_hand(rows)


def by_hand(rows: Sequence[dict[str, Any]]) -> list[Rule]:
    if not rows:
        return []
    returns = {key: returns_of([row for row in rows if row["key"] == key]) for key in "ab"}
    in_a_day = [
        sum(at - FLAPPING_WITHIN <= other <= at for other in moments) for moments in returns.values() for at in moments
    ]
    told, acted = sum(row["has_card"] for row in rows), sum("acknowledged_at" in row for row in rows)
    returned = sum(map(len, returns.values()))
    return [Rule("default", "Slow", len(rows), told, 2 * len(rows), acted, returned, max(in_a_day, default=0))]


def returns_of(rows: Sequence[dict[str, Any]]) -> list[datetime]:
    return [
        later["opened_at"] for before, later in pairwise(rows) if later["opened_at"] - before["resolved_at"] <= SOON
    ]


async def test_old_groups_are_not_read(sqlite_database: Database) -> None:
    """The week's groups are found by their index, whatever else the table holds."""
    statement = noisy_rules._rules("sqlite", START - WINDOW, START)
    async with sqlite_database.reading() as tx:
        asked = str(statement.compile(dialect=tx.dialect, compile_kwargs={"literal_binds": True}))
        plan = [row[3] for row in await tx.execute(text(f"EXPLAIN QUERY PLAN {asked}"))]
    assert any("ix_alert_groups_opened" in line for line in plan), plan
    assert any("ix_runs_alert_group" in line for line in plan), plan
