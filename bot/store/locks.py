"""Serialising transactions that must not overlap, where no row exists yet to lock."""

from __future__ import annotations

from sqlalchemy import text

from bot.ports import Tx

_TAKE = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


async def serialise(tx: Tx, name: str) -> None:
    """Until this transaction ends, nobody else passes here with the same name. SQLite has one writer anyway."""
    if tx.dialect.name == "postgresql":
        await tx.execute(_TAKE, {"name": name})
