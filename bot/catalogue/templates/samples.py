"""What templates see: sample values, which are also the contract. `tocsin check` renders every template with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bot.views.kit import mrkdwn

NOW = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)

_ADA, _BEN = mrkdwn.mention("U0ADA"), mrkdwn.mention("U0BEN")


def full() -> dict[str, Any]:
    return {
        "incident": _incident(
            status="identified",
            impact="Nobody can pay",
            fix="Rolled back the release",
            link="https://acme.slack.com/archives/C0INC/p1",
        ),
        "service": {"key": "default", "name": "Default service", "components": ["API", "Database"]},
        "changes": ["Severity went from P2 to P1", "Ada took commander", "“Rollback has started”"],
        "roles": [{"role": "commander", "person": _ADA}, {"role": "comms", "person": _BEN}],
        "next_update": NOW.replace(minute=30),
        "now": NOW,
    }


def bare() -> dict[str, Any]:
    return {
        "incident": _incident(),
        "service": {"key": "default", "name": "Default service", "components": []},
        "changes": [],
        "roles": [],
        "next_update": None,
        "now": NOW,
    }


def _incident(**known: Any) -> dict[str, Any]:
    return {
        "id": "INC-42",
        "title": "Checkout is down",
        "service": "default",
        "severity": "P1",
        "severity_name": "High",
        "status": "investigating",
        "impact": None,
        "fix": None,
        "declared_by": _ADA,
        "declared_at": NOW.replace(hour=13, minute=20),
        "link": None,
        "drill": False,
        "private": False,
        **known,
    }


def mail_full() -> dict[str, Any]:
    """People are names, and what somebody wrote is `text`."""
    values = full()
    roles = [{"role": "commander", "person": "Ada"}, {"role": "comms", "person": "Ben"}]
    return values | {"incident": values["incident"] | {"declared_by": "Ada"}, "roles": roles, "text": "It is the cache"}


def mail_bare() -> dict[str, Any]:
    values = bare()
    return values | {"incident": values["incident"] | {"declared_by": "Ada"}, "text": None}


def postmortem_full() -> dict[str, Any]:
    """People are names, and what was measured is text already."""
    values = full()
    return {
        "incident": values["incident"]
        | {"declared_by": "Ada", "status": "resolved", "link": "https://acme.slack.com/x"},
        "service": values["service"],
        "metrics": [{"name": "Time to resolve", "value": "1 hour 10 minutes"}],
        "timeline": [{"at": NOW, "who": "Ada", "text": "Declared INC-42"}],
        "roles": [{"role": "commander", "person": "Ada"}],
        "now": NOW,
    }


def postmortem_bare() -> dict[str, Any]:
    values = bare()
    empty: dict[str, Any] = {"metrics": [], "timeline": [], "roles": []}
    incident = values["incident"] | {"declared_by": "Ada", "status": "resolved"}
    return {"incident": incident, "service": values["service"], "now": NOW, **empty}
