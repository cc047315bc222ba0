"""Statements about deliveries. Candidates are found rate limit by rate limit, so a deep backlog behind a rate limit is
never read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.engine import Row
from sqlalchemy.sql.selectable import CTE, NamedFromClause

from bot.domain.outgoing.delivery import Delivery, NewDelivery
from bot.ports import Tx
from bot.store.db import claim as kernel
from bot.store.db.claim import Claim
from bot.store.db.dialect import Inserting, prefer_indexes, state_is
from bot.store.tables.queue import deliveries, rate_limits

_OPEN = text("deliveries.state in ('ready','sending','unconfirmed')")  # word for word the partial index


@dataclass(frozen=True, order=True)
class Candidate:
    """In the order of their going: the worst severity first, and within it the oldest."""

    rank: int
    id: int
    rate_limit: str | None


def delivery(row: Row[Any]) -> Delivery[Any]:
    """With its payload as it is kept."""
    return Delivery(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        method=row.method,
        payload=row.payload,
        rate_limit=row.rate_limit,
        rank=row.rank,
        attempts=row.attempts,
        lookups=row.lookups,
        epoch=row.epoch,
        first_sent_at=row.first_sent_at,
        unconfirmed=row.state == "unconfirmed",
    )


# --- writing intentions down --------------------------------------------------------------------------------------


_INSERT = Inserting(deliveries, lambda insert: insert.on_conflict_do_nothing().returning(deliveries.c.id))

_INSERT_MANY = Inserting(deliveries, lambda insert: insert.on_conflict_do_nothing())


def _row(new: NewDelivery, *, rate_limit: str | None, wall: float, created_at: datetime) -> dict[str, Any]:
    return {
        "kind": new.payload.kind,
        "subject": new.subject,
        "payload": vars(new.payload),
        "rate_limit": rate_limit,
        "method": new.payload.method,
        "rank": new.rank,
        "collapse_key": new.collapse_key,
        "dedupe_key": new.dedupe_key,
        "state": "ready",
        "next_at": wall,
        "created_at": created_at,
    }


async def insert(tx: Tx, new: NewDelivery, *, rate_limit: str | None, wall: float, created_at: datetime) -> int | None:
    """None when a row with its dedupe key exists, or a ready one with its collapse key."""
    row = _row(new, rate_limit=rate_limit, wall=wall, created_at=created_at)
    return (await tx.execute(_INSERT.on(tx), row)).scalar()


async def join_waiting(tx: Tx, new: NewDelivery) -> bool:
    """Let the waiting row with this collapse key count for this delivery too. False: none waits.

    The update locks the row: nobody claims, and so renders, it before this transaction's facts are committed.
    """
    worse = case((deliveries.c.rank > new.rank, new.rank), else_=deliveries.c.rank)
    waiting = update(deliveries).where(deliveries.c.collapse_key == new.collapse_key, state_is(deliveries, "ready"))
    return (await tx.execute(waiting.values(rank=worse))).rowcount > 0


async def insert_or_join(
    tx: Tx, news: Collection[NewDelivery], *, rate_limit: str | None, wall: float, created_at: datetime
) -> None:
    """Several with collapse keys at once: those whose row waits already join it, as `join_waiting` does."""
    keys = sorted({new.collapse_key for new in news if new.collapse_key})
    joined = update(deliveries).where(deliveries.c.collapse_key.in_(keys), state_is(deliveries, "ready"))
    locked = joined.values(rank=deliveries.c.rank).returning(deliveries.c.collapse_key)
    waiting = set((await tx.execute(locked)).scalars())
    rows = [
        _row(new, rate_limit=rate_limit, wall=wall, created_at=created_at)
        for new in news
        if new.collapse_key not in waiting
    ]
    if rows:
        await tx.execute(_INSERT_MANY.on(tx), rows)


async def retry_now(tx: Tx, subject: str, *, wall: float) -> None:
    """Its waiting rows may go now. A method or channel rate limit that is closed stays so."""
    waiting = update(deliveries).where(deliveries.c.subject == subject, state_is(deliveries, "ready"))
    await tx.execute(waiting.where(deliveries.c.next_at > wall).values(next_at=wall))


async def is_known(tx: Tx, dedupe_key: str) -> bool:
    return await tx.scalar(select(deliveries.c.id).where(deliveries.c.dedupe_key == dedupe_key)) is not None


async def answer_to(tx: Tx, dedupe_key: str) -> tuple[str, dict[str, Any]] | None:
    """The state of the row with this key, and what the other side answered. None: there is none."""
    found = select(deliveries.c.state, deliveries.c.answer).where(deliveries.c.dedupe_key == dedupe_key)
    row = (await tx.execute(found)).first()
    return (row.state, row.answer or {}) if row else None


# --- finding what may go ------------------------------------------------------------------------------------------


# The statements that every turn asks are made once: making them costs ten times what asking them does.
_WALL = bindparam("wall", type_=Float)
_CLOSED = bindparam("closed", expanding=True, type_=String)
_LIMIT = bindparam("limit", type_=Integer)


def _may_go(table: NamedFromClause) -> ColumnElement[bool]:
    """Ready, rested, its method open, and no earlier row of its collapse key under way."""
    earlier = deliveries.alias()
    under_way = exists().where(
        earlier.c.collapse_key == table.c.collapse_key, state_is(earlier, "sending", "unconfirmed")
    )
    free = or_(table.c.collapse_key.is_(None), ~under_way)
    return and_(state_is(table, "ready"), table.c.next_at <= _WALL, free, table.c.method.not_in(_CLOSED))


def _waiting_rate_limits() -> CTE:
    """The names of the rate limits that rows wait behind: one index probe each, however many rows there are."""
    first = select(func.min(deliveries.c.rate_limit).label("rate_limit")).where(state_is(deliveries, "ready"))
    waiting = first.cte("waiting", recursive=True)
    following = deliveries.alias()
    after = select(func.min(following.c.rate_limit)).where(
        state_is(following, "ready"), following.c.rate_limit > waiting.c.rate_limit
    )
    return waiting.union_all(select(after.scalar_subquery()).where(waiting.c.rate_limit.is_not(None)))


def _firsts() -> Select[Any]:
    """The first row of every open rate limit."""
    waiting = _waiting_rate_limits()
    row = deliveries.alias()
    first = (
        select(row.c.id)
        .where(row.c.rate_limit == waiting.c.rate_limit, _may_go(row))
        .order_by(row.c.rank, row.c.id)
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(first.label("id"))
        .select_from(waiting.outerjoin(rate_limits, rate_limits.c.name == waiting.c.rate_limit))
        .where(waiting.c.rate_limit.is_not(None), func.coalesce(rate_limits.c.next_at, 0.0) <= _WALL)
    )


def _candidates(among: ColumnElement[bool]) -> Select[Any]:
    return (
        select(deliveries.c.rank, deliveries.c.id, deliveries.c.rate_limit)
        .where(among)
        .order_by(deliveries.c.rank, deliveries.c.id)
        .limit(_LIMIT)
    )


_GATED = _candidates(deliveries.c.id.in_(_firsts()))
_UNGATED = _candidates(and_(deliveries.c.rate_limit.is_(None), _may_go(deliveries)))


async def candidates(tx: Tx, *, wall: float, closed: Collection[str], limit: int) -> list[Candidate]:
    """What may go now, at most one a rate limit, in order."""
    await prefer_indexes(tx)
    asked = {"wall": wall, "closed": list(closed), "limit": limit}
    free = (await tx.execute(_UNGATED, asked)).all()
    paced = (await tx.execute(_GATED, asked)).all()
    return sorted(Candidate(row.rank, row.id, row.rate_limit) for row in (*free, *paced))[:limit]


async def claim_ready(
    tx: Tx, ids: Collection[int], *, wall: float, owner: str, until: float
) -> list[tuple[Claim, Delivery[Any]]]:
    """Those of these that are still ready, leased to `owner` until `until`; each counts as tried once more."""
    taken = await kernel.acquire(
        tx, deliveries, ready_among(ids, wall=wall), owner=owner, until=until, state="sending",
        also=first_attempt(wall),
    )  # fmt: skip
    return [(claim, delivery(row)) for claim, row in taken]


async def claim_unconfirmed(
    tx: Tx, *, wall: float, limit: int, owner: str, until: float
) -> list[tuple[Claim, Delivery[Any], dict[str, Any] | None]]:
    """Those that may have been sent, each with the answer where only the writing down is missing."""
    waiting = unconfirmed(wall=wall, limit=limit)
    taken = await kernel.acquire(tx, deliveries, waiting, owner=owner, until=until, state="unconfirmed")
    return [(claim, delivery(row), row.answer) for claim, row in taken]


def ready_among(ids: Collection[int], *, wall: float) -> Select[int]:
    return select(deliveries.c.id).where(
        deliveries.c.id.in_(ids), state_is(deliveries, "ready"), deliveries.c.next_at <= wall
    )


def first_attempt(wall: float) -> dict[str, Any]:
    """What a claim for sending sets besides: one attempt more, and when the first one was."""
    return {
        "attempts": deliveries.c.attempts + 1,
        "lookups": 0,
        "first_sent_at": func.coalesce(deliveries.c.first_sent_at, wall),
    }


def attempt_undone() -> dict[str, Any]:
    """What putting a row back unsent sets besides, so that waiting never counts as trying."""
    never = deliveries.c.attempts <= 1
    return {
        "attempts": case((never, 0), else_=deliveries.c.attempts - 1),
        "first_sent_at": case((never, None), else_=deliveries.c.first_sent_at),
    }


def _unconfirmed(wall: float | ColumnElement[float]) -> ColumnElement[bool]:
    """Waiting to be looked up, or left in `sending` by a worker that was lost."""
    over = deliveries.c.lease_until <= wall
    free = or_(deliveries.c.lease_until.is_(None), over)
    waiting = and_(state_is(deliveries, "unconfirmed"), deliveries.c.next_at <= wall, free)
    return or_(waiting, and_(state_is(deliveries, "sending"), over))


def unconfirmed(*, wall: float | ColumnElement[float], limit: int) -> Select[int]:
    found = select(deliveries.c.id).where(_OPEN, state_is(deliveries, "sending", "unconfirmed"), _unconfirmed(wall))
    return found.order_by(deliveries.c.rank, deliveries.c.id).limit(limit)


_ANY_UNCONFIRMED = unconfirmed(wall=_WALL, limit=1)


async def any_unconfirmed(tx: Tx, *, wall: float) -> bool:
    return (await tx.execute(_ANY_UNCONFIRMED, {"wall": wall})).first() is not None


# --- knowing when to look again -----------------------------------------------------------------------------------


def _next_moments() -> Select[Any]:
    later = select(func.min(deliveries.c.next_at)).where(_OPEN, deliveries.c.next_at > _WALL)
    rested, looked_up = (later.where(state_is(deliveries, state)) for state in ("ready", "unconfirmed"))
    lost = select(func.min(deliveries.c.lease_until)).where(
        _OPEN, state_is(deliveries, "sending", "unconfirmed"), deliveries.c.lease_until > _WALL
    )
    waiting = _waiting_rate_limits()
    passed = (
        select(func.min(rate_limits.c.next_at))
        .select_from(waiting.join(rate_limits, rate_limits.c.name == waiting.c.rate_limit))
        .where(rate_limits.c.next_at > _WALL)
    )
    reopened = select(func.min(rate_limits.c.next_at)).where(
        rate_limits.c.name >= "method:", rate_limits.c.name < "method;", rate_limits.c.next_at > _WALL
    )
    return select(*(part.scalar_subquery() for part in (rested, looked_up, lost, passed, reopened)))


_NEXT_MOMENTS = _next_moments()


async def next_wall(tx: Tx, *, wall: float) -> float | None:
    """The next moment after `wall` at which something that waits could go: a hint, now and then too early."""
    moments = (await tx.execute(_NEXT_MOMENTS, {"wall": wall})).one()
    return min((moment for moment in moments if moment is not None), default=None)


async def count_open(tx: Tx) -> int:
    """How many are not settled."""
    return int((await tx.execute(select(func.count()).select_from(deliveries).where(_OPEN))).scalar_one())


async def forget(tx: Tx, *, before: datetime) -> int:
    old = delete(deliveries).where(state_is(deliveries, "sent", "dropped"), deliveries.c.settled_at < before)
    return (await tx.execute(old)).rowcount
