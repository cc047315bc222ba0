"""From what a vendor's file read to an Alert: names and texts bounded, links found, a fingerprint in any case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.alerts.alert import (
    Alert,
    Context,
    Group,
    Happening,
    Intake,
    Links,
    Status,
    SubscriptionRequest,
    fingerprint_of,
    own_fingerprint,
)
from bot.intake.reading import CUT, LONGEST_NAME, LONGEST_TEXT, Item, Notes, is_link

MOST_LABELS = 64
MOST_ANNOTATIONS = 64
LONGEST_LABEL = 1_000
MOST_ALSO = 8
AHEAD = timedelta(days=1)
ALWAYS = ("alertname", "service", "severity", "job", "summary")  # routes look at these first: they are never left out

RUNBOOK = ("runbook_url", "runbook", "runbookURL")
DASHBOARD = ("dashboard_url", "dashboard", "dashboardURL")
GRAPH = ("graph_url", "graph", "panel_url")

# In any vendor's language.
_FIRING = frozenset(
    {
        *("firing", "alerting", "alarm", "alert", "triggered", "trigger", "problem", "active", "open", "down"),
        *("critical", "error", "warning", "failed", "failure", "no_data", "pending", "acknowledged"),
    }
)
_RESOLVED = frozenset(
    {
        *("resolved", "resolve", "ok", "recovered", "recovery", "closed", "close", "inactive", "normal", "up"),
        *("cleared", "success", "successful", "passed"),
    }
)
_CHANGING = frozenset({"state", "reason"})  # an alert is not known by what it is at the moment


@dataclass
class Draft:
    """Only the source is required."""

    source: str
    status: Status = Status.FIRING
    name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    said_at: datetime | None = None
    graph: str = ""
    dashboard: str = ""
    runbook: str = ""
    link: str = ""
    key: str = ""
    also: tuple[str, ...] = ()
    group: str = ""

    def label(self, **values: str) -> None:
        """Where they hold something and nobody gave them yet."""
        for name, value in values.items():
            if value:
                self.labels.setdefault(name, value)

    def annotate(self, **values: str) -> None:
        for name, value in values.items():
            if value:
                self.annotations.setdefault(name, value)


def alert(draft: Draft, item: Item, *, received_at: datetime) -> Alert:
    name = draft.name or draft.labels.get("alertname", "")
    draft.label(alertname=name)
    extra = item.rest()
    return Alert(
        fingerprint=_fingerprint(draft, name, extra),
        status=draft.status,
        source=draft.source,
        name=item.short(name, "name", LONGEST_NAME),
        labels=_bounded(draft.labels, MOST_LABELS, LONGEST_LABEL, "labels", item),
        annotations=_bounded(draft.annotations, MOST_ANNOTATIONS, LONGEST_TEXT, "annotations", item),
        starts_at=_believed(draft.starts_at, "start", item, received_at),
        ends_at=draft.ends_at,
        said_at=_believed(draft.said_at, "time", item, received_at),
        links=_links(draft, item),
        also=tuple(own_fingerprint(draft.source, key) for key in draft.also[:MOST_ALSO] if key),
        group=draft.group,
        extra=extra,
    )


def context(
    kind: Happening,
    source: str,
    item: Item,
    *,
    title: str = "",
    state: str = "",
    failed: bool = False,
    about: str = "",
    by: str = "",
    at: datetime | None = None,
    url: str = "",
    labels: dict[str, str] | None = None,
) -> Context:
    held = _bounded(labels or {}, MOST_LABELS, LONGEST_LABEL, "labels", item)
    return Context(kind, source, title, state, failed, about, by, at, url, held, item.rest())


def whole(
    notes: Notes,
    *,
    alerts: Sequence[Alert] = (),
    contexts: Sequence[Context] = (),
    subscription_requests: Sequence[SubscriptionRequest] = (),
    group: Group | None = None,
) -> Intake:
    if not (alerts or contexts or subscription_requests):
        notes.say("The message holds no alert.")
    found = tuple(alerts), tuple(contexts), tuple(subscription_requests)
    return Intake(*found, group or Group(), notes.all())


def not_understood(source: str, item: Item, *, received_at: datetime) -> list[Alert]:
    """A message of no known shape as one alert, since it may be one. None at all if it is empty."""
    if item.is_empty:
        return []
    item.notes.say(f"This is no message that we know from {source}; it is kept as one alert.")
    return [alert(Draft(source), item, received_at=received_at)]


def status_of(word: str, item: Item, *, ends_at: datetime | None, group: str, received_at: datetime) -> Status:
    """Of the alert's own word, else of its end, else of the whole message's word. In doubt it fires."""
    known = known_status(word)
    if known is not None:
        return known
    if word:
        item.notes.say(f"{item.path or 'The message'}: “{word[:40]}” is not a status; the alert counts as firing.")
        return Status.FIRING
    if ends_at is not None:
        return Status.RESOLVED if ends_at <= received_at else Status.FIRING
    return known_status(group) or Status.FIRING


def known_status(word: str) -> Status | None:
    """None: it says nothing."""
    word = word.casefold().strip()
    if word in _FIRING:
        return Status.FIRING
    return Status.RESOLVED if word in _RESOLVED else None


def _fingerprint(draft: Draft, name: str, extra: Mapping[str, object]) -> str:
    said = {name: text for name, text in draft.annotations.items() if name not in _CHANGING}
    return own_fingerprint(draft.source, draft.key) or fingerprint_of(draft.source, name, draft.labels, [said, extra])


def _bounded(texts: dict[str, str], most: int, longest: int, what: str, item: Item) -> dict[str, str]:
    if len(texts) > most:
        item.notes.say(f"{item.path or 'The message'} has {len(texts)} {what}; the first {most} by name are kept.")
        texts = {name: texts[name] for name in [*sorted(texts)[:most], *ALWAYS] if name in texts}
    if all(len(name) <= LONGEST_NAME and len(text) <= longest for name, text in texts.items()):
        return texts
    return {_name(name): item.short(text, f"{what}.{_name(name)}", longest) for name, text in texts.items()}


def _name(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + CUT


def _believed(moment: datetime | None, what: str, item: Item, received_at: datetime) -> datetime | None:
    """A clock that runs far ahead is not followed: nothing that comes later could be newer."""
    if moment is None or moment <= received_at + AHEAD:
        return moment
    said = moment.isoformat(timespec="seconds")
    item.notes.say(f"{item.path or 'The message'} has its {what} in the future, at {said}; it counts as unknown.")
    return None


def _links(draft: Draft, item: Item) -> Links:
    return Links(
        graph=draft.graph or _linked(draft, GRAPH, item),
        dashboard=draft.dashboard or _linked(draft, DASHBOARD, item),
        runbook=draft.runbook or _linked(draft, RUNBOOK, item),
        source=draft.link,
    )


def _linked(draft: Draft, names: tuple[str, ...], item: Item) -> str:
    for name in names:
        value = draft.annotations.get(name) or draft.labels.get(name) or ""
        if is_link(value):
            return value
        if value.startswith(("http:", "https:", "javascript:", "data:")):
            item.notes.say(f"{item.path or 'The message'}: {name} is not a link of http or https; it is kept as text.")
    return ""
