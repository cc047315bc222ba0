"""Datadog's webhooks integration. Its payload is a template that operators write, of variables that it documents.

https://docs.datadoghq.com/integrations/webhooks/

The names understood are the variables' own in any case (`alert_id`, `ALERT_ID`), those of Datadog's default payload,
and a few that are widely used. A variable that Datadog did not know stays in the text as `$NAME` and counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.domain.alerts.alert import NOTHING, Alert, Intake, Status
from bot.intake.building import Draft, alert, whole
from bot.intake.reading import LONGEST_KEY, LONGEST_NAME, Item, Notes

SOURCE = "datadog"

_UNFILLED = re.compile(r"\$[A-Z][A-Z0-9_]*(?:\[[^\]]*\])?", re.ASCII)
_PREFIX = re.compile(r"\[([^\]\n]{1,200})\]\s*")
_STATES = (
    "triggered",
    "re-triggered",
    "recovered",
    "no data",
    "re-no data",
    "warn",
    "re-warn",
    "renotify",
    "re-notify",
)
_AROUND = ("metadata", "event")
_KNOWN_AS_ABSENT = frozenset({"null", "none", "n/a"})


def read(payload: Mapping[str, Any], *, received_at: datetime, headers: Mapping[str, str] = NOTHING) -> Intake:
    """Datadog sends one for each group of a monitor."""
    notes = Notes()
    message = Item(_flat(payload, notes), "", notes)
    alerts = [_alert(message, received_at)] if payload else []
    return whole(notes, alerts=alerts)


def _flat(payload: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    around = {name: one for name, one in payload.items() if isinstance(one, Mapping) and name.lower() in _AROUND}
    outer = [(name, value) for name, value in payload.items() if name not in around]
    named = [*(pair for one in around.values() for pair in one.items()), *outer]
    unfilled = {value for _, value in named if isinstance(value, str) and _UNFILLED.fullmatch(value)}
    if unfilled:
        said = ", ".join(sorted(unfilled))[:LONGEST_NAME]
        notes.say(f"Datadog filled in nothing for {said}; look at the webhook's payload.")
    return {name.lower(): value for name, value in named if not (isinstance(value, str) and value in unfilled)}


def _alert(message: Item, received_at: datetime) -> Alert:
    title = message.text("alert_title", "event_title", "title")
    state, name = _split(title)
    transition = message.text("alert_transition", "transition", longest=LONGEST_NAME) or state
    draft = Draft(SOURCE, name=name or title)
    kind = message.text("alert_type", longest=LONGEST_NAME)
    draft.status = _status(transition, kind, message)
    draft.said_at = message.time("last_updated", "date", "timestamp")
    if draft.status is Status.RESOLVED:
        draft.ends_at = draft.said_at
    elif not transition.casefold().startswith("re"):  # a repeated message is dated with its own time
        draft.starts_at = message.time("date", "timestamp")
    _label(draft, message)
    _annotate(draft, message, transition=transition)
    draft.key = _key(message, draft.labels)
    draft.link = message.url("link", "alert_url", "event_url", "url")
    draft.graph = message.url("snapshot", "snapshot_url")
    message.drop("id", "event_id")
    return alert(draft, message, received_at=received_at)


def _status(transition: str, kind: str, message: Item) -> Status:
    if "recovered" in transition.casefold():
        return Status.RESOLVED
    if transition and transition.casefold() not in _KNOWN_AS_ABSENT:
        return Status.FIRING
    if kind.casefold() == "success":
        return Status.RESOLVED
    message.notes.say("Datadog did not say whether it fires or recovered; add $ALERT_TRANSITION to the payload.")
    return Status.FIRING


def _split(title: str) -> tuple[str, str]:
    state, name = "", title
    while (prefix := _PREFIX.match(name)) is not None:
        word = prefix[1].casefold()
        if not word.startswith(_STATES) and not re.fullmatch("p[1-5]", word):
            break
        state, name = (prefix[1] if word.startswith(_STATES) else state), name[prefix.end() :]
    return state, name.strip()


def _label(draft: Draft, message: Item) -> None:
    for tag in message.words("tags") if "tags" in message else []:
        name, _, value = tag.partition(":")
        if not value:
            draft.annotations["tags"] = ", ".join(filter(None, (draft.annotations.get("tags", ""), tag)))
        elif value not in draft.labels.get(name, "").split(","):
            draft.labels[name] = ",".join(filter(None, (draft.labels.get(name, ""), value)))
    priority = message.text("alert_priority", longest=LONGEST_NAME) or message.text("priority", longest=LONGEST_NAME)
    draft.label(host=message.text("host_name", "hostname", "host", longest=LONGEST_NAME))
    draft.label(severity=priority if priority.casefold() != "normal" else "")
    draft.label(metric=message.text("alert_metric", longest=LONGEST_NAME))


def _annotate(draft: Draft, message: Item, *, transition: str) -> None:
    draft.annotate(
        summary=message.text("alert_status"),
        description=message.text("text_only_msg", "event_msg", "event_message", "body", "message"),
        query=message.text("alert_query", "query"),
        state=transition,
    )


def _key(message: Item, labels: dict[str, str]) -> str:
    monitor, scope = message.text("alert_id", longest=LONGEST_KEY), message.text("alert_scope", longest=LONGEST_KEY)
    aggregate = message.text("aggreg_key", "aggregation_key", longest=LONGEST_KEY)
    cycle = message.text("alert_cycle_key", longest=LONGEST_KEY)
    if monitor and scope:
        return f"{monitor}/{scope}"
    return aggregate or cycle or (monitor and f"{monitor}/{labels.get('host', '')}")
