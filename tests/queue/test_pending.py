"""One look tells a worker at rest what waits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert

from bot.store.db.database import SqlDatabase
from bot.store.queue import pending
from bot.store.queue.pending import Pending
from bot.store.tables.queue import deliveries, inbox, timers
from tests.support.clock import START

WALL = 1_000.0
NOTHING = Pending(timers=False, inbox=False, deliveries=False, runs=False)
TIMER = {"kind": "k", "subject": "s", "payload": {}, "dedupe_key": "k", "lateness": "fire_late", "state": "pending"}
DELIVERY = {
    "kind": "k", "subject": "s", "payload": {}, "method": "m", "rank": 0, "next_at": 0.0, "created_at": START,
}  # fmt: skip
ITEM = {"key": "k", "kind": "k", "payload": {}, "received_at": START}


@pytest.mark.parametrize(
    ("table", "row", "waits"),
    [
        (timers, {**TIMER, "due_at": START}, "timers"),
        (timers, {**TIMER, "due_at": START + timedelta(seconds=1)}, ""),
        (timers, {**TIMER, "due_at": START, "retry_at": WALL + 1}, ""),
        (timers, {**TIMER, "due_at": START, "retry_at": WALL}, "timers"),
        (timers, {**TIMER, "due_at": START, "state": "done"}, ""),
        (deliveries, {**DELIVERY, "state": "ready"}, "deliveries"),
        (deliveries, {**DELIVERY, "state": "ready", "next_at": WALL + 1}, ""),
        (deliveries, {**DELIVERY, "state": "sending", "lease_until": WALL}, "deliveries"),
        (deliveries, {**DELIVERY, "state": "sending", "lease_until": WALL + 1}, ""),
        (deliveries, {**DELIVERY, "state": "unconfirmed"}, "deliveries"),
        (deliveries, {**DELIVERY, "state": "sent"}, ""),
        (inbox, {**ITEM, "state": "ready", "next_at": WALL}, "inbox"),
        (inbox, {**ITEM, "state": "ready", "next_at": WALL + 1}, ""),
        (inbox, {**ITEM, "state": "working", "next_at": WALL, "lease_until": WALL}, "inbox"),
        (inbox, {**ITEM, "state": "failed", "next_at": 0.0}, ""),
    ],
)
async def test_what_waits_is_seen(database: SqlDatabase, table: object, row: dict[str, object], waits: str) -> None:
    """A row that may go, or that a lost worker left, is seen at its moment; what rests or is settled is not."""
    async with database.transaction() as tx:
        await tx.execute(insert(table), row)  # type: ignore[arg-type]
    async with database.reading() as tx:
        found = await pending.look(tx, now=START, wall=WALL)
    assert found == Pending(**{**vars(NOTHING), **({waits: True} if waits else {})})
