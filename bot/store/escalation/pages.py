from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, or_, select, text, update

from bot.ports import Tx
from bot.store.db.dialect import Inserting
from bot.store.db.rows import read_all, read_one, reader
from bot.store.tables.escalation import pages

AT_ONCE = 500  # names in one statement

_WAITING = text("pages.state = 'sending'")  # word for word the partial index


class State(StrEnum):
    SENDING = "sending"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    FAILED = "failed"  # PagerDuty does not take it


@dataclass(frozen=True)
class Sent:
    """`key` is the dedup key at PagerDuty, `remote` PagerDuty's own number."""

    key: str
    subject: str
    target: str
    state: State
    at: datetime
    changed_at: datetime
    changed_by: str | None
    escalation: int | None
    position: int | None
    remote: str | None
    said_at: datetime | None
    away_since: datetime | None


_sent = reader(Sent, state=State)


_INSERT = Inserting(pages, lambda insert: insert.on_conflict_do_nothing().returning(pages.c.key))


async def add(tx: Tx, row: Mapping[str, Any]) -> bool:
    """False where the key is known."""
    return await tx.scalar(_INSERT.on(tx), dict(row)) is not None


async def get(tx: Tx, key: str) -> Sent:
    return await read_one(tx, select(pages).where(pages.c.key == key), _sent)


async def lock(tx: Tx, key: str) -> Sent:
    return await read_one(tx, select(pages).where(pages.c.key == key).with_for_update(), _sent)


async def change(tx: Tx, key: str, **values: Any) -> Sent:
    return await read_one(tx, update(pages).where(pages.c.key == key).values(**values).returning(pages), _sent)


async def unsettled(tx: Tx, subject: str) -> list[Sent]:
    return await _locked(tx, subject, State.SENDING, State.OPEN, State.FAILED)


async def not_over(tx: Tx, subject: str) -> list[Sent]:
    return await _locked(tx, subject, State.SENDING, State.OPEN, State.ACKNOWLEDGED, State.FAILED)


async def _locked(tx: Tx, subject: str, *states: State) -> list[Sent]:
    mine = select(pages).where(pages.c.subject == subject, pages.c.state.in_([state.value for state in states]))
    return await read_all(tx, mine.order_by(pages.c.key).with_for_update(), _sent)


async def named(tx: Tx, names: Collection[str]) -> dict[str, Sent]:
    wanted, found = sorted(names), []
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        mine = select(pages).where(or_(pages.c.key.in_(some), pages.c.remote.in_(some)))
        found += await read_all(tx, mine, _sent)
    return {one.remote: one for one in found if one.remote} | {one.key: one for one in found}


async def away_since(tx: Tx) -> datetime | None:
    found: datetime | None = await tx.scalar(select(func.min(pages.c.away_since)).where(_WAITING))
    return found
