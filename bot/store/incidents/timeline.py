from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, insert, select, update

from bot.domain.incidents.incident import Entry
from bot.ports import Tx
from bot.store.db.rows import read_all, read_first, reader
from bot.store.tables.incidents import timeline, updates

_LOG = insert(timeline).returning(timeline.c.id)


_entry = reader(Entry)


async def log(
    tx: Tx,
    number: int,
    *,
    at: datetime,
    kind: str,
    actor: str,
    text: str,
    told: bool = False,
    detail: Mapping[str, Any] | None = None,
    source_ts: str | None = None,
) -> int:
    row = {
        "incident": number,
        "at": at,
        "kind": kind,
        "actor": actor,
        "text": text,
        "detail": dict(detail or {}),
        "told": told,
        "source_ts": source_ts,
    }
    return int((await tx.execute(_LOG, row)).scalar_one())


@dataclass(frozen=True)
class Marked:
    """`marks`: the reactions that keep it on the timeline."""

    id: int
    incident: int
    detail: Mapping[str, Any]
    removed_at: datetime | None

    @property
    def marks(self) -> list[str]:
        return list(self.detail.get("marks", ()))


async def marked(tx: Tx, number: int, source_ts: str) -> Marked | None:
    its = select(timeline).where(timeline.c.incident == number, timeline.c.source_ts == source_ts)
    return await read_first(tx, its, reader(Marked))


async def set_marks(tx: Tx, row: Marked, marks: Iterable[str], *, removed_at: datetime | None) -> None:
    values = {"detail": {**row.detail, "marks": sorted(marks)}, "removed_at": removed_at}
    await tx.execute(update(timeline).where(timeline.c.id == row.id).values(values))


async def was_told(tx: Tx, row: Marked) -> bool:
    covering = and_(updates.c.incident == row.incident, updates.c.through >= row.id)
    query = select(updates.c.id).where(covering, updates.c.posted_at < row.removed_at).limit(1)
    return (await tx.execute(query)).first() is not None


async def let_go(tx: Tx, row: Marked) -> None:
    """It stays removed; its message may get another row."""
    await tx.execute(update(timeline).where(timeline.c.id == row.id).values(source_ts=None))


async def timeline_of(tx: Tx, number: int, *, limit: int = 1000) -> list[Entry]:
    """By the time of what happened, without what was removed. Of more rows than `limit`, the newest."""
    newest = (
        select(timeline)
        .where(timeline.c.incident == number, timeline.c.removed_at.is_(None))
        .order_by(timeline.c.at.desc(), timeline.c.id.desc())
        .limit(limit)
    )
    return (await read_all(tx, newest, _entry))[::-1]


async def told_between(tx: Tx, number: int, since: int, through: int) -> list[Entry]:
    """What an update that covers (since, through] names."""
    told = select(timeline).where(
        timeline.c.incident == number,
        timeline.c.id > since,
        timeline.c.id <= through,
        timeline.c.told,
        timeline.c.removed_at.is_(None),
    )
    return await read_all(tx, told.order_by(timeline.c.id), _entry)


async def last_entry_id(tx: Tx, number: int) -> int:
    return await tx.scalar(select(func.max(timeline.c.id)).where(timeline.c.incident == number)) or 0
