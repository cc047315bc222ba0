"""Silences, maintenance and absences, whatever comes in whatever order; and with others at the same time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from sqlalchemy import Engine, Table, delete, event, select

from bot.app.registry import TIMERS
from bot.catalogue.load import load
from bot.deps import CurrentCatalogue, Deps
from bot.domain.alerts import maintenance as windows, routing, silence
from bot.domain.alerts.group import AlertGroup
from bot.domain.catalogue.severity import OnAlert
from bot.domain.people.person import Actor, Person
from bot.ports import Database
from bot.queue import timers
from bot.queue.inbox import InboxItem, one_at_a_time
from bot.services.alerts import lifecycle, maintenance, operations as alert_operations, silences
from bot.services.ingest import alerts as ingest
from bot.store.alerts import groups as alerts_store, maintenance as windows_store, silences as silences_store
from bot.store.tables import (
    alerts as alerts_tables,
    base as tables,
    escalation as escalation_tables,
    incidents as incident_tables,
    queue as queue_tables,
)
from tests.queue.world import World, make_deps
from tests.support.catalogues import catalogue
from tests.support.clock import START, HandClock

BEN = Actor(Person("U0BEN", "Ben"))
ORG = """
default_service: shop
group_by: [service, alertname]
routes:
  - {match: ['alertname="Watchdog"'], heartbeat: {every: 20m, severity: P0}}
"""
SHOP = """
service: shop
name: Shop
default_severity: P1
severities:
  - {key: P0, aliases: [critical], name: Critical, on_alert: declare, channel: false, escalation_policy: all}
  - {key: P1, aliases: [warning], name: Warning, on_alert: card, escalation_policy: all}
  - {key: P2, aliases: [info], name: Info, on_alert: log}
escalation_policies:
  all: {steps: [{after: 5m, notify: ["slack:#ops-alerts"]}]}
"""
SILENCES = ('alertname="A"', 'alertname=~"A|B" host="a"', 'severity="warning"', 'service="shop" host!="a"')


@pytest.fixture
def deps(database: Database, clock: HandClock, tmp_path: Path) -> Deps:
    made = load([catalogue(tmp_path, org=ORG, shop=SHOP)])
    assert made.catalogue is not None
    assert not made.findings
    return replace(make_deps(database, clock, World(clock)), current_catalogue=CurrentCatalogue(made.catalogue))


_numbers = count(1)


def item(*sent: dict[str, Any], deps: Deps) -> InboxItem:
    number, body = next(_numbers), json.dumps({"version": "4", "alerts": list(sent)})
    payload: dict[str, Any] = {"body": body, "headers": {}, "source": None, "wall": deps.clock.wall(), "signed": False}
    return InboxItem(number, f"hook:{number}", "hook:alertmanager", payload, deps.clock.now(), 0)


def an_alert(name: str, host: str, severity: str, *, status: str, at: datetime) -> dict[str, Any]:
    labels = {"alertname": name, "host": host, "severity": severity}
    return {"status": status, "labels": labels, "fingerprint": f"{name}{host}", "startsAt": at.isoformat()}


async def empty(deps: Deps) -> None:
    async with deps.database.transaction() as tx:
        for table in reversed(tables.metadata.sorted_tables):
            if table.name not in ("clock", "alembic_version"):
                await tx.execute(delete(table))


async def fire(deps: Deps) -> None:
    while (await timers.fire_some(deps, TIMERS))[0]:
        pass


# --- whatever order ---------------------------------------------------------------------------------------------------

NAMES, HOSTS, LEVELS = ("A", "B"), ("a", "b"), ("critical", "warning", "info")
MINUTES = st.sampled_from([7, 30, 90])
ALERT = st.tuples(
    st.just("alert"),
    st.sampled_from(NAMES),
    st.sampled_from(HOSTS),
    st.sampled_from(LEVELS),
    st.sampled_from(["firing", "firing", "firing", "resolved"]),
)
SILENCE = st.tuples(st.just("silence"), st.sampled_from(SILENCES), MINUTES)
FIRES_A, FIRES_B = (("alert", name, "a", "critical", "firing") for name in NAMES)
STEPS = st.one_of(
    *[ALERT] * 5,
    *[SILENCE] * 3,
    st.tuples(st.just("unsilence"), st.integers(0, 2)),
    st.tuples(st.just("card"), st.integers(0, 2), MINUTES),
    st.tuples(st.sampled_from(["uncard", "ack", "unack"]), st.integers(0, 2)),
    st.tuples(st.just("maintenance"), MINUTES),
    st.tuples(st.just("maintained")),
    st.tuples(st.just("watchdog")),
    st.tuples(st.just("wait"), MINUTES),
)


class Players:
    """Does the steps that are drawn, by the doors' own services."""

    def __init__(self, deps: Deps, clock: HandClock) -> None:
        self.deps, self.clock = deps, clock
        self.known: set[int] = set()  # groups that were there before

    async def open(self) -> list[AlertGroup]:
        async with self.deps.database.reading() as tx:
            numbers = (await tx.execute(select(alerts_tables.alert_groups.c.id))).scalars().all()
            found = [await alerts_store.get(tx, number) for number in sorted(numbers)]
        return [one for one in found if one.is_open]

    async def one(self, number: int) -> AlertGroup | None:
        found = await self.open()
        return found[number % len(found)] if found else None

    async def play(self, what: str, *how: Any) -> None:
        await getattr(self, f"on_{what}")(*how)
        await fire(self.deps)

    async def on_alert(self, name: str, host: str, severity: str, status: str) -> None:
        self.clock.advance(seconds=30)
        await fire(self.deps)
        alert = an_alert(name, host, severity, status=status, at=self.clock.now())
        await ingest.handle(self.deps, item(alert, deps=self.deps))

    async def on_watchdog(self) -> None:
        alert = an_alert("Watchdog", "a", "none", status="firing", at=START)
        await ingest.handle(self.deps, item(alert, deps=self.deps))

    async def on_silence(self, about: str, minutes: int) -> None:
        made = await silences.make(self.deps, silence.read(f"{minutes}m {about}"), BEN)
        await fire(self.deps)
        for group, means in await self.meant_by(made.silence):
            assert not means or (group.silenced_until or START) >= made.silence.ends_at

    async def on_unsilence(self, number: int) -> None:
        found, *_ = await silences.in_force(self.deps)
        if found:
            await silences.end(self.deps, found[number % len(found)].id, BEN)

    async def on_card(self, number: int, minutes: int) -> None:
        if group := await self.one(number):
            await alert_operations.silence(self.deps, group.id, f"{minutes}m", BEN)

    async def on_uncard(self, number: int) -> None:
        if group := await self.one(number):
            await alert_operations.unsilence(self.deps, group.id, BEN)

    async def on_ack(self, number: int) -> None:
        if group := await self.one(number):
            await alert_operations.acknowledge(self.deps, group.id, BEN)

    async def on_unack(self, number: int) -> None:
        if group := await self.one(number):
            await alert_operations.unacknowledge(self.deps, group.id, BEN)

    async def on_maintenance(self, minutes: int) -> None:
        await maintenance.begin(self.deps, windows.read(f"shop {minutes}m"), BEN)

    async def on_maintained(self) -> None:
        found, _ = await maintenance.on(self.deps)
        for window in found:
            await maintenance.end(self.deps, window.id, BEN)

    async def on_wait(self, minutes: int) -> None:
        end = self.clock.now() + timedelta(minutes=minutes)
        while (due := await timers.next_due(self.deps)) and due <= end:
            self.clock.set(max(due, self.clock.now()))
            await fire(self.deps)
        self.clock.set(end)

    # --- what must hold ---

    async def meant_by(self, one: silence.Silence) -> list[tuple[AlertGroup, bool]]:
        """Every open group, and whether all of its firing alerts are meant: worked out plainly."""
        async with self.deps.database.reading() as tx:
            firing = await silences_store.firing(tx)
        theirs = {group: [alert.labels for alert in firing if alert.group == group.id] for group in await self.open()}
        # One that opened between the two looks has none here, and is not judged.
        return [
            (group, all(self._means(one, group, label) for label in labels))
            for group, labels in theirs.items()
            if labels
        ]

    def _means(self, one: silence.Silence, group: AlertGroup, labels: Any) -> bool:
        shop = self.deps.catalogue.services["shop"]
        severity = (
            shop.severity(group.severity) if group.heartbeat else routing.route(self.deps.catalogue, labels).severity
        )
        return one.covers(labels, group.service, lambda: severity)

    async def look(self) -> None:
        now = self.clock.now()
        async with self.deps.database.reading() as tx:
            window = await windows_store.of_service(tx, "shop", now)
            in_force = await silences_store.in_force(tx, now)
            rows = (
                await tx.execute(select(escalation_tables.escalations).order_by(escalation_tables.escalations.c.number))
            ).all()
        escalations = {row.subject: row for row in rows}
        for one in in_force:
            for group, means in await self.meant_by(one):
                assert means or group.silence != one.id or not group.is_silenced(now)
                assert group.id in self.known or not means or (group.silenced_until or START) >= one.ends_at
        for group in await self.open():
            assert not (group.silence and group.is_silenced(now)) or group.silence in {one.id for one in in_force}
            assert group.firing > 0
            assert group.maintenance == (window.id if window else None)
            escalation = escalations.get(str(group))
            if group.is_suppressed(now):
                assert escalation is None or escalation.ended_at is not None
            else:
                self._had_its_turn(group, escalation)
            self.known.add(group.id)

    def _had_its_turn(self, group: AlertGroup, escalation: Any) -> None:
        wants = self.deps.catalogue.services["shop"].severity(group.severity).on_alert
        assert group.has_card or wants is OnAlert.LOG
        assert group.incident or wants is not OnAlert.DECLARE
        assert escalation is not None or wants is OnAlert.LOG
        assert (
            escalation is None or escalation.ended_at is None or escalation.ended_why not in ("silenced", "maintenance")
        )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=8, max_size=20))
@example(steps=[("silence", SILENCES[1], 90), FIRES_A, ("alert", "A", "b", "warning", "firing")])
@example(steps=[FIRES_A, FIRES_B, ("silence", SILENCES[1], 90), ("maintenance", 7), ("unsilence", 0)])
@example(steps=[("watchdog",), ("maintenance", 90), ("wait", 30), ("silence", SILENCES[3], 7), ("maintained",)])
@example(steps=[("silence", SILENCES[2], 7), ("alert", "A", "a", "warning", "firing"), FIRES_A])
async def test_nobody_is_left_without_a_turn(
    steps: list[tuple[Any, ...]], deps: Deps, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever order of silences, maintenance, absences, alerts and people: what fires and is not quiet has had its
    turn, what is suppressed follows no escalation policy, and a silence holds what it means and nothing else.
    """
    monkeypatch.setattr(silences, "AT_ONCE", 1)
    monkeypatch.setattr(maintenance, "AT_ONCE", 1)
    clock.set(START)
    await empty(deps)
    players = Players(deps, clock)
    for step in steps:
        await players.play(*step)
        await players.look()
    clock.advance(hours=3)
    await fire(deps)
    await players.look()
    assert not [group for group in await players.open() if group.is_suppressed(clock.now())]


# --- at the same time, and many at once -------------------------------------------------------------------------------


async def test_alerts_arrive_while_people_change_their_minds(deps: Deps, clock: HandClock) -> None:
    """Alerts that come while a window or a silence begins or ends are on one side of it, and none is forgotten."""
    players = Players(deps, clock)
    handle = one_at_a_time(ingest.handle)

    async def arrive(number: int) -> None:
        sent = an_alert(f"A{number}", "a", "warning", status="firing", at=clock.now())
        await handle(deps, item(sent, deps=deps))

    for turn in range(4):
        change = players.on_maintenance(60) if turn % 2 == 0 else players.on_maintained()
        mind = players.on_silence('host="a" alertname=~"A.*[02468]"', 60) if turn % 2 == 0 else players.on_unsilence(0)
        await asyncio.gather(*[arrive(10 * turn + number) for number in range(5)], change, mind)
        await fire(deps)
        await players.look()
    assert not [group for group in await players.open() if group.is_suppressed(clock.now())]
    assert len(await players.open()) == 20


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What is asked of any database from now on; one that is executed for many rows counts once."""
    asked: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    yield asked
    event.remove(Engine, "before_cursor_execute", listen)


async def test_no_statement_for_each_alert(deps: Deps, clock: HandClock, statements: list[str]) -> None:
    """A hundred alerts of a message ask the database no more than two of them, whatever is in force or watched."""
    await silences.make(deps, silence.read('1h alertname="A" host=~"h.*"'), BEN)
    await maintenance.begin(deps, windows.read("shop 1h"), BEN)
    await ingest.handle(deps, item(an_alert("A", "h", "warning", status="firing", at=START), deps=deps))
    asked = []
    for many, first in ((2, 0), (100, 2), (2, 0), (100, 2)):  # new ones, and the same again
        sent = [an_alert("A", f"h{first + one}", "warning", status="firing", at=START) for one in range(many)]
        dogs = [an_alert("Watchdog", f"h{first + one}", "none", status="firing", at=START) for one in range(many // 2)]
        statements.clear()
        await ingest.handle(deps, item(*sent[many // 2 :], *dogs, deps=deps))
        # SQLite adds the rows of alerts one by one, since their ids are wanted in order.
        asked.append([one for one in statements if not one.startswith("INSERT INTO alerts ")])
    assert len(asked[0]) == len(asked[1])
    assert len(asked[2]) == len(asked[3])


# --- what follows from a message --------------------------------------------------------------------------------------


async def planted(deps: Deps) -> list[tuple[str, str]]:
    mine = select(queue_tables.timers).where(queue_tables.timers.c.kind == lifecycle.FOLLOW)
    async with deps.database.reading() as tx:
        return [(row.subject, row.state) for row in await tx.execute(mine.order_by(queue_tables.timers.c.id))]


async def count_of(deps: Deps, table: Table) -> int:
    async with deps.database.reading() as tx:
        return len((await tx.execute(select(table))).all())


async def test_what_follows_is_durable_and_happens_once(deps: Deps, clock: HandClock) -> None:
    """The timer is there with the group, and the card beside it; worked again it declares and escalates once."""
    sent = an_alert("A", "a", "critical", status="firing", at=clock.now())
    stored = item(sent, deps=deps)
    await ingest.handle(deps, stored)
    assert await planted(deps) == [("ALR-1", "pending")]
    assert await count_of(deps, incident_tables.incidents) == 0
    assert [one.has_card for one in await Players(deps, clock).open()] == [True]
    await ingest.handle(deps, stored)
    await fire(deps)
    await ingest.handle(deps, item(sent, deps=deps))
    await fire(deps)
    assert await planted(deps) == [("ALR-1", "done")]
    assert await count_of(deps, incident_tables.incidents) == 1
    assert await count_of(deps, escalation_tables.escalations) == 1


async def test_nothing_is_planted_for_what_only_its_card_says(deps: Deps, clock: HandClock) -> None:
    """One timer at most for a group of a message, and none for repeats, for what is only logged, or in maintenance."""
    hosts = [an_alert("A", host, "warning", status="firing", at=clock.now()) for host in "ab"]
    await ingest.handle(deps, item(*hosts, deps=deps))
    await ingest.handle(deps, item(*hosts, deps=deps))
    await ingest.handle(deps, item(an_alert("B", "a", "info", status="firing", at=clock.now()), deps=deps))
    await maintenance.begin(deps, windows.read("shop 1h"), BEN)
    await ingest.handle(deps, item(an_alert("C", "a", "critical", status="firing", at=clock.now()), deps=deps))
    assert await planted(deps) == [("ALR-1", "pending")]


async def test_over_before_what_follows(deps: Deps, clock: HandClock) -> None:
    """An alert that is over before its timer fires still declares its incident, and nobody is escalated to."""
    for status in ("firing", "resolved"):
        await ingest.handle(deps, item(an_alert("A", "a", "critical", status=status, at=clock.now()), deps=deps))
    await fire(deps)
    assert await planted(deps) == [("ALR-1", "done"), ("ALR-1", "done")]
    assert await count_of(deps, incident_tables.incidents) == 1
    assert await count_of(deps, escalation_tables.escalations) == 0
