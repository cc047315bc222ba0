"""The audit log is sealed in one order, and shows what was done to it afterwards."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from bot.queue.audit import record
from bot.store import audit
from bot.store.audit import Head
from bot.store.db.database import SqlDatabase, open_database
from bot.store.tables.audit import audit_log
from tests.support.clock import HandClock

DETAILS: list[dict[str, Any]] = [
    {},
    {"words": 'ünï "cödé" \u2028 \u0000', "actor": "as a detail"},
    {"b": [1, 2.5, None, True], "a": {"z": 1, "y": 1e300}},
    {"to": "P1"},
]


async def write(database: SqlDatabase, clock: HandClock, detail: dict[str, Any]) -> None:
    async with database.transaction() as tx:
        await record(tx, clock, "U123", "incident.declared", "INC-42", **detail)
    clock.advance(0.123456)


async def seal(database: SqlDatabase) -> Head | None:
    async with database.transaction() as tx:
        return await audit.seal(tx)


async def verify(database: SqlDatabase, known: Head | None = None) -> list[str]:
    async with database.reading() as tx:
        return await audit.verify(tx, known)


async def alter(database: SqlDatabase, *statements: Any) -> None:
    async with database.transaction() as tx:
        for statement in statements:
            await tx.execute(statement)


@pytest.fixture
async def sealed(database: SqlDatabase, clock: HandClock) -> Head:
    """Four sealed rows; the head that was reported."""
    for detail in DETAILS:
        await write(database, clock, detail)
    head = await seal(database)
    assert head is not None
    return head


async def test_a_sealed_log_holds(database: SqlDatabase, clock: HandClock, sealed: Head) -> None:
    """What was sealed verifies, and goes on verifying as more is sealed onto it."""
    await write(database, clock, {})
    assert await verify(database, sealed) == []
    longer = await seal(database)
    assert longer is not None
    assert longer.seq == sealed.seq + 1 == 5
    assert await verify(database, longer) == []
    assert await verify(database, sealed) == []


async def test_sealing_nothing(database: SqlDatabase, sealed: Head) -> None:
    """Without new rows there is no new head, and an empty log is whole."""
    assert await seal(database) is None
    await alter(database, delete(audit_log))
    assert await verify(database) == []


async def test_unsealed_rows_go_with_their_transaction(database: SqlDatabase, clock: HandClock) -> None:
    """A deed that was rolled back is not in the log."""
    with pytest.raises(KeyError):  # noqa: PT012
        async with database.transaction() as tx:
            await record(tx, clock, "U123", "incident.declared", "INC-42")
            raise KeyError
    assert await seal(database) is None


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "U999"},
        {"action": "incident.closed"},
        {"subject": "INC-43"},
        {"detail": {"b": [1, 2.5, None, False], "a": {"z": 1, "y": 1e300}}},
        {"at": HandClock().now() - timedelta(microseconds=1)},
        {"hash": "0" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_changed_row_is_found(database: SqlDatabase, sealed: Head, change: dict[str, Any]) -> None:
    """Whatever of a sealed row was changed, the row is named."""
    await alter(database, update(audit_log).where(audit_log.c.seq == 3).values(**change))
    assert await verify(database) == ["Row 3 of the audit log was changed after it was sealed."]


async def test_a_removed_row_is_found(database: SqlDatabase, sealed: Head) -> None:
    """A row that was taken out is named, and so is one whose followers were moved up to hide it."""
    gone = audit_log.c.seq == 2
    await alter(database, delete(audit_log).where(gone))
    assert await verify(database) == ["Row 2 of the audit log is missing: the next one there is row 3."]
    await alter(database, *(update(audit_log).where(audit_log.c.seq == n).values(seq=n - 1) for n in (3, 4)))
    assert await verify(database) == ["Row 2 of the audit log does not follow the row before it."]


async def test_reordered_rows_are_found(database: SqlDatabase, sealed: Head) -> None:
    """Two rows that changed places are found."""
    swaps = [(2, 99), (3, 2), (99, 3)]
    await alter(database, *(update(audit_log).where(audit_log.c.seq == a).values(seq=b) for a, b in swaps))
    assert await verify(database) == ["Row 2 of the audit log does not follow the row before it."]


async def test_a_cut_end_is_found_by_its_head(database: SqlDatabase, sealed: Head) -> None:
    """Rows removed from the end leave a chain that holds; the head kept elsewhere shows them gone."""
    await alter(database, delete(audit_log).where(audit_log.c.seq == 4))
    assert await verify(database) == []
    assert await verify(database, sealed) == ["The audit log ends at row 3, but row 4 was sealed: its end was cut off."]


async def test_a_rebuilt_chain_is_found_by_its_head(database: SqlDatabase, sealed: Head) -> None:
    """Who changes a row and seals everything again is given away by the head kept elsewhere."""
    unsealed: dict[str, Any] = {"seq": None, "prev_hash": None, "hash": None}
    await alter(database, update(audit_log).values(**unsealed), update(audit_log).values(actor="U999"))
    await seal(database)
    assert await verify(database) == []
    assert await verify(database, sealed) == [
        "Row 4 of the audit log is not the one that was sealed: the chain was rebuilt."
    ]


async def test_export_is_json_lines(database: SqlDatabase, sealed: Head) -> None:
    """Every sealed row leaves as one line, oldest first, with its hashes."""
    async with database.reading() as tx:
        lines = [json.loads(line) async for line in audit.export(tx)]
    assert [line["detail"] for line in lines] == DETAILS
    assert [line["prev_hash"] for line in lines] == [audit.GENESIS, *(line["hash"] for line in lines[:-1])]
    assert lines[-1]["hash"] == sealed.hash
    assert lines[0]["at"] == "2026-11-20T09:00:00+00:00"


async def test_sealing_in_batches(database: SqlDatabase, clock: HandClock) -> None:
    """A long backlog is sealed a piece at a time, and the pieces are one chain."""
    for _ in range(5):
        await write(database, clock, {})
    for expected in (2, 4, 5):
        async with database.transaction() as tx:
            head = await audit.seal(tx, limit=2)
        assert head is not None
        assert head.seq == expected
    assert await verify(database) == []


async def test_two_sealers_make_one_chain(database: SqlDatabase, clock: HandClock) -> None:
    """Sealers and writers at the same moment lose nothing and make no fork."""
    writers = [write(database, clock, {"n": n}) for n in range(20)]
    await asyncio.gather(*writers, *(seal(database) for _ in range(6)))
    await seal(database)
    assert await verify(database) == []
    async with database.reading() as tx:
        details = (await tx.execute(select(audit_log.c.detail).where(audit_log.c.seq.is_not(None)))).scalars().all()
    assert sorted(detail["n"] for detail in details) == list(range(20))


async def test_a_late_commit_is_sealed_later(postgres_url: str, clock: HandClock) -> None:
    """A row whose transaction ends after a younger row was sealed follows it in the chain."""
    database = await open_database(postgres_url)
    async with database.transaction() as slow:
        await record(slow, clock, "U1", "older", "INC-1")
        await asyncio.create_task(write(database, clock, {"n": "younger"}))
        first = await asyncio.create_task(seal(database))
        assert first is not None
        assert first.seq == 1
    second = await seal(database)
    assert second is not None
    assert second.seq == 2
    assert await verify(database, second) == []
    await database.close()
