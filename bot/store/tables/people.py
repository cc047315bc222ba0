"""People, groups and channels as Slack tells them; who is on call; tokens."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from bot.store.tables.base import Utc, metadata

people = Table(
    "people",
    metadata,
    Column("id", String(32), primary_key=True),  # U… or W…
    Column("team", String(32)),
    Column("name", String(255), nullable=False),
    Column("email", String(320)),
    Column("tz", String(64)),
    Column("kind", String(16), nullable=False),  # member | guest | bot | stranger | deactivated
    Column("seen_at", Float, nullable=False),  # wall
)

groups = Table(
    "groups",
    metadata,
    Column("id", String(32), primary_key=True),  # S…
    Column("members", JSON, nullable=False),
    Column("seen_at", Float, nullable=False),  # wall
)

channels = Table(
    "channels",
    metadata,
    Column("channel_name", String(96), primary_key=True),  # the name or id an operator wrote
    Column("channel", String(32)),  # C…
    Column("name", String(96)),
    Column("is_private", Boolean, nullable=False, server_default=text("false")),
    Column("problem", Text),
    Column("seen_at", Float, nullable=False),  # wall
)

tokens = Table(
    "tokens",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),  # sha256 of the secret
    Column("scopes", JSON, nullable=False),
    Column("owner", String(32), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("used_at", Utc),
    Column("revoked_at", Utc),
)

oncall_overrides = Table(
    "oncall_overrides",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("service", String(64), nullable=False),
    Column("level", String(64), nullable=False),
    Column("person", String(64), nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("made_at", Utc, nullable=False),
    Column("begins_at", Utc, nullable=False),
    Column("ends_at", Utc, nullable=False),
    Index("ix_oncall_overrides_level", "service", "level", "ends_at"),
)

pagerduty_schedules = Table(
    "pagerduty_schedules",
    metadata,
    Column("id", String(64), primary_key=True),  # PagerDuty's
    Column("people", JSON, nullable=False),  # id, name, email of each
    Column("seen_at", Float, nullable=False),  # wall
)
