"""What is old is forgotten, in short turns; what is open or linked never is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import Table, delete, insert, select

from bot.deps import Deps
from bot.ports import Database
from bot.services.admin import retention
from bot.services.admin.chores import purge
from bot.services.admin.retention import KEEP
from bot.store.alerts import retention as store
from bot.store.tables import (
    alerts as alerts_tables,
    base as tables,
    escalation as escalation_tables,
    incidents as incidents_tables,
    people as people_tables,
    runs as runs_tables,
)
from tests.queue.world import World, make_deps
from tests.support.alert_rows import alert, escalation, group, incident, page, run
from tests.support.clock import START, HandClock

DAY = timedelta(days=1)
LONG_AGO = START - KEEP - 2 * DAY


@pytest.fixture
def deps(database: Database, clock: HandClock) -> Deps:
    return make_deps(database, clock, World(clock))


async def fill(deps: Deps, table: Table, *rows: dict[str, Any]) -> None:
    async with deps.database.transaction() as tx:
        for row in rows:
            await tx.execute(insert(table), row)


async def column(deps: Deps, table: Table, name: str) -> list[Any]:
    async with deps.database.reading() as tx:
        return list((await tx.execute(select(table.c[name]).order_by(table.c[name]))).scalars())


async def full(deps: Deps, *rows: dict[str, Any]) -> None:
    """Groups with two alerts each, one of which has a second name."""
    await fill(deps, alerts_tables.alert_groups, *rows)
    for number, row in enumerate(rows, 1):
        at = row["opened_at"]
        ids = {"a": 2 * number - 1, "b": 2 * number}
        inside = [alert(f"{number}{which}", at, id=one, alert_group=number) for which, one in ids.items()]
        await fill(deps, alerts_tables.alerts, *inside)
        names = [(f"{number}a", 2 * number - 1), (f"{number}b", 2 * number), (f"{number}c", 2 * number)]
        await fill(deps, alerts_tables.alert_marks, *({"fingerprint": name, "alert": one} for name, one in names))


# --- groups -----------------------------------------------------------------------------------------------------------

OLD_LINKS = ["", "incident", "run", "escalating", "of both", "paged"]  # why one is kept
FORGOTTEN_WITH_IT = ["followed", "was paged"]
GROUPS = st.lists(
    st.tuples(st.sampled_from([None, 400, 92, 89, 1]), st.sampled_from([*OLD_LINKS, *FORGOTTEN_WITH_IT])), max_size=8
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=GROUPS)
async def test_only_what_ended_and_nobody_tells_of(made: Sequence[tuple[int | None, str]], deps: Deps) -> None:
    """Ninety days after its end a group is gone with all that is only its own; open and linked ones stay whole."""
    await _empty(deps)
    await fill(
        deps, incidents_tables.incidents, incident(id=1)
    )  # with ids of our own: the tables are emptied again and again
    await full(deps, *(_row(number, *one) for number, one in enumerate(made, 1)))
    for number, (_, link) in enumerate(made, 1):
        await _link(deps, number, link)
    await retention.forget(deps)
    left = [number for number, (ago, link) in enumerate(made, 1) if ago is None or ago < 90 or link in OLD_LINKS[1:]]
    assert await column(deps, alerts_tables.alert_groups, "id") == left
    assert await column(deps, alerts_tables.alerts, "alert_group") == [number for number in left for _ in "ab"]
    assert await column(deps, alerts_tables.alert_marks, "fingerprint") == sorted(
        f"{one}{name}" for one in left for name in "abc"
    )
    escalating = ("escalating", "of both", "followed")
    assert await column(deps, escalation_tables.escalations, "alert_group") == [
        one for one in left if made[one - 1][1] in escalating
    ]
    paged = sorted(f"p{one}" for one in left if "paged" in made[one - 1][1])
    assert await column(deps, escalation_tables.pages, "key") == paged
    assert await column(deps, runs_tables.runs, "alert_group") == [one for one in left if made[one - 1][1] == "run"]


def _row(number: int, ended_days_ago: int | None, link: str) -> dict[str, Any]:
    opened = LONG_AGO - 500 * DAY + number * timedelta(minutes=1)
    took = None if ended_days_ago is None else START - ended_days_ago * DAY - opened
    return group(f"k{number}", opened, took, id=number, incident=1 if link == "incident" else None)


async def _link(deps: Deps, number: int, link: str) -> None:
    match link:
        case "run":
            await fill(deps, runs_tables.runs, run(alert_group=number))
        case "escalating":
            await fill(deps, escalation_tables.escalations, escalation(number, ended_at=None))
        case "of both":
            await fill(deps, escalation_tables.escalations, escalation(number, incident=1))
        case "followed":
            await fill(deps, escalation_tables.escalations, escalation(number))
        case "paged":
            await fill(deps, escalation_tables.pages, page(f"p{number}", f"ALR-{number}", "acknowledged"))
        case "was paged":
            await fill(deps, escalation_tables.pages, page(f"p{number}", f"ALR-{number}"))


async def _empty(deps: Deps) -> None:
    every = ("runs", "escalations", "pages", "alert_marks", "alerts", "alert_groups", "incidents")
    async with deps.database.transaction() as tx:
        for name in every:
            await tx.execute(delete(tables.metadata.tables[name]))


async def test_in_short_turns(deps: Deps, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction takes so many groups and alerts and no more, but always one; a group is forgotten whole."""
    monkeypatch.setattr(store, "MOST_ALERTS", 5)
    sizes = [2, 3, 1, 40, 2]
    rows = [group(f"k{size}", LONG_AGO + number * DAY / 9, total=size) for number, size in enumerate(sizes)]
    await full(deps, *rows)
    batches = []
    while not batches or batches[-1]:
        async with deps.database.transaction() as tx:
            batches.append(await store.forget_groups(tx, START - KEEP))
    assert batches == [2, 1, 1, 1, 0]
    assert await column(deps, alerts_tables.alert_marks, "alert") == []


# --- the rest ---------------------------------------------------------------------------------------------------------


async def test_alerts_in_no_group(deps: Deps) -> None:
    """The end of one that never began is forgotten when it is old; one that must keep arriving fires, and stays."""
    await fill(deps, alerts_tables.alerts, *(alert(name, at) for name, at in (("old", LONG_AGO), ("new", START - DAY))))
    await fill(deps, alerts_tables.alerts, alert("watchdog", LONG_AGO, status="firing", resolved_at=None))
    marks = [{"fingerprint": name, "alert": number} for number, name in enumerate(("old", "new", "watchdog"), 1)]
    await fill(deps, alerts_tables.alert_marks, *marks)
    assert await retention.forget(deps) == 1
    assert await column(deps, alerts_tables.alerts, "fingerprint") == ["new", "watchdog"]
    assert await column(deps, alerts_tables.alert_marks, "fingerprint") == ["new", "watchdog"]


def silence(begins: datetime, ends: datetime, ended: datetime | None = None) -> dict[str, Any]:
    return {"matchers": [], "made_by": "U0ADA", "begins_at": begins, "ends_at": ends, "ended_at": ended}


async def test_silences_and_storms_and_the_others(deps: Deps) -> None:
    """Ended silences, overrides, storms, watches and counts go when they are old, unless a group has them."""
    later, soon = START + DAY, START - DAY
    await fill(
        deps,
        alerts_tables.silences,
        silence(LONG_AGO - DAY, LONG_AGO),
        silence(LONG_AGO - DAY, later, ended=LONG_AGO),
        silence(LONG_AGO - DAY, later),
        silence(LONG_AGO - DAY, soon),
        silence(LONG_AGO - DAY, LONG_AGO),  # of an open group
    )
    storms = [{"channel_name": "ops", "began_at": at, "last_wall": 0.0} for at in (LONG_AGO, LONG_AGO, START)]
    await fill(deps, alerts_tables.alert_storms, *storms)
    await fill(deps, alerts_tables.alert_groups, group("k", LONG_AGO, None, silence=5, storm=2, heartbeat="missed"))
    override = {"service": "default", "level": "primary", "person": "U0BEN", "made_by": "U0BEN", "made_at": LONG_AGO}
    for ends in (LONG_AGO, later):
        await fill(deps, people_tables.oncall_overrides, {**override, "begins_at": LONG_AGO - DAY, "ends_at": ends})
    watch = {"name": "Watchdog", "labels": [], "first_at": LONG_AGO, "last_wall": 0.0}
    for key, at in (("gone", LONG_AGO), ("missed", LONG_AGO), ("lives", START)):
        await fill(deps, alerts_tables.heartbeats, {**watch, "key": key, "last_at": at})
    for day in (LONG_AGO, START):
        row = {"day": day.date().isoformat(), "vendor": "grafana", "reason": "no_token", "count": 1}
        await fill(deps, alerts_tables.hook_refusals, row)
    assert await purge(deps) == 6
    assert await column(deps, alerts_tables.silences, "id") == [3, 4, 5]
    assert await column(deps, alerts_tables.alert_storms, "id") == [2, 3]
    assert await column(deps, people_tables.oncall_overrides, "id") == [2]
    assert await column(deps, alerts_tables.heartbeats, "key") == ["lives", "missed"]
    assert await column(deps, alerts_tables.hook_refusals, "day") == [START.date().isoformat()]


async def test_a_part_of_many(deps: Deps) -> None:
    """What takes many turns is all forgotten in one go, and what is new stays."""
    count = 3 * store.MOST_GROUPS
    await many(deps, count)
    assert await retention.forget(deps) == count
    assert await column(deps, alerts_tables.alert_groups, "id") == list(range(count + 1, 2 * count + 1))
    assert len(await column(deps, alerts_tables.alert_marks, "alert")) == count


async def many(deps: Deps, count: int) -> None:
    """So many old groups, and as many that are open, with an alert each."""
    async with deps.database.transaction() as tx:
        for first, opened, took in ((1, LONG_AGO, DAY / 9), (count + 1, START, None)):
            numbers = range(first, first + count)
            rows = [group(f"k{number}", opened, took, id=number, total=1) for number in numbers]
            await tx.execute(insert(alerts_tables.alert_groups), rows)
            inside = [alert(f"f{number}", opened, id=number, alert_group=number) for number in numbers]
            await tx.execute(insert(alerts_tables.alerts), inside)
            named = [{"fingerprint": f"f{number}", "alert": number} for number in numbers]
            await tx.execute(insert(alerts_tables.alert_marks), named)
