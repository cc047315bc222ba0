"""A claim commits owner, epoch, lease and state before the work; an outcome names them all.

Deliveries, inbox items and runs have the same lease columns: one statement hands them out, and one condition fences an
outcome that comes too late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, Integer, Select, String, Table, Update, bindparam, case, select, update
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


class Acquiring:
    """Takes the candidates (a SELECT of ids, which repeats the condition) that nobody else is taking. It is made
    once, since making the statement costs more than asking it; `also` names further columns to set.
    """

    def __init__(self, table: Table, candidates: Select[int], *, state: str, **also: Any) -> None:
        picked = candidates.with_for_update(skip_locked=True).cte("picked")  # SQLite has one writer, and leaves it out
        taker = {"owner": bindparam("taker", type_=String), "lease_until": bindparam("until", type_=Float)}
        self._table, self._state = table, state
        self._statement = (
            update(table)
            .where(table.c.id.in_(select(picked.c.id)))
            .values(state=state, epoch=table.c.epoch + 1, **taker, **also)
            .returning(*table.c)
        )

    async def take(self, tx: Tx, *, owner: str, until: float, **asked: Any) -> list[tuple[Claim, Row[Any]]]:
        """`asked` are the candidates' parameters. The work may begin when the transaction has committed."""
        rows = await tx.execute(self._statement, {"taker": owner, "until": until, **asked})
        return [(Claim(self._table, row.id, owner, row.epoch, self._state, until), row) for row in rows]


def _outcome(table: Table) -> Update:
    row, holder = bindparam("row", type_=Integer), bindparam("holder", type_=String)
    epoch, held = bindparam("at_epoch", type_=Integer), bindparam("held_as", type_=String)
    return update(table).where(
        table.c.id == row, table.c.owner == holder, table.c.epoch == epoch, table.c.state == held
    )


_OUTCOME = {table: _outcome(table) for table in (deliveries, inbox, runs)}
# What puts a delivery back unsent sets besides, so that waiting never counts as trying.
_NEVER_TRIED = deliveries.c.attempts <= 1
_UNTRIED = _OUTCOME[deliveries].values(
    attempts=case((_NEVER_TRIED, 0), else_=deliveries.c.attempts - 1),
    first_sent_at=case((_NEVER_TRIED, None), else_=deliveries.c.first_sent_at),
)


async def finish(tx: Tx, claim: Claim, *, state: str, untried: bool = False, **values: Any) -> None:
    """Write the outcome and release the row. `untried`: the delivery was put back unsent. Raises LeaseLost, and then
    nothing has changed.
    """
    outcome = _UNTRIED if untried else _OUTCOME[claim.table]
    await _or_lost(tx, claim, {"state": state, "owner": None, "lease_until": None, **values}, outcome)


async def assert_held(tx: Tx, claim: Claim) -> None:
    """For the rest of the transaction. Raises LeaseLost."""
    await _or_lost(tx, claim, {"owner": claim.owner})


async def renew(tx: Tx, claim: Claim, *, until: float) -> None:
    """Raises LeaseLost."""
    await _or_lost(tx, claim, {"lease_until": until})


_UNDER_WAY = ((deliveries, "sending", "unconfirmed"), (inbox, "working"), (runs, "running"))


async def release_all(tx: Tx) -> int:
    """End every lease now; returns how many. Only for a process that is alone with its database, when it starts."""
    released = 0
    for table, *states in _UNDER_WAY:
        held = update(table).where(state_is(table, *states), table.c.lease_until.is_not(None))
        released += (await tx.execute(held.values(lease_until=0.0))).rowcount
    return released


async def _or_lost(tx: Tx, claim: Claim, values: Mapping[str, Any], outcome: Update | None = None) -> None:
    ours = {"row": claim.id, "holder": claim.owner, "at_epoch": claim.epoch, "held_as": claim.state}
    statement = _OUTCOME[claim.table] if outcome is None else outcome
    if (await tx.execute(statement, {**ours, **values})).rowcount != 1:
        raise LeaseLost(f"{claim.table.name} {claim.id} changed hands after epoch {claim.epoch}")
