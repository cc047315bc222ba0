"""The audit log, which is chained when it is sealed."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Integer,
    String,
    Table,
)

from bot.store.tables.base import Utc, metadata

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Integer, primary_key=True),  # order of writing
    Column("seq", Integer, unique=True),  # order of sealing; null = not sealed yet
    Column("at", Utc, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("prev_hash", String(64)),
    Column("hash", String(64)),
)
