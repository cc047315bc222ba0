"""Statements about rate limits: before which wall time nothing passes.

They are named `post:<channel>`, `method:<method>` and `chore:<name>`.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import case, select, update

from bot.ports import Tx
from bot.store.db.dialect import insert_into
from bot.store.tables.queue import rate_limits


async def take(tx: Tx, names: Iterable[str], *, wall: float, until: float) -> set[str]:
    """Returns those that were open. One taker wins each."""
    # Sorted, so that two takers never wait for each other in a circle.
    rows = [{"name": name, "next_at": until} for name in sorted(set(names))]
    if not rows:
        return set()
    statement = insert_into(tx, rate_limits)
    upsert = statement.on_conflict_do_update(
        index_elements=[rate_limits.c.name],
        set_={"next_at": statement.excluded.next_at},
        where=rate_limits.c.next_at <= wall,
    )
    return set((await tx.execute(upsert.returning(rate_limits.c.name), rows)).scalars())


async def close(tx: Tx, name: str, *, until: float) -> None:
    """A rate limit closed for longer stays so."""
    statement = insert_into(tx, rate_limits).values(name=name, next_at=until)
    later = statement.excluded.next_at
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=[rate_limits.c.name],
            set_={"next_at": case((rate_limits.c.next_at > later, rate_limits.c.next_at), else_=later)},
        )
    )


async def give_back(tx: Tx, name: str, *, taken_until: float, wall: float) -> None:
    """Open a rate limit again that was taken until `taken_until` and not used."""
    unused = update(rate_limits).where(rate_limits.c.name == name, rate_limits.c.next_at == taken_until)
    await tx.execute(unused.values(next_at=wall))


async def opens_at(tx: Tx, name: str) -> float:
    return float((await tx.execute(select(rate_limits.c.next_at).where(rate_limits.c.name == name))).scalar() or 0.0)
