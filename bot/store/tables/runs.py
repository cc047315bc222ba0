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
    text,
)

from bot.store.tables.base import Utc, lease, metadata, partial

runbook_versions = Table(
    "runbook_versions",
    metadata,
    Column("version", String(64), primary_key=True),  # hash of the file's content
    Column("runbook", String(64), nullable=False),
    Column("definition", JSON, nullable=False),
    Column("seen_at", Utc, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("runbook", String(64), nullable=False),
    Column("version", String(64), nullable=False),
    Column("service", String(64), nullable=False),
    Column("subject", JSON, nullable=False),  # what expressions see beside the parameters: incident, alert labels
    Column("parameters", JSON, nullable=False),  # secrets as references
    Column("connections", JSON, nullable=False),  # name -> kind and reference, as planned
    Column("plan", JSON, nullable=False),
    Column("plan_hash", String(64), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("requested_by", String(64), nullable=False),
    Column("edited_by", JSON, nullable=False),  # who else had a hand in the parameters: they never approve either
    Column("source", String(32), nullable=False),  # slack | api | automation
    Column("incident", ForeignKey("incidents.id")),
    Column("alert_group", ForeignKey("alert_groups.id")),  # whose alerts triggered it
    Column("severity", String(32)),
    Column("rank", Integer, nullable=False),
    Column("status", String(24), nullable=False),  # what people see
    Column("sentence", Text, nullable=False, server_default=""),  # why it is as it is
    Column("phase", String(8), nullable=False, server_default="do"),  # do | undo
    Column("state", String(16), nullable=False),  # parked | ready | running | over
    *lease(),
    Column("next_at", Float, nullable=False),  # wall
    Column("slot_key", String(255)),
    Column("slot_limit", Integer, nullable=False, server_default="1"),
    Column("has_slot", Boolean, nullable=False, server_default=text("false")),
    Column("cancelled_by", String(64)),
    Column("created_at", Utc, nullable=False),
    Column("started_at", Utc),
    Column("deadline_at", Utc),
    Column("ended_at", Utc),
    # where it is shown
    Column("channel", String(32)),
    Column("thread", String(32)),  # under which message, where it has no thread of its own: its alert's card
    Column("ts", String(32)),
    Column("edited_wall", Float, nullable=False, server_default="0"),
    partial(
        "ix_runs_open",
        "next_at",
        where="state in ('ready','running')",
    ),
    partial(
        "ix_runs_queued",
        "slot_key",
        "id",
        where="status = 'queued'",
    ),
    Index("ix_runs_runbook", "runbook", "id"),
    Index("ix_runs_incident", "incident"),
    Index("ix_runs_alert_group", "alert_group"),
    Index("ix_runs_place", "channel", "ts"),
)

run_steps = Table(
    "run_steps",
    metadata,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("step", String(96), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("arguments", JSON, nullable=False),  # masked
    Column("started_at", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("result", JSON, nullable=False),  # masked
    Column("saved", JSON, nullable=False),  # masked
    Column("sentence", Text, nullable=False, server_default=""),
    Column("output", Text, nullable=False, server_default=""),  # masked
    Column("actor", String(64)),  # who ticked, skipped or answered
)

approval_requests = Table(
    "approval_requests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", ForeignKey("runs.id"), nullable=False),
    Column("covers", String(96), nullable=False),  # run | a step's id | @undo
    Column("round", Integer, nullable=False),  # asked again after a change or when it was too long ago
    Column("plan_hash", String(64), nullable=False),  # what is approved: the plan, or a step's rendered arguments
    Column("text", Text, nullable=False, server_default=""),
    Column("who", JSON, nullable=False),
    Column("quorum", Integer, nullable=False),
    Column("break_glass", JSON, nullable=False),
    Column("valid_seconds", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # open | approved | rejected | expired | void
    Column("asked_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
    Column("decided_at", Utc),
    Column("decided_by", String(64)),
    Column("glass_broken", Boolean, nullable=False, server_default=text("false")),
    Column("review_due_at", Utc),
    Column("reviewed_at", Utc),
    Column("reviewed_by", String(64)),
    Column("channel", String(32)),
    Column("ts", String(32)),
    UniqueConstraint("run", "covers", "round"),
    partial("ix_approval_requests_open", "run", where="state = 'open'"),
    partial(
        "ix_approval_requests_review",
        "review_due_at",
        where="review_due_at is not null and reviewed_at is null",
    ),
)

approvals = Table(
    "approvals",
    metadata,
    Column("request", ForeignKey("approval_requests.id"), primary_key=True),
    Column("person", String(32), primary_key=True),
    Column("verdict", String(16), nullable=False),  # approve | reject
    Column("reason", Text, nullable=False, server_default=""),
    Column("at", Utc, nullable=False),
)

slots = Table(
    "slots",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("run", ForeignKey("runs.id"), nullable=False, unique=True),
)
