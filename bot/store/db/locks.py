"""Serialising transactions that must not overlap, where no row exists yet to lock."""

from __future__ import annotations

from sqlalchemy import text

from bot.ports import Tx

_BRIEFLY = text("SET LOCAL lock_timeout = '200ms'")
_TAKE = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


async def serialise(tx: Tx, name: str) -> None:
    """Until this transaction ends, nobody else passes here with the same name. SQLite has one writer anyway."""
    if tx.dialect.name == "postgresql":
        await tx.execute(_TAKE, {"name": name})


async def wait_briefly(tx: Tx) -> None:
    """For the rest of this transaction a row lock is waited for 200 ms, on PostgreSQL.

    A command may hold an incident and want its timers while a batch of timers holds them and wants the incident. The
    batch yields long before the server looks for a deadlock, since a person waits for the command.
    """
    if tx.dialect.name == "postgresql":
        await tx.execute(_BRIEFLY)
