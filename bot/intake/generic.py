"""Any JSON: read as the mapping in the catalogue says, in JMESPath, or by the usual names where there is none.

https://jmespath.org/specification.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from bot.domain.alerts.alert import NOTHING, Alert, Group, Intake, Status
from bot.domain.catalogue.catalogue import GenericSource
from bot.intake.building import Draft, alert, status_of, whole
from bot.intake.reading import LONGEST_KEY, LONGEST_NAME, Item, Kept, Notes, as_text, items

SOURCE = "generic"
NO_MAPPING = GenericSource()

# What JMESPath's own functions may raise of odd values, besides its own errors.
_FAILS = (JMESPathError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def read(
    payload: Mapping[str, Any],
    *,
    received_at: datetime,
    headers: Mapping[str, str] = NOTHING,
    mapping: GenericSource = NO_MAPPING,
    source: str = SOURCE,
) -> Intake:
    """The alerts that the mapping finds; without one those under `alerts`, else the message itself.

    `source` is the mapping's name: two sources may both have a number 7.
    """
    message = Item(payload, "", Notes())
    alerts, group = [], Group()
    if payload:
        found = _found(message, payload, mapping)
        alerts = [_alert(item, mapping, source, received_at) for item in found]
        group = Group(extra={} if found == [message] else message.rest())
    return whole(message.notes, alerts=alerts, group=group)


def problem(expression: str) -> str | None:
    """None: nothing."""
    try:
        jmespath.compile(expression)
    except _FAILS as wrong:
        reason = " ".join(str(wrong).split("\n", 1)[0].split())
        return f"“{expression}” is not a JMESPath expression: {reason}."
    return None


def _found(message: Item, payload: Mapping[str, Any], mapping: GenericSource) -> list[Item]:
    expression, notes = mapping.alerts or "alerts", message.notes
    found = _search(expression, payload, notes)
    if isinstance(found, list):
        message.drop(expression.removesuffix("[]"))
        return list(items(found, "alerts", notes))
    if isinstance(found, Mapping):
        return [Item(found, "alert", notes)]
    if mapping.alerts is not None:
        notes.say(f"“{mapping.alerts}” finds no alert in this message; the whole message is kept as one.")
    return [message]


def _alert(item: Item, mapping: GenericSource, source: str, received_at: datetime) -> Alert:
    as_it_came = item.whole_rest()
    draft = _by_usual_names(item, source)
    word = item.text("status", "state", longest=LONGEST_NAME)
    draft.annotate(state=word)
    _label(draft, mapping, as_it_came, item.notes)
    if mapping.status is None:
        draft.status = status_of(word, item, ends_at=draft.ends_at, group="", received_at=received_at)
    else:
        draft.status = _status(_search(mapping.status, as_it_came, item.notes), mapping, item, received_at)
    if mapping.fingerprint is not None:
        draft.key = _text(_search(mapping.fingerprint, as_it_came, item.notes)) or draft.key
    draft.name = draft.labels.get("alertname", "") or draft.name
    return alert(draft, item, received_at=received_at)


def _by_usual_names(item: Item, source: str) -> Draft:
    labels, annotations = item.texts_if_object("labels"), item.texts_if_object("annotations")
    draft = Draft(source, labels=labels, annotations=annotations)
    draft.key = item.text("fingerprint", "dedup_key", longest=LONGEST_KEY)
    draft.name = item.text("name", "alertname", "title", "summary")
    draft.starts_at = item.time("starts_at", "startsAt", "started_at", "timestamp", "time")
    draft.ends_at = item.time("ends_at", "endsAt", "ended_at")
    draft.label(**{one: item.text(one, longest=LONGEST_NAME) for one in ("service", "severity")})
    draft.annotate(description=item.text("description", "message"))
    draft.runbook, draft.dashboard = item.url("runbook_url", "runbook"), item.url("dashboard_url", "dashboard")
    draft.graph, draft.link = item.url("graph_url"), item.url("url", "link")
    return draft


def _label(draft: Draft, mapping: GenericSource, as_it_came: Mapping[str, Any], notes: Notes) -> None:
    for label, expression in mapping.labels.items():
        value = _text(_search(expression, as_it_came, notes))
        if value:
            draft.labels[label] = value


def _status(found: object, mapping: GenericSource, item: Item, received_at: datetime) -> Status:
    word = _text(found)
    if mapping.firing and word:
        firing = {one.casefold() for one in mapping.firing}
        return Status.FIRING if word.casefold() in firing else Status.RESOLVED
    if not word:
        item.notes.say(
            f"“{mapping.status}” finds no status in {item.path or 'the message'}; the alert counts as firing."
        )
    return status_of(word, item, ends_at=None, group="", received_at=received_at)


def _text(found: object) -> str:
    text = as_text(found)
    return text if text is not None else str(Kept(found).value)


def _search(expression: str, value: object, notes: Notes) -> object:
    try:
        return _compiled(expression).search(value)
    except _FAILS as wrong:
        notes.say(f"“{expression}” cannot be read of this message ({type(wrong).__name__}); it counts as absent.")
        return None


@lru_cache(maxsize=500)
def _compiled(expression: str) -> Any:
    return jmespath.compile(expression)
