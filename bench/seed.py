"""Fills a database with open incidents: `python -m bench.seed --database URL --incidents N`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from sqlalchemy import Table, create_engine, insert

from bot.store.db.database import parse
from bot.store.db.schema import migrate
from bot.store.tables.incidents import incidents, roles, timeline
from bot.store.tables.queue import clock, commitments, deliveries, timers

BATCH = 1_000
DONE = (
    ("channel.open", "conversations.create"),
    ("channel.invite", "conversations.invite"),
    ("channel.topic", "conversations.setTopic"),
    ("channel.bookmark", "bookmarks.add"),
    ("channel.pin", "pins.add"),
    ("card.post", "chat.postMessage"),
    ("card.edit", "chat.update"),
)
LEVELS = (("P0", 0), ("P1", 1), ("P2", 2), ("P3", 3))


def fill(url: str, count: int) -> None:
    migrate(url)
    parsed = parse(url)
    driver = "postgresql+psycopg" if parsed.get_backend_name() == "postgresql" else "sqlite"
    engine = create_engine(parsed.set(drivername=driver))
    now = datetime.now(UTC)
    with engine.begin() as connection:
        if not connection.execute(clock.select()).first():
            connection.execute(insert(clock), {"id": 1, "bot_anchor": now, "wall_anchor": time.time(), "speed": 1.0})
        for table, rows in TABLES:
            _insert(connection, table, rows(count, now))
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT setval('incidents_id_seq', (SELECT max(id) FROM incidents))")
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()


def _insert(connection: Any, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            connection.execute(insert(table), batch)
            batch = []
    if batch:
        connection.execute(insert(table), batch)


def _incidents(count: int, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(1, count + 1):
        key, rank = LEVELS[number % 4]
        at = now - timedelta(minutes=number % 600)
        yield {
            "id": number,
            "title": f"Seeded trouble {number}",
            "service": "default",
            "severity": key,
            "rank": rank,
            "status": "investigating",
            "private": False,
            "drill": False,
            "source": "api",
            "declared_by": "U0ADA",
            "declared_at": at,
            "declared_wall": at.timestamp(),
            "detected_at": at,
            "next_update_at": now + timedelta(days=1),
            "placement": "channel",
            "channel": f"C9{number:08d}",
            "channel_name": f"inc-{number}",
            "card_ts": f"{at.timestamp():.6f}",
            "announce_channel": "C0INCIDENTS",
            "announce_ts": f"{at.timestamp():.6f}",
        }


def _timeline(count: int, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(1, count + 1):
        for place in range(5):
            yield {
                "incident": number,
                "at": now - timedelta(minutes=place),
                "kind": "note",
                "actor": "U0ADA",
                "text": f"Remark {place}",
                "detail": {},
                "told": True,
            }


def _timers(count: int, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(1, count + 1):
        due = now + timedelta(days=1, seconds=number)
        yield {
            "due_at": due,
            "kind": "update.due",
            "subject": f"INC-{number}",
            "payload": {"due": due.isoformat()},
            "dedupe_key": f"seed:{number}",
            "lateness": "fire_late",
            "state": "pending",
        }


def _promises(count: int, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(1, count + 1):
        due = now + timedelta(days=1, seconds=number)
        late = due + timedelta(minutes=5)
        yield {"kind": "update", "subject": f"INC-{number}", "due_at": due, "late_at": late, "state": "open"}


def _roles(count: int, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(1, count + 1):
        yield {"incident": number, "role": "commander", "person": "U0CLEO", "since": now}


def _deliveries(count: int, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(1, count + 1):
        for kind, method in DONE:
            yield {
                "kind": kind,
                "subject": f"INC-{number}",
                "payload": {},
                "method": method,
                "rank": LEVELS[number % 4][1],
                "state": "sent",
                "attempts": 1,
                "next_at": now.timestamp(),
                "created_at": now,
                "settled_at": now,
            }


TABLES = (
    (incidents, _incidents),
    (timeline, _timeline),
    (timers, _timers),
    (commitments, _promises),
    (roles, _roles),
    (deliveries, _deliveries),
)


@click.command()
@click.option("--database", required=True, help="sqlite:///file or postgresql://…")
@click.option("--incidents", "count", required=True, type=click.IntRange(1, 1_000_000))
def main(database: str, count: int) -> None:
    """Add open incidents with timelines and timers to an empty database."""
    fill(database, count)
    click.echo(f"{count} open incidents.")


if __name__ == "__main__":
    main()
