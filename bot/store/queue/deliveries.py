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
    cast,
    delete,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    text,
    union_all,
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
    """In the order of their going."""

    rank: int
    id: int
    rate_limit: str | None


def delivery(row: Row[Any]) -> Delivery[Any]:
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
        collapses=row.collapse_key is not None,
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
    """A method or channel rate limit that is closed stays so."""
    waiting = update(deliveries).where(deliveries.c.subject == subject, state_is(deliveries, "ready"))
    await tx.execute(waiting.where(deliveries.c.next_at > wall).values(next_at=wall))


async def answer_to(tx: Tx, dedupe_key: str) -> tuple[str, dict[str, Any]] | None:
    found = select(deliveries.c.state, deliveries.c.answer).where(deliveries.c.dedupe_key == dedupe_key)
    row = (await tx.execute(found)).first()
    return (row.state, row.answer or {}) if row else None


# --- finding what may go ------------------------------------------------------------------------------------------


# The statements that every turn asks are made once: making them costs ten times what asking them does.
_WALL = bindparam("wall", type_=Float)
_LIMIT = bindparam("limit", type_=Integer)
# ';' follows ':', so this is the range of names that begin with 'method:'.
_METHODS = and_(rate_limits.c.name >= "method:", rate_limits.c.name < "method;", rate_limits.c.next_at > _WALL)
_CLOSED_METHODS = select(func.substr(rate_limits.c.name, len("method:") + 1)).where(_METHODS)


def _may_go(table: NamedFromClause) -> ColumnElement[bool]:
    earlier = deliveries.alias()
    under_way = exists().where(
        earlier.c.collapse_key == table.c.collapse_key, state_is(earlier, "sending", "unconfirmed")
    )
    free = or_(table.c.collapse_key.is_(None), ~under_way)
    return and_(state_is(table, "ready"), table.c.next_at <= _WALL, free, table.c.method.not_in(_CLOSED_METHODS))


def _waiting_rate_limits() -> CTE:
    """By one index probe each, however many rows there are."""
    first = select(func.min(deliveries.c.rate_limit).label("rate_limit")).where(state_is(deliveries, "ready"))
    waiting = first.cte("waiting", recursive=True)
    following = deliveries.alias()
    after = select(func.min(following.c.rate_limit)).where(
        state_is(following, "ready"), following.c.rate_limit > waiting.c.rate_limit
    )
    return waiting.union_all(select(after.scalar_subquery()).where(waiting.c.rate_limit.is_not(None)))


_WAITING = _waiting_rate_limits()


def _firsts() -> Select[Any]:
    row = deliveries.alias()
    first = (
        select(row.c.id)
        .where(row.c.rate_limit == _WAITING.c.rate_limit, _may_go(row))
        .order_by(row.c.rank, row.c.id)
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(first.label("id"))
        .select_from(_WAITING.outerjoin(rate_limits, rate_limits.c.name == _WAITING.c.rate_limit))
        .where(_WAITING.c.rate_limit.is_not(None), func.coalesce(rate_limits.c.next_at, 0.0) <= _WALL)
    )


def _rows(among: ColumnElement[bool], *, unconfirmed: bool = False, limit: Any = _LIMIT) -> Select[Any]:
    columns = deliveries.c.rank, deliveries.c.id, deliveries.c.rate_limit
    found = select(*columns).where(among).order_by(deliveries.c.rank, deliveries.c.id).limit(limit).subquery()
    return select(*found.c, literal(unconfirmed, Integer).label("unconfirmed"), cast(null(), Float).label("moment"))


def _moment(of: Any, *where: ColumnElement[bool]) -> Select[Any]:
    nothing: list[Any] = [cast(null(), kind) for kind in (Integer, Integer, String, Integer)]
    return select(*nothing, func.min(of)).where(*where)


def _unconfirmed() -> ColumnElement[bool]:
    over = deliveries.c.lease_until <= _WALL
    free = or_(deliveries.c.lease_until.is_(None), over)
    waiting = and_(state_is(deliveries, "unconfirmed"), deliveries.c.next_at <= _WALL, free)
    return or_(waiting, and_(state_is(deliveries, "sending"), over))


_TAKEN = and_(_OPEN, state_is(deliveries, "sending", "unconfirmed"))
_LATER = and_(_OPEN, deliveries.c.next_at > _WALL)
_LOOK = union_all(
    _rows(deliveries.c.id.in_(_firsts())),
    _rows(and_(deliveries.c.rate_limit.is_(None), _may_go(deliveries))),
    _rows(and_(_TAKEN, _unconfirmed()), unconfirmed=True, limit=1),
    _moment(deliveries.c.next_at, _LATER, state_is(deliveries, "ready")),
    _moment(deliveries.c.next_at, _LATER, state_is(deliveries, "unconfirmed")),
    _moment(deliveries.c.lease_until, _TAKEN, deliveries.c.lease_until > _WALL),
    _moment(
        rate_limits.c.next_at, rate_limits.c.name.in_(select(_WAITING.c.rate_limit)), rate_limits.c.next_at > _WALL
    ),
    _moment(rate_limits.c.next_at, _METHODS),
)


@dataclass(frozen=True)
class Found:
    """`waiting`: what may go now, at most one a rate limit, in order. `next_wall`: the next moment at which something
    that waits could go, a hint that now and then is too early.
    """

    waiting: list[Candidate]
    unconfirmed: bool
    next_wall: float | None


async def look(tx: Tx, *, wall: float, limit: int) -> Found:
    """In one statement, since it is asked after every delivery."""
    await prefer_indexes(tx)
    rows = (await tx.execute(_LOOK, {"wall": wall, "limit": limit})).all()
    waiting = sorted(Candidate(row.rank, row.id, row.rate_limit) for row in rows if row.unconfirmed == 0)
    moments = [row.moment for row in rows if row.moment is not None]
    return Found(waiting[:limit], any(row.unconfirmed for row in rows), min(moments, default=None))


_TAKE_READY = kernel.Acquiring(
    deliveries,
    select(deliveries.c.id).where(
        deliveries.c.id.in_(bindparam("ids", expanding=True, type_=Integer)),
        state_is(deliveries, "ready"),
        deliveries.c.next_at <= _WALL,
    ),
    state="sending",
    attempts=deliveries.c.attempts + 1,
    lookups=0,
    first_sent_at=func.coalesce(deliveries.c.first_sent_at, _WALL),
)


async def claim_ready(
    tx: Tx, ids: Collection[int], *, wall: float, owner: str, until: float
) -> list[tuple[Claim, Delivery[Any]]]:
    """Each counts as tried once more."""
    taken = await _TAKE_READY.take(tx, owner=owner, until=until, ids=list(ids), wall=wall)
    return [(claim, delivery(row)) for claim, row in taken]


_TAKE_UNCONFIRMED = kernel.Acquiring(
    deliveries,
    select(deliveries.c.id).where(_TAKEN, _unconfirmed()).order_by(deliveries.c.rank, deliveries.c.id).limit(_LIMIT),
    state="unconfirmed",
)


async def claim_unconfirmed(
    tx: Tx, *, wall: float, limit: int, owner: str, until: float
) -> list[tuple[Claim, Delivery[Any], dict[str, Any] | None]]:
    """With the answer where only the writing down is missing."""
    taken = await _TAKE_UNCONFIRMED.take(tx, owner=owner, until=until, wall=wall, limit=limit)
    return [(claim, delivery(row), row.answer) for claim, row in taken]


async def forget(tx: Tx, *, before: datetime) -> int:
    old = delete(deliveries).where(state_is(deliveries, "sent", "dropped"), deliveries.c.settled_at < before)
    return (await tx.execute(old)).rowcount
