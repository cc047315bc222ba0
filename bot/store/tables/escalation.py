from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from bot.store.tables.base import Utc, metadata, partial

escalations = Table(
    "escalations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", String(32), nullable=False),  # ALR-7 | INC-42
    Column("alert_group", ForeignKey("alert_groups.id")),
    Column("incident", ForeignKey("incidents.id")),
    Column("service", String(64), nullable=False),
    Column("policy", String(64), nullable=False),
    Column(
        "pinned", JSON, nullable=False
    ),  # the escalation policy as it was when the escalation began: what was promised stays so
    Column("number", Integer, nullable=False),  # 1, 2, … of its subject
    Column("begins_at", Utc, nullable=False),  # T+0
    Column("first", Integer, nullable=False, server_default="0"),  # the position it begins at
    Column("by_hand", Boolean, nullable=False, server_default=text("false")),
    Column("begun_by", String(64), nullable=False),  # who escalated by hand, or "tocsin"
    Column("reached", Integer),  # the highest position that went out, or null
    Column("ended_at", Utc),
    Column("ended_why", String(32)),
    UniqueConstraint("subject", "number"),
    Index("ix_escalations_alert_group", "alert_group"),
    Index("ix_escalations_incident", "incident"),
    partial(
        "uq_escalations_open",
        "subject",
        unique=True,
        where="ended_at is null",
    ),
)

pages = Table(
    "pages",
    metadata,
    Column("key", String(255), primary_key=True),  # PagerDuty's dedup key
    Column("subject", String(32), nullable=False),  # ALR-7 | INC-42 | RUN-7
    Column("target", Text, nullable=False),
    Column("state", String(16), nullable=False),  # sending | open | acknowledged | resolved | failed
    Column("at", Utc, nullable=False),
    Column("changed_at", Utc, nullable=False),
    Column("changed_by", Text),  # a person's id, or who they are at PagerDuty
    Column("escalation", Integer),  # the step of an escalation policy that asked for it, or null
    Column("position", Integer),
    Column("remote", String(64)),  # what PagerDuty numbers it
    Column("said_at", Utc),  # by PagerDuty's clock, of the newest that it told us of it
    Column("away_since", Utc),  # when it could not be sent for the first time
    Index("ix_pages_subject", "subject", "state"),
    Index("ix_pages_remote", "remote"),
    partial(
        "ix_pages_waiting",
        "away_since",
        where="state = 'sending'",
    ),
)
