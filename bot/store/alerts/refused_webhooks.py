from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import delete, func, select

from bot.ports import Tx
from bot.store.db.dialect import insert_into
from bot.store.tables.alerts import hook_refusals as refusals


@dataclass(frozen=True, order=True)
class Refusal:
    """`day` is UTC."""

    day: date
    vendor: str
    reason: str


async def add(tx: Tx, counts: Mapping[Refusal, int]) -> None:
    if not counts:
        return
    rows = [
        {"day": one.day.isoformat(), "vendor": one.vendor, "reason": one.reason, "count": count}
        for one, count in sorted(counts.items())
    ]
    statement = insert_into(tx, refusals)
    key = [refusals.c.day, refusals.c.vendor, refusals.c.reason]
    more = {"count": refusals.c.count + statement.excluded.count}
    await tx.execute(statement.on_conflict_do_update(index_elements=key, set_=more), rows)


async def since(tx: Tx, first: date) -> dict[str, dict[str, int]]:
    total = func.sum(refusals.c.count)
    query = select(refusals.c.vendor, refusals.c.reason, total).where(refusals.c.day >= first.isoformat())
    found: dict[str, dict[str, int]] = {}
    for vendor, reason, count in await tx.execute(
        query.group_by(refusals.c.vendor, refusals.c.reason).order_by(total.desc())
    ):
        found.setdefault(vendor, {})[reason] = int(count)
    return found


async def forget(tx: Tx, *, before: date) -> int:
    return (await tx.execute(delete(refusals).where(refusals.c.day < before.isoformat()))).rowcount
