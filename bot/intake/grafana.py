"""Grafana's webhook contact point, and the webhook of its dashboard alerts before version 11.

https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
https://grafana.com/docs/grafana/v8.5/alerting/old-alerting/notifications/#webhook
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.domain.alerts.alert import NOTHING, Alert, Group, Intake, Status
from bot.intake.alertmanager import group_key, labelled
from bot.intake.building import Draft, alert, known_status, not_understood, status_of, whole
from bot.intake.reading import LONGEST_NAME, Item, Notes, items

SOURCE = "grafana"


def read(payload: Mapping[str, Any], *, received_at: datetime, headers: Mapping[str, str] = NOTHING) -> Intake:
    """A group of alerts, each on its own; or one dashboard alert."""
    message = Item(payload, "", Notes())
    if isinstance(message.peek("alerts"), list):
        return _unified(message, received_at)
    if any(name in message for name in ("ruleName", "ruleId", "ruleUrl", "evalMatches")):
        return whole(message.notes, alerts=[_of_dashboard(message, received_at)])
    return whole(message.notes, alerts=not_understood(SOURCE, message, received_at=received_at))


def _unified(message: Item, received_at: datetime) -> Intake:
    found, key, status = message.listed("alerts"), group_key(message), message.text("status")
    link = message.url("externalURL")
    alerts = [
        _alert(one, status=status, key=key, link=link, received_at=received_at)
        for one in items(found, "alerts", message.notes)
    ]
    left_out = message.count("truncatedAlerts")
    return whole(message.notes, alerts=alerts, group=Group(key, left_out, message.rest()))


def _alert(item: Item, *, status: str, key: str, link: str, received_at: datetime) -> Alert:
    draft = labelled(item, SOURCE)
    ends_at = draft.ends_at
    draft.status = status_of(item.text("status"), item, ends_at=ends_at, group=status, received_at=received_at)
    draft.graph, draft.dashboard = item.url("panelURL"), item.url("dashboardURL")
    draft.link, draft.group = item.url("generatorURL") or link, key
    draft.annotate(values=item.text("valueString"))
    return alert(draft, item, received_at=received_at)


def _of_dashboard(item: Item, received_at: datetime) -> Alert:
    """One rule of a dashboard. Its states are ok, paused, alerting, pending, no_data."""
    draft = Draft(SOURCE, name=item.text("ruleName", "title"), labels=item.texts("tags"))
    draft.key = _rule_key(item)
    state = item.text("state")
    draft.status = Status.RESOLVED if state == "paused" else known_status(state) or Status.FIRING
    draft.annotate(summary=item.text("title"), description=item.text("message"), state=state)
    draft.graph = item.url("ruleUrl")
    return alert(draft, item, received_at=received_at)


def _rule_key(item: Item) -> str:
    rule = item.text("ruleId", longest=LONGEST_NAME)
    return f"{item.text('orgId', longest=LONGEST_NAME)}/rule/{rule}" if rule else ""
