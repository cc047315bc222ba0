"""Every table. Times of promises are aware UTC datetimes (`Utc`); wall times (pacing, leases) are epoch seconds."""

from bot.store.tables import alerts, audit, escalation, incidents, people, queue, runs
from bot.store.tables.base import Utc, metadata

ROOMS = (alerts, audit, escalation, incidents, people, queue, runs)  # each adds its tables to `metadata`

__all__ = ["ROOMS", "Utc", "metadata"]
