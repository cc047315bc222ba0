from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from bot.store.tables.base import Utc, metadata, partial

silences = Table(
    "silences",
    metadata,
    Column("id", Integer, primary_key=True),  # SIL-n
    Column("matchers", JSON, nullable=False),  # as written; all must hold
    Column("reason", Text, nullable=False, server_default=""),
    Column("made_by", String(64), nullable=False),
    Column("begins_at", Utc, nullable=False),
    Column("ends_at", Utc, nullable=False),
    Column("ended_at", Utc),  # null: it lasts until ends_at
    Column("ended_by", String(64)),
    Index("ix_silences_ends", "ends_at"),
)

maintenance_windows = Table(
    "maintenance_windows",
    metadata,
    Column("id", Integer, primary_key=True),  # MNT-n
    Column("service", String(64), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("made_by", String(64), nullable=False),
    Column("begins_at", Utc, nullable=False),
    Column("ends_at", Utc, nullable=False),
    Column("ended_at", Utc),  # null: it lasts until ends_at
    Column("ended_by", String(64)),
    Index("ix_maintenance_windows_service", "service", "ends_at"),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("key", String(64), primary_key=True),  # of its route and group labels
    Column("name", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("first_at", Utc, nullable=False),
    Column("last_at", Utc, nullable=False),
    Column("last_wall", Float, nullable=False),
)

hook_refusals = Table(
    "hook_refusals",
    metadata,
    Column("day", String(10), primary_key=True),  # 2026-11-21, UTC
    Column("vendor", String(32), primary_key=True),
    Column("reason", String(32), primary_key=True),  # unreadable | too_large | no_token | bad_token | unknown_vendor
    Column("count", Integer, nullable=False),
)

alert_storms = Table(
    "alert_storms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("channel_name", String(96), nullable=False),  # the channel as the routing named it
    Column("began_at", Utc, nullable=False),
    Column("last_wall", Float, nullable=False),  # when the newest group joined it
    Column("channel", String(32)),
    Column("ts", String(32)),
    Index("ix_alert_storms_channel_name", "channel_name", "last_wall"),
)

alert_groups = Table(
    "alert_groups",
    metadata,
    Column("id", Integer, primary_key=True),  # ALR-n
    Column("key", String(64), nullable=False),
    Column("name", Text, nullable=False),  # of its first alert; empty where nobody named it
    Column("labels", JSON, nullable=False),  # what its alerts have in common, as pairs
    Column("service", String(64), nullable=False),
    Column("severity", String(32), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("channel_name", String(96), nullable=False),  # the channel as the routing named it
    Column("escalation_policy", String(64)),
    Column("runbook", String(64)),
    Column("why", JSON, nullable=False),  # the routing's sentences
    Column("noticed", JSON, nullable=False),  # what was odd in its messages
    Column("status", String(16), nullable=False),  # firing | resolved
    Column("since", Utc, nullable=False),  # the start of its earliest alert
    Column("opened_at", Utc, nullable=False),  # T+0
    Column("opened_wall", Float, nullable=False),
    Column("acknowledged_at", Utc),
    Column("acknowledged_by", String(64)),
    Column("silenced_until", Utc),
    Column("silenced_by", String(64)),
    Column("silence", ForeignKey("silences.id")),  # the one with matchers that silenced it; null: its own button
    Column("maintenance", ForeignKey("maintenance_windows.id")),  # while which nobody is bothered with it
    Column("heartbeat", String(64)),  # the key of the watch whose silence it reports
    Column("resolved_at", Utc),
    Column("resolved_by", String(64)),  # a person's id, or "tocsin" where its alerts ended
    Column("firing", Integer, nullable=False),  # of its alerts
    Column("total", Integer, nullable=False),
    Column("left_out", Integer, nullable=False, server_default="0"),  # more that the sender says there are
    Column("incident", ForeignKey("incidents.id")),
    # where it is shown
    Column("storm", ForeignKey("alert_storms.id")),
    Column("has_card", Boolean, nullable=False, server_default=text("false")),
    Column("channel", String(32)),
    Column("ts", String(32)),
    partial(
        "uq_alert_groups_open",
        "key",
        unique=True,
        where="status = 'firing'",
    ),
    Index("ix_alert_groups_key", "key", "id"),
    Index("ix_alert_groups_channel_name", "channel_name", "opened_wall"),
    Index("ix_alert_groups_storm", "storm"),
    Index("ix_alert_groups_incident", "incident"),
    Index("ix_alert_groups_place", "channel", "ts"),
    Index("ix_alert_groups_opened", "opened_at"),
    partial(
        "ix_alert_groups_silence",
        "silence",
        where="silence is not null",
    ),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("alert_group", ForeignKey("alert_groups.id")),  # null: it was over before we heard that it had begun
    Column("fingerprint", String(255), nullable=False),
    Column("source", String(64), nullable=False),
    Column("status", String(16), nullable=False),  # firing | resolved
    Column("name", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("links", JSON, nullable=False),
    Column("extra", JSON, nullable=False),
    # as the sender says, by the sender's clock
    Column("starts_at", Utc),
    Column("ends_at", Utc),
    Column("said_at", Utc),
    # by ours
    Column("first_at", Utc, nullable=False),
    Column("last_at", Utc, nullable=False),
    Column("resolved_at", Utc),
    Column("settled_wall", Float, nullable=False),  # when the message came that made it what it is
    Column("times", Integer, nullable=False),  # how many messages spoke of it
    Index("ix_alerts_alert_group", "alert_group", "status"),
    Index("ix_alerts_last", "last_at"),
)

alert_marks = Table(
    "alert_marks",
    metadata,
    Column("fingerprint", String(255), primary_key=True),  # its own, and the others it goes by
    Column("alert", ForeignKey("alerts.id"), nullable=False),  # the newest of that fingerprint
    Index("ix_alert_marks_alert", "alert"),  # without it an alert is forgotten at the cost of reading all marks
)
