"""Statements about gates: before which wall time nothing passes.

They are named `post:<channel>`, `method:<method>` and `chore:<name>`.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import case, select, update

from bot.ports import Tx
from bot.store.db.dialect import insert_into
from bot.store.tables.queue import gates


async def take(tx: Tx, names: Iterable[str], *, wall: float, until: float) -> set[str]:
    """Close the open ones among these gates until `until`; returns those that were open. One taker wins each."""
    # Sorted, so that two takers never wait for each other in a circle.
    rows = [{"name": name, "next_at": until} for name in sorted(set(names))]
    if not rows:
        return set()
    statement = insert_into(tx, gates)
    upsert = statement.on_conflict_do_update(
        index_elements=[gates.c.name], set_={"next_at": statement.excluded.next_at}, where=gates.c.next_at <= wall
    )
    taken = await tx.execute(upsert.returning(gates.c.name), rows)
    return set(taken.scalars())


async def close(tx: Tx, name: str, *, until: float) -> None:
    """Nothing passes before `until`; a gate closed for longer stays so."""
    statement = insert_into(tx, gates).values(name=name, next_at=until)
    later = statement.excluded.next_at
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=[gates.c.name],
            set_={"next_at": case((gates.c.next_at > later, gates.c.next_at), else_=later)},
        )
    )


async def give_back(tx: Tx, names: Iterable[str], *, taken_until: float, wall: float) -> None:
    """Open gates again that were taken until `taken_until` and not used."""
    unused = list(names)
    if unused:
        await tx.execute(
            update(gates).where(gates.c.name.in_(unused), gates.c.next_at == taken_until).values(next_at=wall)
        )


async def opens_at(tx: Tx, name: str) -> float:
    """The wall time from which the gate is open; 0 when nobody ever closed it."""
    return float((await tx.execute(select(gates.c.next_at).where(gates.c.name == name))).scalar() or 0.0)


async def closed_methods(tx: Tx, *, wall: float) -> dict[str, float]:
    """The methods the other side has closed, and until when."""
    # ';' follows ':', so this is the range of names that begin with 'method:'.
    closed = select(gates.c.name, gates.c.next_at).where(
        gates.c.name >= "method:", gates.c.name < "method;", gates.c.next_at > wall
    )
    return {name.removeprefix("method:"): next_at for name, next_at in await tx.execute(closed)}
