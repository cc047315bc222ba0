"""Every table. Times of promises are aware UTC datetimes (`Utc`); wall times (pacing, leases) are epoch seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Utc(TypeDecorator[datetime]):
    """An aware UTC datetime in both dialects; SQLite keeps it as sortable text."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone was about to be stored.")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _lease() -> list[Column[Any]]:
    """The columns every claimed row has: who holds it, until when (wall), and how often it changed hands."""
    return [
        Column("owner", String(64)),
        Column("epoch", Integer, nullable=False, server_default="0"),
        Column("lease_until", Float),
    ]


# --- the kernel ---------------------------------------------------------------------------------------------------

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
    Column("policy", String(16), nullable=False),  # fire_late | skip | coalesce
    Column("state", String(16), nullable=False),  # pending | done | cancelled | failed
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("retry_at", Float),  # wall; set after a failure
    Column("fired_at", Utc),
    Column("error", Text),
    Index(
        "ix_timers_due", "due_at", sqlite_where=text("state = 'pending'"), postgresql_where=text("state = 'pending'")
    ),
    Index("ix_timers_subject", "subject", "kind"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("gate", String(128)),  # the posting gate it must pass, e.g. post:C123; null = not paced
    Column("method", String(64), nullable=False),  # the Web API method whose gate a 429 closes
    Column("rank", Integer, nullable=False),  # severity: 0 is the worst and goes first
    Column("collapse_key", String(255)),  # at most one ready row per key: a newer edit is the same edit
    Column("dedupe_key", String(255), unique=True),  # at most one row ever per key
    Column("state", String(16), nullable=False),  # ready | sending | doubt | sent | dropped | failed
    *_lease(),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lookups", Integer, nullable=False, server_default="0"),
    Column("next_at", Float, nullable=False),  # wall
    Column("first_sent_at", Float),  # wall, of the first attempt
    Column("created_at", Utc, nullable=False),
    Column("settled_at", Utc),
    Column("answer", JSON),
    Column("error", Text),
    Index(
        "ix_deliveries_open",
        "state",
        "next_at",
        sqlite_where=text("state in ('ready','sending','doubt')"),
        postgresql_where=text("state in ('ready','sending','doubt')"),
    ),
    Index(
        "uq_deliveries_collapse",
        "collapse_key",
        unique=True,
        sqlite_where=text("state = 'ready'"),
        postgresql_where=text("state = 'ready'"),
    ),
    # the next row of each gate, without reading the backlog behind it
    Index(
        "ix_deliveries_gate",
        "gate",
        "rank",
        "id",
        sqlite_where=text("state = 'ready'"),
        postgresql_where=text("state = 'ready'"),
    ),
    # whether a row with this key is on its way
    Index(
        "ix_deliveries_under_way",
        "collapse_key",
        sqlite_where=text("state in ('sending','doubt')"),
        postgresql_where=text("state in ('sending','doubt')"),
    ),
    Index("ix_deliveries_subject", "subject", "kind"),
)

gates = Table(
    "gates",
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
    *_lease(),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Float, nullable=False),  # wall
    Column("received_at", Utc, nullable=False),
    Column("error", Text),
    Index(
        "ix_inbox_open",
        "next_at",
        sqlite_where=text("state in ('ready','working')"),
        postgresql_where=text("state in ('ready','working')"),
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

promises = Table(
    "promises",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(64), nullable=False),  # update | reminder | postmortem | confirm | ladder:…
    Column("subject", String(64), nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("late_at", Utc, nullable=False),  # due_at and a grace: kept by then, or missed
    Column("state", String(16), nullable=False),  # open | kept | released | missed
    Column("settled_at", Utc),
    Index("ix_promises_open", "late_at", sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
    Index("ix_promises_subject", "subject", "kind"),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("worker", String(64), primary_key=True),
    Column("at", Float, nullable=False),  # wall
)

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

# --- people and places --------------------------------------------------------------------------------------------

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

places = Table(
    "places",
    metadata,
    Column("setting", String(96), primary_key=True),  # the name or id an operator wrote
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

# --- incidents ----------------------------------------------------------------------------------------------------

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
    Column("home", String(16), nullable=False),  # channel | thread
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
    Index(
        "ix_incidents_open",
        "rank",
        "id",
        sqlite_where=text("status not in ('resolved','closed')"),
        postgresql_where=text("status not in ('resolved','closed')"),
    ),
    Index("ix_incidents_channel", "channel"),
    Index("ix_incidents_announce", "announce_ts"),  # the incident of a thread, under an own card in #incidents
    Index(
        "ix_incidents_postmortem",
        "postmortem_due_at",
        sqlite_where=text("postmortem_due_at is not null and postmortem_done_at is null"),
        postgresql_where=text("postmortem_due_at is not null and postmortem_done_at is null"),
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

# --- runs ---------------------------------------------------------------------------------------------------------

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
    *_lease(),
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
    Index(
        "ix_runs_open",
        "next_at",
        sqlite_where=text("state in ('ready','running')"),
        postgresql_where=text("state in ('ready','running')"),
    ),
    Index(
        "ix_runs_queued",
        "slot_key",
        "id",
        sqlite_where=text("status = 'queued'"),
        postgresql_where=text("status = 'queued'"),
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

run_gates = Table(
    "run_gates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", ForeignKey("runs.id"), nullable=False),
    Column("gate", String(96), nullable=False),  # run | a step's id | @undo
    Column("round", Integer, nullable=False),  # asked anew after a change or when it was too long ago
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
    UniqueConstraint("run", "gate", "round"),
    Index("ix_run_gates_open", "run", sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
    Index(
        "ix_run_gates_review",
        "review_due_at",
        sqlite_where=text("review_due_at is not null and reviewed_at is null"),
        postgresql_where=text("review_due_at is not null and reviewed_at is null"),
    ),
)

run_votes = Table(
    "run_votes",
    metadata,
    Column("gate", ForeignKey("run_gates.id"), primary_key=True),
    Column("person", String(32), primary_key=True),
    Column("verdict", String(16), nullable=False),  # approve | reject
    Column("reason", Text, nullable=False, server_default=""),
    Column("at", Utc, nullable=False),
)

slots = Table(
    "slots",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("seat", Integer, primary_key=True),
    Column("run", ForeignKey("runs.id"), nullable=False, unique=True),
)

# --- alerts -------------------------------------------------------------------------------------------------------

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

dead_men = Table(
    "dead_men",
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
    Column("setting", String(96), nullable=False),  # the channel as the routing named it
    Column("began_at", Utc, nullable=False),
    Column("last_wall", Float, nullable=False),  # when the newest group joined it
    Column("channel", String(32)),
    Column("ts", String(32)),
    Index("ix_alert_storms_setting", "setting", "last_wall"),
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
    Column("setting", String(96), nullable=False),  # the channel as the routing named it
    Column("ladder", String(64)),
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
    Column("dead_man", String(64)),  # the key of the watch whose silence it reports
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
    Index(
        "uq_alert_groups_open",
        "key",
        unique=True,
        sqlite_where=text("status = 'firing'"),
        postgresql_where=text("status = 'firing'"),
    ),
    Index("ix_alert_groups_key", "key", "id"),
    Index("ix_alert_groups_setting", "setting", "opened_wall"),
    Index("ix_alert_groups_storm", "storm"),
    Index("ix_alert_groups_incident", "incident"),
    Index("ix_alert_groups_place", "channel", "ts"),
    Index("ix_alert_groups_opened", "opened_at"),
    Index(
        "ix_alert_groups_silence",
        "silence",
        sqlite_where=text("silence is not null"),
        postgresql_where=text("silence is not null"),
    ),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group", ForeignKey("alert_groups.id")),  # null: it was over before we heard that it had begun
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
    Index("ix_alerts_group", "group", "status"),
    Index("ix_alerts_last", "last_at"),
)

alert_marks = Table(
    "alert_marks",
    metadata,
    Column("fingerprint", String(255), primary_key=True),  # its own, and the others it goes by
    Column("alert", ForeignKey("alerts.id"), nullable=False),  # the newest of that fingerprint
    Index("ix_alert_marks_alert", "alert"),  # without it an alert is forgotten at the cost of reading all marks
)

# --- escalation ---------------------------------------------------------------------------------------------------

climbs = Table(
    "climbs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", String(32), nullable=False),  # ALR-7 | INC-42
    Column("alert_group", ForeignKey("alert_groups.id")),
    Column("incident", ForeignKey("incidents.id")),
    Column("service", String(64), nullable=False),
    Column("ladder", String(64), nullable=False),
    Column("pinned", JSON, nullable=False),  # the ladder as it was when the climb began: what was promised stays so
    Column("number", Integer, nullable=False),  # 1, 2, … of its subject
    Column("begins_at", Utc, nullable=False),  # T+0
    Column("first", Integer, nullable=False, server_default="0"),  # the position it begins at
    Column("by_hand", Boolean, nullable=False, server_default=text("false")),
    Column("begun_by", String(64), nullable=False),  # who escalated by hand, or "tocsin"
    Column("reached", Integer),  # the highest position that went out, or null
    Column("ended_at", Utc),
    Column("ended_why", String(32)),
    UniqueConstraint("subject", "number"),
    Index("ix_climbs_alert_group", "alert_group"),
    Index("ix_climbs_incident", "incident"),
    Index(
        "uq_climbs_open",
        "subject",
        unique=True,
        sqlite_where=text("ended_at is null"),
        postgresql_where=text("ended_at is null"),
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
    Column("climb", Integer),  # the step of a ladder that asked for it, or null
    Column("position", Integer),
    Column("remote", String(64)),  # what PagerDuty numbers it
    Column("said_at", Utc),  # by PagerDuty's clock, of the newest that it told us of it
    Column("away_since", Utc),  # when it could not be sent for the first time
    Index("ix_pages_subject", "subject", "state"),
    Index("ix_pages_remote", "remote"),
    Index(
        "ix_pages_waiting",
        "away_since",
        sqlite_where=text("state = 'sending'"),
        postgresql_where=text("state = 'sending'"),
    ),
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

schedules = Table(
    "schedules",
    metadata,
    Column("id", String(64), primary_key=True),  # PagerDuty's
    Column("people", JSON, nullable=False),  # id, name, email of each
    Column("seen_at", Float, nullable=False),  # wall
)
