"""Channels that operators named, as they were found: kept by id, so that a rename is harmless."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from bot.ports import Tx
from bot.store.people.people import upsert
from bot.store.tables.people import channels


@dataclass(frozen=True)
class Channel:
    """One channel setting. `problem` is a sentence while deliveries to it must wait."""

    channel_name: str
    channel: str | None = None
    name: str | None = None
    is_private: bool = False
    problem: str | None = None

    @property
    def is_usable(self) -> bool:
        return self.channel is not None and self.problem is None


_ONE = select(channels).where(channels.c.channel_name == bindparam("wanted"))


async def find(tx: Tx, channel_name: str) -> Channel | None:
    row = (await tx.execute(_ONE, {"wanted": channel_name})).mappings().one_or_none()
    return _place(dict(row)) if row else None


async def every(tx: Tx) -> dict[str, Channel]:
    rows = (await tx.execute(select(channels).order_by(channels.c.channel_name))).mappings()
    return {row["channel_name"]: _place(dict(row)) for row in rows}


async def save(tx: Tx, place: Channel, *, seen_at: float) -> None:
    row = {
        "channel_name": place.channel_name,
        "channel": place.channel,
        "name": place.name,
        "is_private": place.is_private,
        "problem": place.problem,
        "seen_at": seen_at,
    }
    await upsert(tx, channels, "channel_name", [row])


async def rename(tx: Tx, channel: str, name: str) -> None:
    await tx.execute(update(channels).where(channels.c.channel == channel).values(name=name))


async def mark(tx: Tx, channel: str, problem: str) -> int:
    """Deliveries to this channel wait from now on. Returns how many settings mean it."""
    result = await tx.execute(update(channels).where(channels.c.channel == channel).values(problem=problem))
    return int(result.rowcount)


def _place(row: dict[str, object]) -> Channel:
    return Channel(
        channel_name=str(row["channel_name"]),
        channel=str(row["channel"]) if row["channel"] else None,
        name=str(row["name"]) if row["name"] else None,
        is_private=bool(row["is_private"]),
        problem=str(row["problem"]) if row["problem"] else None,
    )
