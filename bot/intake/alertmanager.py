"""Alertmanager's webhook, versions 3 and 4, and whatever else speaks it: Mimir, VictoriaMetrics, Thanos, Loki.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bot.domain.alerts.alert import NOTHING, Group, Intake, group_key_hash, prometheus_fingerprint
from bot.intake.building import Draft, alert, not_understood, status_of, whole
from bot.intake.reading import LONGEST_KEY, Item, Notes, items

SOURCE = "alertmanager"


def read(payload: Mapping[str, Any], *, received_at: datetime, headers: Mapping[str, str] = NOTHING) -> Intake:
    message = Item(payload, "", Notes())
    if not isinstance(message.peek("alerts"), list):
        return whole(message.notes, alerts=not_understood(SOURCE, message, received_at=received_at))
    return of_group(message, SOURCE, _links, received_at)


def of_group(message: Item, source: str, links: Callable[[Draft, Item], None], received_at: datetime) -> Intake:
    """In every dialect of Alertmanager: the group, and of each alert labels, annotations, times and fingerprint.

    `links` takes those of an alert, whose draft has the group's.
    """
    found, status = message.listed("alerts"), message.text("status")
    # Version 4 has a text, version 3 a number: either is hashed as Alertmanager's other receivers hash it.
    key, link = group_key_hash(message.text("groupKey", longest=LONGEST_KEY)), message.url("externalURL")
    alerts = []
    for item in items(found, "alerts", message.notes):
        draft = _labelled(item, source)
        draft.status = status_of(
            item.text("status"), item, ends_at=draft.ends_at, group=status, received_at=received_at
        )
        draft.link, draft.group = link, key
        links(draft, item)
        alerts.append(alert(draft, item, received_at=received_at))
    left_out = message.count("truncatedAlerts")
    return whole(message.notes, alerts=alerts, group=Group(key, left_out, message.rest()))


def _labelled(item: Item, source: str) -> Draft:
    draft = Draft(source, labels=item.texts("labels"), annotations=item.texts("annotations"))
    draft.starts_at, draft.ends_at = item.time("startsAt"), item.time("endsAt")
    draft.key = item.text("fingerprint", longest=LONGEST_KEY)
    if draft.labels and not draft.key:  # from old versions and imitators: computed as Alertmanager does
        draft.key = prometheus_fingerprint(draft.labels)
    return draft


def _links(draft: Draft, item: Item) -> None:
    draft.graph = item.url("generatorURL")
