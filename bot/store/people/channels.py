"""Channels that operators named, as they were found: kept by id, so that a rename is harmless."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from bot.ports import Tx
from bot.store.people.people import upsert
from bot.store.tables.people import places


@dataclass(frozen=True)
class Place:
    """One channel setting. `problem` is a sentence while deliveries to it must wait."""

    setting: str
    channel: str | None = None
    name: str | None = None
    is_private: bool = False
    problem: str | None = None

    @property
    def is_usable(self) -> bool:
        return self.channel is not None and self.problem is None


_ONE = select(places).where(places.c.setting == bindparam("wanted"))


async def find(tx: Tx, setting: str) -> Place | None:
    row = (await tx.execute(_ONE, {"wanted": setting})).mappings().one_or_none()
    return _place(dict(row)) if row else None


async def every(tx: Tx) -> dict[str, Place]:
    rows = (await tx.execute(select(places).order_by(places.c.setting))).mappings()
    return {row["setting"]: _place(dict(row)) for row in rows}


async def save(tx: Tx, place: Place, *, seen_at: float) -> None:
    row = {
        "setting": place.setting,
        "channel": place.channel,
        "name": place.name,
        "is_private": place.is_private,
        "problem": place.problem,
        "seen_at": seen_at,
    }
    await upsert(tx, places, "setting", [row])


async def rename(tx: Tx, channel: str, name: str) -> None:
    await tx.execute(update(places).where(places.c.channel == channel).values(name=name))


async def mark(tx: Tx, channel: str, problem: str) -> int:
    """Deliveries to this channel wait from now on. Returns how many settings mean it."""
    result = await tx.execute(update(places).where(places.c.channel == channel).values(problem=problem))
    return int(result.rowcount)


def _place(row: dict[str, object]) -> Place:
    return Place(
        setting=str(row["setting"]),
        channel=str(row["channel"]) if row["channel"] else None,
        name=str(row["name"]) if row["name"] else None,
        is_private=bool(row["is_private"]),
        problem=str(row["problem"]) if row["problem"] else None,
    )
