"""Alertmanager's webhook, versions 3 and 4, and whatever else speaks it: Mimir, VictoriaMetrics, Thanos, Loki.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.domain.alerts.alert import NOTHING, Alert, Group, Intake, group_key_hash, prometheus_fingerprint
from bot.intake.building import Draft, alert, not_understood, status_of, whole
from bot.intake.reading import LONGEST_KEY, Item, Notes, items

SOURCE = "alertmanager"


def read(payload: Mapping[str, Any], *, received_at: datetime, headers: Mapping[str, str] = NOTHING) -> Intake:
    """A group of alerts, each on its own."""
    message = Item(payload, "", Notes())
    if not isinstance(message.peek("alerts"), list):
        alerts = not_understood(SOURCE, message, received_at=received_at)
        return whole(message.notes, alerts=alerts)
    found = message.listed("alerts")
    status, key = message.text("status"), group_key(message)
    link = message.url("externalURL")
    alerts = [
        _alert(one, status=status, key=key, link=link, received_at=received_at)
        for one in items(found, "alerts", message.notes)
    ]
    left_out = message.count("truncatedAlerts")
    return whole(message.notes, alerts=alerts, group=Group(key, left_out, message.rest()))


def group_key(message: Item) -> str:
    """Version 4 has a text, version 3 a number: either is hashed as Alertmanager's other receivers hash it."""
    return group_key_hash(message.text("groupKey", longest=LONGEST_KEY))


def labelled(item: Item, source: str) -> Draft:
    """What every dialect of Alertmanager has in common: labels, annotations, times, fingerprint."""
    draft = Draft(source, labels=item.texts("labels"), annotations=item.texts("annotations"))
    draft.starts_at, draft.ends_at = item.time("startsAt"), item.time("endsAt")
    draft.key = item.text("fingerprint", longest=LONGEST_KEY) or _own(draft.labels)
    return draft


def _alert(item: Item, *, status: str, key: str, link: str, received_at: datetime) -> Alert:
    draft = labelled(item, SOURCE)
    ends_at = draft.ends_at
    draft.status = status_of(item.text("status"), item, ends_at=ends_at, group=status, received_at=received_at)
    draft.graph, draft.link, draft.group = item.url("generatorURL"), link, key
    return alert(draft, item, received_at=received_at)


def _own(labels: dict[str, str]) -> str:
    """Old versions and some imitators send no fingerprint: it is computed as Alertmanager does."""
    return prometheus_fingerprint(labels) if labels else ""
