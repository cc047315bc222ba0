"""Opsgenie's outgoing webhook.

https://support.atlassian.com/opsgenie/docs/opsgenie-edge-connector-alert-action-data/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.domain.alerts.alert import NOTHING, Alert, Context, Happening, Intake, Status
from bot.intake.building import Draft, alert, not_understood, whole
from bot.intake.reading import LONGEST_KEY, LONGEST_NAME, Item, Notes

SOURCE = "opsgenie"

_RESOLVES = frozenset({"close", "delete"})
_FIRES = frozenset({"create", "reopen"})
_BOTH = {"acknowledge": Happening.ACKNOWLEDGED, "unacknowledge": Happening.UNACKNOWLEDGED}
# These may come when the alert is long closed: they say nothing of whether it fires.
_BESIDE = {
    "addnote": Happening.NOTE,
    "assignownership": Happening.ASSIGNED,
    "takeownership": Happening.ASSIGNED,
    "addteam": Happening.ASSIGNED,
    "addrecipient": Happening.ASSIGNED,
    "addresponder": Happening.ASSIGNED,
    "escalate": Happening.ESCALATED,
    "escalatenext": Happening.ESCALATED,
    "snooze": Happening.ACKNOWLEDGED,
    "snoozeended": Happening.UNACKNOWLEDGED,
    **dict.fromkeys(("addtags", "removetags", "adddetails", "removedetails"), Happening.OTHER),
    **dict.fromkeys(("updatepriority", "updatemessage", "updatedescription"), Happening.OTHER),
}
_HASH_OF_A_GROUP = re.compile(r"[0-9a-f]{64}", re.ASCII)


def read(payload: Mapping[str, Any], *, received_at: datetime, headers: Mapping[str, str] = NOTHING) -> Intake:
    message = Item(payload, "", Notes())
    if not message.has_object("alert"):
        return whole(message.notes, alerts=not_understood(SOURCE, message, received_at=received_at))
    action = message.text("action", longest=LONGEST_NAME)
    item = message.open("alert")
    by = item.text("username", longest=LONGEST_NAME)
    draft = _draft(item, action)
    _say_unknown(action, message)
    found = alert(draft, message, received_at=received_at)
    beside = action.casefold() in _BESIDE
    return whole(message.notes, alerts=[] if beside else [found], contexts=_contexts(action, found, by))


def _draft(item: Item, action: str) -> Draft:
    draft = Draft(SOURCE, name=item.text("message"))
    alias, number = item.text("alias", longest=LONGEST_KEY), item.text("alertId", "id", longest=LONGEST_KEY)
    draft.key, draft.also = alias or number, (number,) if alias and number != alias else ()
    draft.group = alias if _HASH_OF_A_GROUP.fullmatch(alias) else ""
    draft.status = Status.RESOLVED if action.casefold() in _RESOLVES else Status.FIRING
    draft.starts_at, draft.said_at = item.time("createdAt", "insertedAt"), item.time("updatedAt")
    draft.ends_at = draft.said_at if draft.status is Status.RESOLVED else None
    _label(draft, item)
    draft.annotate(description=item.text("description"), note=item.text("note"))
    return draft


def _label(draft: Draft, item: Item) -> None:
    draft.labels |= item.texts_if_object("details")
    draft.label(severity=item.text("priority", longest=LONGEST_NAME), entity=item.text("entity", longest=LONGEST_NAME))
    for field, label in (("tags", "tags"), ("teams", "team")):
        if isinstance(item.peek(field), list):
            draft.label(**{label: ",".join(item.words(field))})


def _contexts(action: str, found: Alert, by: str) -> list[Context]:
    known = action.casefold()
    if known in _FIRES | _RESOLVES or not action:
        return []
    kind = _BOTH.get(known) or _BESIDE.get(known) or Happening.OTHER
    title = found.annotations.get("note", "") or found.name
    extra = found.extra if known in _BESIDE else {}
    return [Context(kind, SOURCE, title, action, about=found.fingerprint, by=by, at=found.said_at, extra=extra)]


def _say_unknown(action: str, message: Item) -> None:
    known = _FIRES | _RESOLVES | _BOTH.keys() | _BESIDE.keys()
    if action.casefold() not in known:
        said = f"“{action[:40]}” is not an action that we know" if action else "There is no action"
        message.notes.say(f"{said}; the alert counts as firing.")
