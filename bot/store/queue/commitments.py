from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update

from bot.ports import Tx
from bot.store.db.dialect import state_is
from bot.store.db.rows import read_all, reader
from bot.store.tables.queue import commitments


@dataclass(frozen=True)
class Commitment:
    """`late_at`: due_at and its grace."""

    id: int
    kind: str
    subject: str
    due_at: datetime
    late_at: datetime


_INSERT = insert(commitments)


async def insert_open(tx: Tx, subject: str, due: Sequence[tuple[str, datetime, datetime]]) -> None:
    """Each as (kind, due_at, late_at)."""
    rows = [
        {"kind": kind, "subject": subject, "due_at": due_at, "late_at": late_at, "state": "open"}
        for kind, due_at, late_at in due
    ]
    if rows:
        await tx.execute(_INSERT, rows)


async def meet(tx: Tx, *, subject: str, kind: str, at: datetime) -> int:
    """Returns how many. One that is late stays open, for the audit to find."""
    mine = update(commitments).where(
        commitments.c.subject == subject, commitments.c.kind == kind, state_is(commitments, "open")
    )
    return (await tx.execute(mine.where(commitments.c.late_at >= at).values(state="met", settled_at=at))).rowcount


async def cancel(tx: Tx, *, subject: str, kind: str | None, at: datetime | None) -> int:
    """Without `at`, late ones too."""
    mine = update(commitments).where(commitments.c.subject == subject, state_is(commitments, "open"))
    if kind is not None:
        mine = mine.where(commitments.c.kind == kind)
    if at is not None:
        mine = mine.where(commitments.c.late_at >= at)
    return (await tx.execute(mine.values(state="cancelled"))).rowcount


async def any_late(tx: Tx, *, at: datetime) -> bool:
    late = select(commitments.c.id).where(state_is(commitments, "open"), commitments.c.late_at < at)
    return (await tx.execute(late.limit(1))).first() is not None


async def miss(tx: Tx, *, at: datetime) -> list[Commitment]:
    """Each is returned to one caller only."""
    late = update(commitments).where(state_is(commitments, "open"), commitments.c.late_at < at)
    missed = late.values(state="missed", settled_at=at).returning(commitments)
    return sorted(await read_all(tx, missed, reader(Commitment)), key=lambda one: one.id)
