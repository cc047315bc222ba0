"""Kept by id, so that a rename is harmless."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from bot.ports import Tx
from bot.store.db.rows import read_all, read_first, reader
from bot.store.people.people import upsert
from bot.store.tables.people import channels


@dataclass(frozen=True)
class Channel:
    """`problem` is a sentence while deliveries to it must wait."""

    channel_name: str
    channel: str | None = None
    name: str | None = None
    is_private: bool = False
    problem: str | None = None

    @property
    def is_usable(self) -> bool:
        return self.channel is not None and self.problem is None


_channel = reader(Channel)
_ONE = select(channels).where(channels.c.channel_name == bindparam("wanted"))


async def find(tx: Tx, channel_name: str) -> Channel | None:
    return await read_first(tx, _ONE, _channel, {"wanted": channel_name})


async def every(tx: Tx) -> dict[str, Channel]:
    found = await read_all(tx, select(channels).order_by(channels.c.channel_name), _channel)
    return {one.channel_name: one for one in found}


async def save(tx: Tx, place: Channel, *, seen_at: float) -> None:
    await upsert(tx, channels, "channel_name", [{**vars(place), "seen_at": seen_at}])


async def rename(tx: Tx, channel: str, name: str) -> None:
    await tx.execute(update(channels).where(channels.c.channel == channel).values(name=name))


async def mark(tx: Tx, channel: str, problem: str) -> int:
    return (await tx.execute(update(channels).where(channels.c.channel == channel).values(problem=problem))).rowcount
