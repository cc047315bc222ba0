"""Sentry's webhooks: issue alerts, metric alerts, issues, errors, and the older WebHooks plugin.

https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bot.domain.alerts.alert import NOTHING, Context, Happening, Intake, Status
from bot.intake.building import Draft, alert, context, not_understood, whole
from bot.intake.reading import LONGEST_KEY, LONGEST_NAME, Item, Notes, as_text

SOURCE = "sentry"

_PEOPLE_DID = {"assigned": Happening.ASSIGNED, "archived": Happening.ACKNOWLEDGED, "ignored": Happening.ACKNOWLEDGED}


def read(payload: Mapping[str, Any], *, received_at: datetime, headers: Mapping[str, str] = NOTHING) -> Intake:
    message = Item(payload, "", Notes())
    action, by = message.text("action", longest=LONGEST_NAME), _actor(message)
    data = message.open_if_object("data")
    message.drop("installation")
    if data.has_object("metric_alert"):
        draft = _metric(data, action)
    elif data.has_object("event"):
        draft = _event(data.open("event"), data)
    elif data.has_object("issue"):
        return _about_issue(message, data, action, by, received_at)
    elif data.has_object("error"):
        draft = _event(data.open("error"), data)
    elif message.has_object("event"):
        draft = _plugin(message)
    elif "comment" in data or headers.get("sentry-hook-resource") in ("comment", "installation"):
        return whole(message.notes, contexts=[context(Happening.NOTE, SOURCE, message, state=action, by=by)])
    else:
        return whole(message.notes, alerts=not_understood(SOURCE, _again(message, action), received_at=received_at))
    return whole(message.notes, alerts=[alert(draft, message, received_at=received_at)])


def _metric(data: Item, action: str) -> Draft:
    """Its rule is what it is known by: the incident has another number each time."""
    incident = data.open("metric_alert")
    rule = incident.open("alert_rule")
    draft = Draft(SOURCE, name=rule.text("name") or incident.text("title") or data.text("description_title"))
    draft.status = Status.RESOLVED if action == "resolved" else Status.FIRING
    rule_id, number = rule.text("id", longest=LONGEST_KEY), incident.text("id", "identifier", longest=LONGEST_KEY)
    draft.key = f"rule/{rule_id}" if rule_id else (f"incident/{number}" if number else "")
    draft.also = (f"incident/{number}",) if number and rule_id else ()
    draft.starts_at, draft.ends_at = incident.time("date_started", "date_detected"), incident.time("date_closed")
    draft.link = data.url("web_url")
    draft.label(severity=action if action in ("critical", "warning") else "")
    draft.label(environment=rule.text("environment"), project=",".join(incident.words("projects")))
    draft.annotate(summary=data.text("description_title"), description=data.text("description_text"))
    draft.annotate(query=rule.text("query"))
    return draft


def _event(event: Item, data: Item) -> Draft:
    draft = Draft(SOURCE, name=event.text("title", "message"))
    draft.said_at = event.time("datetime", "timestamp", "received")  # the issue may be much older
    issue = (
        event.text("issue_id", "groupID", longest=LONGEST_KEY) or event.text("issue_url").rstrip("/").rpartition("/")[2]
    )
    draft.key = f"issue/{issue}" if issue else ""
    draft.link = event.url("web_url")
    draft.labels |= dict(_tags(event))
    draft.label(severity=event.text("level", longest=LONGEST_NAME))
    draft.label(**{name: event.text(name, longest=LONGEST_NAME) for name in ("project", "environment")})
    draft.annotate(description=event.text("culprit"), rule=data.text("triggered_rule"))
    event.drop("_ref", "_ref_version", "_metrics", "grouping_config", "key_id", "hashes", "sdk", "modules", "url")
    return draft


def _plugin(message: Item) -> Draft:
    event = message.open("event")
    draft = _event(event, message)
    issue = message.text("id", longest=LONGEST_KEY)
    draft.key = f"issue/{issue}" if issue else draft.key
    draft.name = draft.name or message.text("message", "culprit")
    draft.link = message.url("url") or draft.link
    draft.labels.pop("project", None)
    draft.label(project=message.text("project_slug", "project", longest=LONGEST_NAME))
    draft.label(severity=message.text("level", longest=LONGEST_NAME))
    draft.annotate(rule=", ".join(message.words("triggering_rules")))
    return draft


def _about_issue(message: Item, data: Item, action: str, by: str, received_at: datetime) -> Intake:
    draft = _issue(data.open("issue"), action)
    found = alert(draft, message, received_at=received_at)
    kind = _PEOPLE_DID.get(action)
    if kind is None:
        return whole(message.notes, alerts=[found])
    url, about = found.links.source, found.fingerprint
    return whole(message.notes, contexts=[Context(kind, SOURCE, found.name, action, about=about, by=by, url=url)])


def _issue(issue: Item, action: str) -> Draft:
    draft = Draft(SOURCE, name=issue.text("title"))
    resolved = action == "resolved" or (not action and issue.peek("status") == "resolved")
    draft.status = Status.RESOLVED if resolved else Status.FIRING
    number = issue.text("id", longest=LONGEST_KEY)
    draft.key = f"issue/{number}" if number else ""
    draft.starts_at, seen = issue.time("firstSeen"), issue.time("lastSeen")
    draft.said_at = seen if draft.status is Status.FIRING else None  # when it was resolved is not said
    draft.link = issue.url("web_url", "permalink")
    draft.label(severity=issue.text("level", longest=LONGEST_NAME))
    draft.label(project=issue.open_if_object("project").text("slug", "name", longest=LONGEST_NAME))
    draft.annotate(description=issue.text("culprit"), short_id=issue.text("shortId"))
    return draft


def _tags(event: Item) -> Iterator[tuple[str, str]]:
    if not isinstance(event.peek("tags"), list):
        return
    odd = []
    for tag in event.listed("tags"):
        match tag:
            case [name, value] | {"key": name, "value": value}:
                texts = as_text(name), as_text(value)
            case _:
                texts = None, None
        if texts[0] and texts[1]:
            yield texts[0], texts[1]
        elif tag:
            odd.append(tag)
    if odd:
        event.put_back("tags", odd)
        event.odd("tags", "a list of names and values in every place")


def _actor(message: Item) -> str:
    actor = message.open_if_object("actor")
    actor.drop("id", "type")
    return actor.text("name", longest=LONGEST_NAME)


def _again(message: Item, action: str) -> Item:
    if action:
        message.put_back("action", action)
    return message
