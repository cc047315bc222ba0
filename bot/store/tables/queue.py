"""Durable work: the clock, timers, deliveries and what they pass, the inbox, keyed requests, commitments, workers."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from bot.store.tables.base import Utc, lease, metadata, partial

clock = Table(
    "clock",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("bot_anchor", Utc, nullable=False),
    Column("wall_anchor", Float, nullable=False),
    Column("speed", Float, nullable=False),
)

timers = Table(
    "timers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("due_at", Utc, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("dedupe_key", String(255), nullable=False, unique=True),
    Column("lateness", String(16), nullable=False),  # fire_late | skip | coalesce
    Column("state", String(16), nullable=False),  # pending | done | cancelled | failed
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("retry_at", Float),  # wall; set after a failure
    Column("fired_at", Utc),
    Column("error", Text),
    partial("ix_timers_due", "due_at", where="state = 'pending'"),
    Index("ix_timers_subject", "subject", "kind"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("rate_limit", String(128)),  # the rate limit it must pass, e.g. post:C123; null = not paced
    Column("method", String(64), nullable=False),  # the Web API method whose rate limit a 429 closes
    Column("rank", Integer, nullable=False),  # severity: 0 is the worst and goes first
    Column("collapse_key", String(255)),  # at most one ready row per key: a newer edit is the same edit
    Column("dedupe_key", String(255), unique=True),  # at most one row ever per key
    Column("state", String(16), nullable=False),  # ready | sending | unconfirmed | sent | dropped | failed
    *lease(),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lookups", Integer, nullable=False, server_default="0"),
    Column("next_at", Float, nullable=False),  # wall
    Column("first_sent_at", Float),  # wall, of the first attempt
    Column("created_at", Utc, nullable=False),
    Column("settled_at", Utc),
    Column("answer", JSON),
    Column("error", Text),
    partial(
        "ix_deliveries_open",
        "state",
        "next_at",
        where="state in ('ready','sending','unconfirmed')",
    ),
    partial(
        "uq_deliveries_collapse",
        "collapse_key",
        unique=True,
        where="state = 'ready'",
    ),
    # the next row of each rate limit, without reading the backlog behind it
    partial(
        "ix_deliveries_rate_limit",
        "rate_limit",
        "rank",
        "id",
        where="state = 'ready'",
    ),
    # whether a row with this key is on its way
    partial(
        "ix_deliveries_under_way",
        "collapse_key",
        where="state in ('sending','unconfirmed')",
    ),
    Index("ix_deliveries_subject", "subject", "kind"),
)

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("name", String(128), primary_key=True),  # post:C123 or method:conversations.create
    Column("next_at", Float, nullable=False),  # wall; nothing passes before
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(255), nullable=False, unique=True),  # Slack's event_id
    Column("kind", String(64), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String(16), nullable=False),  # ready | working | done | failed
    *lease(),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Float, nullable=False),  # wall
    Column("received_at", Utc, nullable=False),
    Column("error", Text),
    partial(
        "ix_inbox_open",
        "next_at",
        where="state in ('ready','working')",
    ),
)

requests = Table(
    "requests",
    metadata,
    Column("key", String(255), primary_key=True),  # trigger_id, view.id, event_id or Idempotency-Key
    Column("at", Utc, nullable=False),
    Column("subject", String(64)),
    Column("answer", JSON),
    Index("ix_requests_at", "at"),
)

commitments = Table(
    "commitments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(64), nullable=False),  # update | reminder | postmortem | confirm | escalation:…
    Column("subject", String(64), nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("late_at", Utc, nullable=False),  # due_at and a grace: kept by then, or missed
    Column("state", String(16), nullable=False),  # open | kept | released | missed
    Column("settled_at", Utc),
    partial("ix_commitments_open", "late_at", where="state = 'open'"),
    Index("ix_commitments_subject", "subject", "kind"),
)

workers = Table(
    "workers",
    metadata,
    Column("worker", String(64), primary_key=True),
    Column("at", Float, nullable=False),  # wall
)
