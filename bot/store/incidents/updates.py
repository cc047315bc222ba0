from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, update

from bot.domain.incidents.incident import Update
from bot.domain.people.person import BOT
from bot.ports import Tx
from bot.store.db.dialect import state_is
from bot.store.db.rows import read_all, read_first, read_one, reader
from bot.store.incidents.incidents import NUMBER
from bot.store.tables.incidents import updates
from bot.store.tables.queue import deliveries

_LAST_UPDATE = select(updates).where(updates.c.incident == NUMBER).order_by(updates.c.id.desc()).limit(1)


_update = reader(Update)


async def add_update(tx: Tx, values: Mapping[str, Any]) -> Update:
    return await read_one(tx, insert(updates).returning(updates), _update, values)


async def last_update(tx: Tx, number: int) -> Update | None:
    return await read_first(tx, _LAST_UPDATE, _update, {"number": number})


async def get_update(tx: Tx, update_id: int) -> Update:
    return await read_one(tx, select(updates).where(updates.c.id == update_id), _update)


async def posted(tx: Tx, update_id: int, at: datetime) -> None:
    await tx.execute(update(updates).where(updates.c.id == update_id).values(posted_at=at))


async def covered_from(tx: Tx, one: Update) -> int:
    """Where its part of the timeline begins: after the last update that was posted, or that a person wrote."""
    said = or_(updates.c.author != BOT, updates.c.posted_at.is_not(None))
    earlier = (updates.c.incident == one.incident, updates.c.id < one.id, said)
    return await tx.scalar(select(func.max(updates.c.through)).where(*earlier)) or 0


async def is_superseded(tx: Tx, one: Update, delivery: int) -> bool:
    """A newer one says it as well. Not while Slack may have taken it already: then it is looked up first."""
    newer = select(updates.c.id).where(updates.c.incident == one.incident, updates.c.id > one.id).limit(1)
    if (await tx.execute(newer)).first() is None:
        return False
    doubtful = select(deliveries.c.id).where(deliveries.c.id == delivery, state_is(deliveries, "unconfirmed"))
    return (await tx.execute(doubtful)).first() is None


async def updates_of(tx: Tx, number: int) -> list[Update]:
    return await read_all(tx, select(updates).where(updates.c.incident == number).order_by(updates.c.id), _update)
