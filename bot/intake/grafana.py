"""Grafana's webhook contact point, and the webhook of its dashboard alerts before version 11.

https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
https://grafana.com/docs/grafana/v8.5/alerting/old-alerting/notifications/#webhook
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.domain.alerts.alert import NOTHING, Alert, Intake, Status
from bot.intake.alertmanager import of_group
from bot.intake.building import Draft, alert, known_status, not_understood, whole
from bot.intake.reading import LONGEST_NAME, Item, Notes

SOURCE = "grafana"


def read(payload: Mapping[str, Any], *, received_at: datetime, headers: Mapping[str, str] = NOTHING) -> Intake:
    message = Item(payload, "", Notes())
    if isinstance(message.peek("alerts"), list):
        return of_group(message, SOURCE, _links, received_at)
    if any(name in message for name in ("ruleName", "ruleId", "ruleUrl", "evalMatches")):
        return whole(message.notes, alerts=[_of_dashboard(message, received_at)])
    return whole(message.notes, alerts=not_understood(SOURCE, message, received_at=received_at))


def _links(draft: Draft, item: Item) -> None:
    draft.graph, draft.dashboard = item.url("panelURL"), item.url("dashboardURL")
    draft.link = item.url("generatorURL") or draft.link
    draft.annotate(values=item.text("valueString"))


def _of_dashboard(item: Item, received_at: datetime) -> Alert:
    """Its states are ok, paused, alerting, pending, no_data."""
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
