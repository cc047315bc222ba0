"""Databases for one test each, whose engines outlive it: what SQLAlchemy compiled once is not compiled again."""

from __future__ import annotations

from bot.store.db.database import SqlDatabase, open_database
from bot.store.db.fair_lock import FairLock

_kept: dict[str, SqlDatabase] = {}


async def opened(url: str) -> SqlDatabase:
    """As `open_database` opens it: without a connection, a lock or a transaction of an earlier test."""
    if url not in _kept:
        _kept[url] = await open_database(url)
    one = _kept[url]
    return SqlDatabase(one.dialect, one._writing, one._reading, one._lock and FairLock())
