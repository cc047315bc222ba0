"""Statements about timers. Pending rows are found by a partial index, so a hundred thousand of them cost nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Float, Integer, Select, and_, bindparam, delete, func, or_, select, update

from bot.domain.outgoing.timer import Lateness, Timer
from bot.ports import Tx
from bot.store.db.dialect import Insert, Inserting, prefer_indexes, state_is
from bot.store.db.rows import read_all, read_first, reader
from bot.store.tables.base import Utc
from bot.store.tables.queue import timers

_PENDING = state_is(timers, "pending")


_timer = reader(Timer, lateness=Lateness)


def _as_new(statement: Insert) -> dict[str, Any]:
    fresh = {name: statement.excluded[name] for name in ("due_at", "payload", "lateness", "state")}
    return {**fresh, "attempts": 0, "retry_at": None, "fired_at": None, "error": None}


def _or_revive(statement: Insert) -> Any:
    return statement.on_conflict_do_update(
        index_elements=[timers.c.dedupe_key], set_=_as_new(statement), where=state_is(timers, "cancelled")
    ).returning(timers.c.id)


_INSERT = Inserting(timers, _or_revive)


async def insert(
    tx: Tx, *, due_at: datetime, kind: str, subject: str, payload: dict[str, Any], dedupe_key: str, lateness: str
) -> bool:
    """False where the key is pending or was fired. A cancelled one comes back."""
    row = {"due_at": due_at, "kind": kind, "subject": subject, "payload": payload, "dedupe_key": dedupe_key}
    return await tx.scalar(_INSERT.on(tx), {**row, "lateness": lateness, "state": "pending"}) is not None


def _or_arm(statement: Insert) -> Any:
    return statement.on_conflict_do_update(index_elements=[timers.c.dedupe_key], set_=_as_new(statement))


_ARM = Inserting(timers, _or_arm)


async def arm_all(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        await tx.execute(_ARM.on(tx), [{**row, "state": "pending"} for row in rows])


async def move(tx: Tx, *, dedupe_key: str, due_at: datetime) -> list[int]:
    statement = update(timers).where(timers.c.dedupe_key == dedupe_key, _PENDING)
    moved = statement.values(due_at=due_at, attempts=0, retry_at=None, error=None).returning(timers.c.id)
    return list((await tx.execute(moved)).scalars())


async def cancel(tx: Tx, *, subject: str, kind: str | None) -> list[int]:
    mine = and_(timers.c.subject == subject, *([] if kind is None else [timers.c.kind == kind]))
    cancelled = update(timers).where(mine, _PENDING).values(state="cancelled")
    return list((await tx.execute(cancelled.returning(timers.c.id))).scalars())


async def cancel_all(tx: Tx, *, subjects: Collection[str]) -> None:
    await tx.execute(update(timers).where(timers.c.subject.in_(subjects), _PENDING).values(state="cancelled"))


def _due(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    return and_(_PENDING, timers.c.due_at <= now)


async def is_pending(tx: Tx, dedupe_key: str) -> bool:
    return await tx.scalar(select(timers.c.id).where(timers.c.dedupe_key == dedupe_key, _PENDING)) is not None


async def lock_due(tx: Tx, *, now: datetime, limit: int) -> list[Timer]:
    """Those that never failed, ours until the transaction ends."""
    await prefer_indexes(tx)
    # In the order of the index alone: with more to sort by, PostgreSQL would read everything that is due.
    fresh = select(timers).where(_due(now), timers.c.attempts == 0).order_by(timers.c.due_at).limit(limit)
    locked = await read_all(tx, fresh.with_for_update(skip_locked=True), _timer)
    return sorted(locked, key=lambda timer: (timer.due_at, timer.id))


async def lock_one(tx: Tx, identity: int, *, now: datetime) -> Timer | None:
    one = select(timers).where(timers.c.id == identity, _due(now)).with_for_update(skip_locked=True)
    return await read_first(tx, one, _timer)


def _ids(*where: ColumnElement[bool]) -> Select[int]:
    return select(timers.c.id).where(*where).order_by(timers.c.due_at)


async def due_ids(tx: Tx, *, now: datetime, limit: int) -> list[int]:
    await prefer_indexes(tx)
    return list((await tx.execute(_ids(_due(now), timers.c.attempts == 0).limit(limit))).scalars())


_RESTED = or_(timers.c.retry_at.is_(None), timers.c.retry_at <= bindparam("wall", type_=Float))
_RETRIES = _ids(_due(bindparam("now", type_=Utc)), timers.c.attempts > 0, _RESTED).limit(
    bindparam("limit", type_=Integer)
)


async def retry_ids(tx: Tx, *, now: datetime, wall: float, limit: int) -> list[int]:
    return list((await tx.execute(_RETRIES, {"now": now, "wall": wall, "limit": limit})).scalars())


async def newest_due(tx: Tx, *, now: datetime, subjects: Collection[str]) -> dict[tuple[str, str], datetime]:
    grouped = (
        select(timers.c.subject, timers.c.kind, func.max(timers.c.due_at).label("latest"))
        .where(_due(now), timers.c.lateness == Lateness.COALESCE.value, timers.c.subject.in_(subjects))
        .group_by(timers.c.subject, timers.c.kind)
    )
    return {(row.subject, row.kind): row.latest for row in await tx.execute(grouped)}


async def mark_done(tx: Tx, identities: Collection[int], *, at: datetime, note: str | None = None) -> None:
    if identities:
        done = update(timers).where(timers.c.id.in_(identities))
        await tx.execute(done.values(state="done", fired_at=at, error=note))


async def mark_failed(tx: Tx, timer: Timer, *, retry_at: float | None, error: str) -> None:
    """Without `retry_at` it was the last."""
    state = "failed" if retry_at is None else "pending"
    failed = update(timers).where(timers.c.id == timer.id, _PENDING)
    await tx.execute(failed.values(state=state, attempts=timer.attempts + 1, retry_at=retry_at, error=error[:500]))


_NEXT_DUE = select(timers.c.due_at).where(_PENDING, timers.c.attempts == 0).order_by(timers.c.due_at).limit(1)


async def next_due(tx: Tx) -> datetime | None:
    """Failed ones do not count."""
    await prefer_indexes(tx)
    return (await tx.execute(_NEXT_DUE)).scalar()


async def forget(tx: Tx, *, before: datetime) -> int:
    old = delete(timers).where(state_is(timers, "done", "cancelled"), timers.c.due_at < before)
    return (await tx.execute(old)).rowcount
