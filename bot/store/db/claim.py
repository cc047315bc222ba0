"""A claim commits owner, epoch, lease and state before the work; an outcome names them all.

Deliveries, inbox items and runs have the same lease columns: one statement hands them out, and one condition fences an
outcome that comes too late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, select, update
from sqlalchemy.engine import Row

from bot.ports import Tx
from bot.store.db.dialect import state_is
from bot.store.tables.queue import deliveries, inbox
from bot.store.tables.runs import runs


class LeaseLost(Exception):
    """Another worker took the row: the late outcome is discarded."""


@dataclass(frozen=True)
class Claim:
    """A leased row. `until` is wall time."""

    table: Table
    id: int
    owner: str
    epoch: int
    state: str
    until: float

    @property
    def is_ours(self) -> ColumnElement[bool]:
        column = self.table.c
        return and_(
            column.id == self.id,
            column.owner == self.owner,
            column.epoch == self.epoch,
            column.state == self.state,
        )


async def acquire(
    tx: Tx,
    table: Table,
    candidates: Select[int],
    *,
    owner: str,
    until: float,
    state: str,
    also: Mapping[str, Any] | None = None,
) -> list[tuple[Claim, Row[Any]]]:
    """Take the candidates (a SELECT of ids, which repeats the condition) that nobody else is taking.

    The work may begin when the transaction has committed. `also` names further columns to set.
    """
    picked = candidates.with_for_update(skip_locked=True).cte("picked")  # SQLite has one writer, and leaves it out
    taking = (
        update(table)
        .where(table.c.id.in_(select(picked.c.id)))
        .values(state=state, owner=owner, epoch=table.c.epoch + 1, lease_until=until, **(also or {}))
        .returning(*table.c)
    )
    return [(Claim(table, row.id, owner, row.epoch, state, until), row) for row in await tx.execute(taking)]


async def finish(tx: Tx, claim: Claim, *, state: str, **values: Any) -> None:
    """Write the outcome and release the row. Raises LeaseLost, and then nothing has changed."""
    outcome = update(claim.table).where(claim.is_ours)
    await _or_lost(tx, outcome.values(state=state, owner=None, lease_until=None, **values), claim)


async def assert_held(tx: Tx, claim: Claim) -> None:
    """For the rest of the transaction. Raises LeaseLost."""
    await _or_lost(tx, update(claim.table).where(claim.is_ours).values(owner=claim.owner), claim)


async def renew(tx: Tx, claim: Claim, *, until: float) -> None:
    """Raises LeaseLost."""
    await _or_lost(tx, update(claim.table).where(claim.is_ours).values(lease_until=until), claim)


_UNDER_WAY = ((deliveries, "sending", "unconfirmed"), (inbox, "working"), (runs, "running"))


async def release_all(tx: Tx) -> int:
    """End every lease now; returns how many. Only for a process that is alone with its database, when it starts."""
    released = 0
    for table, *states in _UNDER_WAY:
        held = update(table).where(state_is(table, *states), table.c.lease_until.is_not(None))
        released += (await tx.execute(held.values(lease_until=0.0))).rowcount
    return released


async def _or_lost(tx: Tx, statement: Any, claim: Claim) -> None:
    if (await tx.execute(statement)).rowcount != 1:
        raise LeaseLost(f"{claim.table.name} {claim.id} changed hands after epoch {claim.epoch}")
