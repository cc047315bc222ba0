"""PagerDuty's webhooks, versions 3 and 2, and events as they are sent to its Events API v2.

https://developer.pagerduty.com/docs/webhooks/v3-overview/
https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.domain.alerts.alert import NOTHING, Alert, Context, Happening, Intake, Status, own_fingerprint
from bot.intake.building import Draft, alert, context, known_status, not_understood, whole
from bot.intake.reading import LONGEST_KEY, LONGEST_NAME, Item, Notes, items

SOURCE = "pagerduty"

_HAPPENINGS = {
    "acknowledged": Happening.ACKNOWLEDGED,
    "acknowledge": Happening.ACKNOWLEDGED,
    "unacknowledged": Happening.UNACKNOWLEDGED,
    "unacknowledge": Happening.UNACKNOWLEDGED,
    "escalated": Happening.ESCALATED,
    "escalate": Happening.ESCALATED,
    "delegated": Happening.ASSIGNED,
    "delegate": Happening.ASSIGNED,
    "reassigned": Happening.ASSIGNED,
    "assign": Happening.ASSIGNED,
    "responder.added": Happening.ASSIGNED,
    "responder.replied": Happening.ASSIGNED,
    "annotated": Happening.NOTE,
    "annotate": Happening.NOTE,
    "status_update_published": Happening.NOTE,
    "resolved": Happening.RESOLVED,
    "resolve": Happening.RESOLVED,
}
_BEGINNING = frozenset({"triggered", "trigger", "reopened"})
_OF_THE_ALERT_ITSELF = _BEGINNING | {"resolved", "resolve"}
_NO_PERSON = ("service_reference", "integration_reference")
_REFERRING = frozenset({"annotated", "status_update_published", "responder.added", "responder.replied"})
_HASH_OF_A_GROUP = re.compile(r"[0-9a-f]{64}", re.ASCII)


def read(payload: Mapping[str, Any], *, received_at: datetime, headers: Mapping[str, str] = NOTHING) -> Intake:
    """An incident is an alert here; what people did to it is context about it."""
    message = Item(payload, "", Notes())
    if message.has_object("event"):
        alerts, contexts = _event(message, received_at)
    elif isinstance(message.peek("messages"), list):
        alerts, contexts = _second_version(message, received_at)
    elif isinstance(message.peek("event_action"), str) or message.has_object("payload"):
        alerts, contexts = _sent_to_pagerduty(message, received_at)
    else:
        alerts, contexts = not_understood(SOURCE, message, received_at=received_at), []
    return whole(message.notes, alerts=alerts, contexts=contexts)


def _event(message: Item, received_at: datetime) -> tuple[list[Alert], list[Context]]:
    event = message.open("event")
    what, said_at = event.text("event_type", longest=LONGEST_NAME), event.time("occurred_at")
    by = _agent(event, "agent")
    data = event.open("data")
    event.drop("id", "resource_type")
    if what == "pagey.ping":
        return [], [context(Happening.PING, SOURCE, message, at=said_at)]
    if not _tells_the_state(what, data):
        return [], [_beside_the_alert(what, message, data, at=said_at, by=by)]
    draft = _incident(data, what, said_at)
    found = alert(draft, message, received_at=received_at)
    return [found], _done(what, found, at=said_at, by=by)


@dataclass(frozen=True)
class _Agent:
    """Nobody where PagerDuty itself or an integration did it."""

    name: str = ""
    id: str = ""


def _agent(item: Item, field: str) -> _Agent:
    said = item.peek(field) if item.has_object(field) else {}
    kind, number = said.get("type"), said.get("id")
    name = _named(item, field)
    if isinstance(kind, str) and kind.endswith(_NO_PERSON):
        return _Agent()
    return _Agent(name, number[:LONGEST_NAME] if isinstance(number, str) and number.isalnum() else "")


def _tells_the_state(what: str, data: Item) -> bool:
    """In doubt it is the incident itself."""
    if what in ("", "incident") or data.peek("type") == "incident":
        return True
    refers = _tail(what) in _REFERRING or "incident" in data
    return _tail(what) in _OF_THE_ALERT_ITSELF or (what.startswith("incident.") and not refers)


def _second_version(message: Item, received_at: datetime) -> tuple[list[Alert], list[Context]]:
    alerts, contexts = [], []
    for one in items(message.listed("messages"), "messages", message.notes):
        what, said_at = one.text("event", longest=LONGEST_NAME), one.time("created_on")
        incident = one.open("incident")
        by = _agent(incident, "last_status_change_by")
        one.drop("id", "webhook", "log_entries")
        found = alert(_incident(incident, what, said_at), one, received_at=received_at)
        alerts.append(found)
        contexts += _done(what, found, at=said_at, by=by)
    return alerts, contexts


def _incident(data: Item, what: str, said_at: datetime | None) -> Draft:
    draft = Draft(SOURCE, name=data.text("title", "summary"), said_at=said_at)
    number, key = data.text("id", longest=LONGEST_KEY), data.text("incident_key", longest=LONGEST_KEY)
    draft.key, draft.also = key or number, (number,) if key else ()
    draft.group = key if _HASH_OF_A_GROUP.fullmatch(key) else ""
    draft.status = _status(what, data)
    began = data.time("reopened_at", "created_at")
    draft.starts_at = began or (said_at if _tail(what) in ("triggered", "trigger") else None)
    draft.ends_at = said_at if draft.status is Status.RESOLVED else None
    draft.link = data.url("html_url")
    _label(draft, data)
    data.drop("self", "type", "number", "incident_number", "resolve_reason", "last_status_change_at")
    return draft


def _label(draft: Draft, data: Item) -> None:
    priority, urgency = _named(data, "priority"), data.text("urgency", longest=LONGEST_NAME)
    draft.label(service=_named(data, "service"), priority=priority, urgency=urgency, severity=priority or urgency)
    description = data.text("description")
    draft.annotate(description=description if description != draft.name else "")


def _status(what: str, data: Item) -> Status:
    """What happened counts first, since `data` may be missing; `data` says it for events that change nothing."""
    said = data.text("status", longest=LONGEST_NAME)
    if _tail(what) in _OF_THE_ALERT_ITSELF:
        return Status.RESOLVED if _tail(what).startswith("resolve") else Status.FIRING
    return known_status(said) or Status.FIRING


def _done(what: str, found: Alert, *, at: datetime | None, by: _Agent) -> list[Context]:
    tail = _tail(what)
    if tail in _BEGINNING or not tail:
        return []
    kind, url = _HAPPENINGS.get(tail, Happening.OTHER), found.links.source
    return [Context(kind, SOURCE, found.name, what, about=found.fingerprint, by=by.name, at=at, url=url, by_id=by.id)]


def _beside_the_alert(what: str, message: Item, data: Item, *, at: datetime | None, by: _Agent) -> Context:
    incident = data.open("incident") if "incident" in data else data
    about = own_fingerprint(SOURCE, incident.text("id", longest=LONGEST_KEY)) if incident is not data else ""
    title = data.text("content", "message") or incident.text("summary", "title")
    kind, url = _HAPPENINGS.get(_tail(what), Happening.OTHER), incident.url("html_url")
    found = context(kind, SOURCE, message, at=at, title=title, state=what, about=about, by=by.name, url=url)
    return replace(found, by_id=by.id)


def _sent_to_pagerduty(message: Item, received_at: datetime) -> tuple[list[Alert], list[Context]]:
    """Senders to PagerDuty's Events API can send here too. The routing key is a secret."""
    message.drop("routing_key", "service_key")
    action, payload = message.text("event_action", longest=LONGEST_NAME), message.open("payload")
    draft = Draft(SOURCE, name=payload.text("summary"), starts_at=payload.time("timestamp"))
    draft.key = message.text("dedup_key", longest=LONGEST_KEY)
    draft.group = draft.key if _HASH_OF_A_GROUP.fullmatch(draft.key) else ""
    draft.status = Status.RESOLVED if action == "resolve" else Status.FIRING
    if draft.status is Status.RESOLVED:
        draft.starts_at, draft.ends_at = None, draft.starts_at
    _label_sent(draft, payload)
    draft.link = message.url("client_url")
    found = alert(draft, message, received_at=received_at)
    return [found], _done(action, found, at=None, by=_Agent()) if action in _HAPPENINGS else []


def _label_sent(draft: Draft, payload: Item) -> None:
    names = ("severity", "source", "component", "group", "class")
    draft.label(**{name: payload.text(name, longest=LONGEST_NAME) for name in names})
    if isinstance(payload.peek("custom_details"), str):
        draft.annotate(description=payload.text("custom_details"))
    elif "custom_details" in payload:
        draft.annotations |= payload.texts("custom_details")


def _named(item: Item, field: str) -> str:
    if field not in item:
        return ""
    reference = item.open(field)
    name = reference.text("summary", "name", longest=LONGEST_NAME)
    reference.drop("id", "type", "self", "html_url")
    return name


def _tail(what: str) -> str:
    return what.removeprefix("incident.")
