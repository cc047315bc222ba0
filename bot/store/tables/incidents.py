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
    UniqueConstraint,
)

from bot.store.tables.base import Utc, metadata, partial

incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", Text, nullable=False),
    Column("service", String(64), nullable=False),
    Column("severity", String(32), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("private", Boolean, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("source", String(32), nullable=False),  # slack | api | shortcut
    Column("source_channel", String(32)),
    Column("source_ts", String(32)),
    Column("impact", Text, nullable=False, server_default=""),
    Column("fix", Text, nullable=False, server_default=""),
    Column("declared_by", String(64), nullable=False),
    Column("declared_at", Utc, nullable=False),
    Column("declared_wall", Float, nullable=False),  # wall: the same words within 60 s are the same incident
    Column("detected_at", Utc, nullable=False),
    Column("acknowledged_at", Utc),
    Column("acknowledged_by", String(64)),
    Column("mitigated_at", Utc),
    Column("resolved_at", Utc),
    Column("closed_at", Utc),
    Column("last_update_at", Utc),
    Column("next_update_at", Utc),
    Column("cadence_seconds", Integer),  # null = the severity's; 0 = off
    Column("watch_until", Utc),
    # where it lives
    Column("placement", String(16), nullable=False),  # channel | thread
    Column("channel", String(32)),
    Column("channel_name", String(96)),
    Column("topic", String(255)),  # as last set, so that the same one is not announced again
    Column("card_ts", String(32)),
    Column("announce_channel", String(32)),
    Column("announce_ts", String(32)),
    # the post-mortem
    Column("postmortem", JSON),
    Column("postmortem_due_at", Utc),
    Column("postmortem_done_at", Utc),
    Column("postmortem_ts", String(32)),
    partial(
        "ix_incidents_open",
        "rank",
        "id",
        where="status not in ('resolved','closed')",
    ),
    Index("ix_incidents_channel", "channel"),
    Index("ix_incidents_announce", "announce_ts"),  # the incident of a thread, under an own card in #incidents
    partial(
        "ix_incidents_postmortem",
        "postmortem_due_at",
        where="postmortem_due_at is not null and postmortem_done_at is null",
    ),
    Index("ix_incidents_declarer", "declared_by", "id"),
    Index("ix_incidents_repeat", "declared_by", "service", "declared_wall"),
    Index("ix_incidents_declared", "declared_at"),
)

roles = Table(
    "roles",
    metadata,
    Column("incident", ForeignKey("incidents.id"), primary_key=True),
    Column("role", String(16), primary_key=True),  # commander | comms | ops | scribe
    Column("person", String(32), nullable=False),
    Column("since", Utc, nullable=False),
    Index("ix_roles_person", "person"),
)

timeline = Table(
    "timeline",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("incident", ForeignKey("incidents.id"), nullable=False),
    Column("at", Utc, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("told", Boolean, nullable=False),  # whether the next update should name it
    Column("source_ts", String(64)),  # channel:ts of a pinned or marked message
    Column("removed_at", Utc),
    UniqueConstraint("incident", "source_ts"),
    Index("ix_timeline_incident", "incident", "id"),
)

updates = Table(
    "updates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("incident", ForeignKey("incidents.id"), nullable=False),
    Column("at", Utc, nullable=False),
    Column("author", String(64), nullable=False),  # a person's id, or "tocsin"
    Column("text", Text, nullable=False),
    Column("since", Integer, nullable=False),  # it covers the timeline after this row …
    Column("through", Integer, nullable=False),  # … up to this one
    Column("next_update_at", Utc),
    Column("posted_at", Utc),  # null while Slack has not taken it; of the bot's own, only the newest still will be
    Index("ix_updates_incident", "incident", "id"),
)
