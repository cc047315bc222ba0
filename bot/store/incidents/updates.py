"""Statements about the updates of an incident."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, or_, select, update

from bot.domain.incidents.incident import Update
from bot.domain.people.person import BOT
from bot.ports import Tx
from bot.store.db.dialect import state_is
from bot.store.incidents.incidents import NUMBER
from bot.store.tables.incidents import updates
from bot.store.tables.queue import deliveries

_LAST_UPDATE = select(updates).where(updates.c.incident == NUMBER).order_by(updates.c.id.desc()).limit(1)


def _update(row: Row[Any]) -> Update:
    return Update(row.id, row.incident, row.at, row.author, row.text, row.since, row.through, row.next_update_at)


async def add_update(tx: Tx, values: Mapping[str, Any]) -> Update:
    row = (await tx.execute(insert(updates).returning(*updates.c), dict(values))).one()
    return _update(row)


async def last_update(tx: Tx, number: int) -> Update | None:
    row = (await tx.execute(_LAST_UPDATE, {"number": number})).one_or_none()
    return _update(row) if row else None


async def get_update(tx: Tx, update_id: int) -> Update:
    row = (await tx.execute(select(updates).where(updates.c.id == update_id))).one()
    return _update(row)


async def posted(tx: Tx, update_id: int, at: datetime) -> None:
    await tx.execute(update(updates).where(updates.c.id == update_id).values(posted_at=at))


async def covered_from(tx: Tx, one: Update) -> int:
    """Where what it has to name begins: what the bot's own updates before it did not get to say is left to it."""
    said = or_(updates.c.author != BOT, updates.c.posted_at.is_not(None))
    query = select(func.coalesce(func.max(updates.c.through), 0))
    earlier = query.where(updates.c.incident == one.incident, updates.c.id < one.id, said)
    begins: int = (await tx.execute(earlier)).scalar_one()
    return begins


async def is_superseded(tx: Tx, one: Update, delivery: int) -> bool:
    """A newer one says it as well. Not while Slack may have taken it already: then it is looked up first."""
    newer = select(updates.c.id).where(updates.c.incident == one.incident, updates.c.id > one.id).limit(1)
    if (await tx.execute(newer)).first() is None:
        return False
    doubtful = select(deliveries.c.id).where(deliveries.c.id == delivery, state_is(deliveries, "unconfirmed"))
    return (await tx.execute(doubtful)).first() is None


async def updates_of(tx: Tx, number: int) -> list[Update]:
    query = select(updates).where(updates.c.incident == number).order_by(updates.c.id)
    return [_update(row) for row in await tx.execute(query)]
