from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from bot.ports import Tx
from bot.store.db.dialect import Inserting
from bot.store.db.rows import read_first, read_one, reader
from bot.store.tables.queue import requests


@dataclass(frozen=True)
class Answered:
    subject: str | None
    answer: dict[str, Any] | None


_INSERT = Inserting(requests, lambda insert: insert.on_conflict_do_nothing().returning(requests.c.key))


async def insert(tx: Tx, key: str, *, at: datetime) -> bool:
    """False when the key was there. On PostgreSQL a second one waits here for the first to commit."""
    return await tx.scalar(_INSERT.on(tx), {"key": key, "at": at}) is not None


_ONE = select(requests.c.subject, requests.c.answer).where(requests.c.key == bindparam("asked"))
_answered = reader(Answered)


async def find(tx: Tx, key: str) -> Answered | None:
    return await read_first(tx, _ONE, _answered, {"asked": key})


async def answer_of(tx: Tx, key: str) -> Answered:
    return await read_one(tx, _ONE, _answered, {"asked": key})


async def answer(tx: Tx, key: str, *, subject: str | None, answer: dict[str, Any] | None) -> None:
    await tx.execute(update(requests).where(requests.c.key == key).values(subject=subject, answer=answer))


async def forget(tx: Tx, *, before: datetime) -> int:
    return (await tx.execute(delete(requests).where(requests.c.at < before))).rowcount
