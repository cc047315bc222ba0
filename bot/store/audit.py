"""The audit log: rows are written unsealed beside what they tell of, and a sealer chains them by hash, in one order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from bot.ports import Tx
from bot.store.db.locks import serialise
from bot.store.tables.audit import audit_log

GENESIS = "0" * 64  # what the first row names as the hash before it
SEAL_ROWS = 1000  # in one transaction, so that the sealer never keeps a writer waiting long

_UNSEALED = select(audit_log).where(audit_log.c.seq.is_(None)).order_by(audit_log.c.id)
_ANY_UNSEALED = select(audit_log.c.id).where(audit_log.c.seq.is_(None)).limit(1)
_HEAD = select(audit_log.c.seq, audit_log.c.hash).where(audit_log.c.seq.is_not(None)).order_by(audit_log.c.seq.desc())
_PAGE = select(audit_log).where(audit_log.c.seq > bindparam("last")).order_by(audit_log.c.seq).limit(500)
_SEAL = (
    update(audit_log)
    .where(audit_log.c.id == bindparam("row"))
    .values(seq=bindparam("number"), prev_hash=bindparam("before"), hash=bindparam("digest"))
)


@dataclass(frozen=True)
class Head:
    """The newest sealed row. A copy kept elsewhere proves that the log before it is unchanged."""

    seq: int
    hash: str


_INSERT = insert(audit_log)


async def add(tx: Tx, at: datetime, actor: str, action: str, subject: str, detail: dict[str, Any]) -> None:
    """`detail` must be JSON."""
    await tx.execute(_INSERT, {"at": at, "actor": actor, "action": action, "subject": subject, "detail": detail})


async def add_all(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        await tx.execute(_INSERT, list(rows))


async def any_unsealed(tx: Tx) -> bool:
    return (await tx.execute(_ANY_UNSEALED)).first() is not None


async def seal(tx: Tx, limit: int = SEAL_ROWS) -> Head | None:
    """By id, up to `limit`. Returns the new head; None: nothing was unsealed."""
    await serialise(tx, "audit")
    rows = (await tx.execute(_UNSEALED.limit(limit))).all()
    if not rows:
        return None
    links = _chain(await head(tx), rows)
    await tx.execute(_SEAL, links)
    return Head(links[-1]["number"], links[-1]["digest"])


async def head(tx: Tx) -> Head:
    """Number 0 where nothing is sealed yet."""
    row = (await tx.execute(_HEAD.limit(1))).first()
    return Head(row.seq, row.hash) if row else Head(0, GENESIS)


async def verify(tx: Tx, known: Head | None = None) -> list[str]:
    """Walk the chain. Returns the first broken link as a sentence, or nothing.

    Rows cut off the end leave a chain that holds; only a `known` head from elsewhere shows that they are gone.
    """
    before = Head(0, GENESIS)
    async for row in _sealed(tx):
        if broken := _broken(before, row, known):
            return [broken]
        before = Head(row.seq, row.hash)
    if known and known.seq > before.seq:
        return [f"The audit log ends at row {before.seq}, but row {known.seq} was sealed: its end was cut off."]
    return []


async def export(tx: Tx) -> AsyncIterator[str]:
    """Sealed rows as lines of JSON, the oldest first, each with its hash and the one before it."""
    async for row in _sealed(tx):
        yield _canonical({**_content(row), "seq": row.seq, "prev_hash": row.prev_hash, "hash": row.hash})


def _chain(before: Head, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = []
    for row in rows:
        digest = _digest(before.hash, before.seq + 1, row)
        links.append({"row": row.id, "number": before.seq + 1, "before": before.hash, "digest": digest})
        before = Head(before.seq + 1, digest)
    return links


def _broken(before: Head, row: Row[Any], known: Head | None) -> str | None:
    if row.seq != before.seq + 1:
        return f"Row {before.seq + 1} of the audit log is missing: the next one there is row {row.seq}."
    if row.prev_hash != before.hash:
        return f"Row {row.seq} of the audit log does not follow the row before it."
    if row.hash != _digest(before.hash, row.seq, row):
        return f"Row {row.seq} of the audit log was changed after it was sealed."
    if known and known.seq == row.seq and known.hash != row.hash:
        return f"Row {row.seq} of the audit log is not the one that was sealed: the chain was rebuilt."
    return None


async def _sealed(tx: Tx) -> AsyncIterator[Row[Any]]:
    last = 0
    while rows := (await tx.execute(_PAGE, {"last": last})).all():
        for row in rows:
            yield row
        last = rows[-1].seq


def _digest(before: str, seq: int, row: Row[Any]) -> str:
    content = {**_content(row), "prev_hash": before, "seq": seq}
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _content(row: Row[Any]) -> dict[str, Any]:
    told = {"actor": row.actor, "action": row.action, "subject": row.subject, "detail": row.detail}
    return {"at": row.at.isoformat(), **told}


def _canonical(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
