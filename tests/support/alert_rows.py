"""Rows of alert groups and of what refers to them, as the store writes them: for tests of statements."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.support.clock import START

FIVE_MINUTES = timedelta(minutes=5)


def group(key: str, opened: datetime, took: timedelta | None = FIVE_MINUTES, **more: Any) -> dict[str, Any]:
    """A group that its alerts ended, or that is open (`took` None)."""
    ended = {"status": "firing"} if took is None else {"status": "resolved", "resolved_at": opened + took}
    return {
        "key": key, "name": "Slow", "labels": [], "service": "default", "severity": "P2", "rank": 2,
        "channel_name": "ops",
        "why": [], "noticed": [], "since": opened, "opened_at": opened, "opened_wall": opened.timestamp(),
        "firing": 0, "total": 2, "has_card": True, "resolved_by": "tocsin", **ended, **more,
    }  # fmt: skip


def alert(fingerprint: str, at: datetime, **more: Any) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint, "source": "alertmanager", "status": "resolved", "name": "Slow", "labels": {},
        "annotations": {}, "links": {}, "extra": {}, "first_at": at, "last_at": at, "resolved_at": at,
        "settled_wall": at.timestamp(), "times": 1, **more,
    }  # fmt: skip


def incident(**more: Any) -> dict[str, Any]:
    return {
        "title": "x", "service": "default", "severity": "P1", "rank": 1, "status": "closed", "private": False,
        "drill": False, "source": "alert", "declared_by": "tocsin", "declared_at": START, "declared_wall": 0.0,
        "detected_at": START, "placement": "thread", **more,
    }  # fmt: skip


def run(**more: Any) -> dict[str, Any]:
    return {
        "runbook": "r", "version": "1", "service": "default", "subject": {}, "parameters": {}, "connections": {},
        "plan": {}, "plan_hash": "", "requested_by": "U0ADA", "edited_by": [], "source": "slack", "rank": 0,
        "status": "running", "state": "parked", "next_at": 0.0, "created_at": START, **more,
    }  # fmt: skip


def escalation(group: int, **more: Any) -> dict[str, Any]:
    """One that ended."""
    return {
        "subject": f"ALR-{group}", "alert_group": group, "service": "default", "policy": "critical", "pinned": {},
        "number": 1, "begins_at": START, "begun_by": "tocsin", "ended_at": START, **more,
    }  # fmt: skip


def page(key: str, subject: str, state: str = "resolved") -> dict[str, Any]:
    return {"key": key, "subject": subject, "target": "page:oncall", "state": state, "at": START, "changed_at": START}
