"""An alert group as people see it: its card, the card of a storm, and why it went where it did.

Whatever came with an alert is shown as it was typed: no mention, link or markup comes out of a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain.alerts.group import AlertGroup, Single
from bot.domain.alerts.maintenance import Window
from bot.domain.catalogue.service import Service
from bot.domain.catalogue.severity import OnAlert, Severity
from bot.domain.people.person import BOT
from bot.domain.text import duration
from bot.domain.text.wording import listing
from bot.interactions import Block
from bot.views import silence
from bot.views.incident import DONE, MARKERS
from bot.views.kit import blocks as b
from bot.views.kit.mrkdwn import Safe, clip, clock, link, literal, mention, moment

SUMMARY = ("summary", "description", "message")
NAME_LIMIT = 200
SUMMARY_LIMIT = 500
LABEL_LIMIT = 80
LABELS_SHOWN = 6
PARTS_SHOWN = 15
RUNS_SHOWN = 3
OTHERS_SHOWN = 3
WINDOWS_SHOWN = 5
SILENCES = (("15 minutes", "15m"), ("1 hour", "1h"), ("4 hours", "4h"), ("until morning", "morning"))


@dataclass(frozen=True)
class Card:
    """`alerts` are some of the group's, those that fire first."""

    group: AlertGroup
    service: Service
    severity: Severity
    alerts: Sequence[Single]
    now: datetime
    incident: str = ""
    incident_url: str | None = None
    runbook: tuple[str, str] | None = None  # id and title, where it may be offered
    others: Sequence[str] = ()  # more of them, by id
    runs: Sequence[tuple[str, str, str | None]] = ()  # name, runbook and link of those that belong to it
    maintenance: Window | None = None
    coming: str = ""  # what its escalation policy does next


def marker(group: AlertGroup) -> str:
    return MARKERS[min(group.rank, len(MARKERS) - 1)] if group.is_open else DONE


def fallback(group: AlertGroup) -> str:
    """Harmless also where Slack reads markup in it."""
    state = "fires" if group.is_open else "is resolved"
    return literal(f"{group} {one_line(group.called)} {state} ({group.severity})")


def card(shown: Card) -> list[Block]:
    group = shown.group
    if not group.is_open:
        return [b.section(_over(group)), *_summary(shown), _facts(shown), *_links(shown)]
    return [
        b.section(f"{marker(group)} *{group} {_name(group)}*"),
        *_summary(shown),
        _facts(shown),
        *_labels(shown),
        *_links(shown),
        *_context(*_held(shown)),
        *_context(*filter(None, [shown.coming])),
        *_runbooks(shown),
        *_buttons(shown),
    ]


def _context(*lines: str) -> list[Block]:
    return [b.context(*lines)] if lines else []


def one_line(text: str) -> str:
    return " ".join(text.split())


def _name(group: AlertGroup) -> Safe:
    return clip_safe(literal(one_line(group.called).replace("*", "∗").replace("~", "∼")), NAME_LIMIT)


def clip_safe(text: Safe, limit: int) -> Safe:
    return Safe(clip(text, limit))


def _over(group: AlertGroup) -> str:
    took = duration.brief((group.resolved_at or group.since) - group.since)
    by = "" if group.resolved_by in (None, BOT) else f" by {mention(group.resolved_by or '')}"
    end = "Heard again" if group.heartbeat and not by else f"Resolved{by}"
    return f"{DONE} ~{group} {_name(group)}~\n{end} after {took}."


def _summary(shown: Card) -> list[Block]:
    for alert in shown.alerts:
        for name in SUMMARY:
            text = one_line(alert.annotations.get(name, ""))
            if text:
                return [b.section(clip_safe(literal(text), SUMMARY_LIMIT))]
    return []


def _facts(shown: Card) -> Block:
    group = shown.group
    facts = [
        ("Severity", literal(_level(shown.severity))),
        ("Service", literal(shown.service.name)),
        ("Firing", _counted(group)),
        ("Since", moment(group.since)),
    ]
    if shown.incident:
        facts.append(("Led to", link(shown.incident_url, shown.incident)))
    if group.acknowledged_by and group.acknowledged_at:
        facts.append(("On it", f"{mention(group.acknowledged_by)}, {moment(group.acknowledged_at)}"))
    return b.fields(*facts)


def _level(severity: Severity) -> str:
    return severity.key if severity.name in ("", severity.key) else f"{severity.key} {severity.name}"


def _counted(group: AlertGroup) -> str:
    alerts = "1 alert" if group.total == 1 else f"{group.total} alerts"
    text = alerts if group.firing == group.total else f"{group.firing} of {alerts}"
    return f"{text}, and {group.left_out} that its sender left out" if group.left_out else text


def _labels(shown: Card) -> list[Block]:
    labels = shown.alerts[0].labels if shown.alerts else {}
    pairs = [_pair(name, labels[name]) for name in sorted(labels.keys() - {"alertname", "service", "severity"})]
    more = f" · {len(pairs) - LABELS_SHOWN} more" if len(pairs) > LABELS_SHOWN else ""
    return _context(" · ".join(pairs[:LABELS_SHOWN]) + more) if pairs else []


def _pair(name: str, value: str) -> Safe:
    return clip_safe(literal(one_line(f"{name}={value}")), LABEL_LIMIT)


def _links(shown: Card) -> list[Block]:
    found: dict[str, str] = {}
    for alert in shown.alerts:
        for label, url in (
            ("Graph", alert.links.graph),
            ("Dashboard", alert.links.dashboard),
            ("Runbook", alert.links.runbook),
            ("Source", alert.links.source),
        ):
            if url:
                found.setdefault(label, url)
    return _context(" · ".join(link(url, label) for label, url in found.items())) if found else []


def _held(shown: Card) -> list[str]:
    held = [silence.held(shown.group)] if shown.group.is_silenced(shown.now) else []
    return [*held, silence.on_card(shown.maintenance)] if shown.maintenance else held


def _runbooks(shown: Card) -> list[Block]:
    begun = ", ".join(f"{link(url, name)} ({runbook})" for name, runbook, url in shown.runs[-RUNS_SHOWN:])
    others = " · ".join(f"`/runbook run {one}`" for one in shown.others[:OTHERS_SHOWN])
    lines = [begun and f"Begun for it: {begun}.", others and f"It may also help: {others}"]
    return _context(*filter(None, lines))


def _buttons(shown: Card) -> list[Block]:
    group, name, runbook = shown.group, str(shown.group), shown.runbook
    return b.actions(
        b.button("Unacknowledge", "alert.unack", name)
        if group.acknowledged_at
        else b.button("Acknowledge", "alert.ack", name, style="primary"),
        None if group.incident else b.button("Declare incident", "alert.declare", name),
        b.button("Resolve", "alert.resolve", name),
        b.button(clip(f"Run: {one_line(runbook[1])}", 75), "runbook.run", runbook[0]) if runbook else None,
        b.button("End silence", "alert.unsilence", name) if group.is_silenced(shown.now) else None,
        _silence(),
    )


def _silence() -> Block:
    chooser = b.select([b.option(text, value) for text, value in SILENCES])
    return {**chooser, "action_id": "alert.silence", "placeholder": b.plain("Silence", 150)}


# --- storms -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    severity: str
    rank: int
    service: str
    name: str
    groups: int
    open: int
    firing: int


@dataclass(frozen=True)
class StormCard:
    """`worst` are those that nobody acknowledged, `windows` the maintenance that some of them are in."""

    began_at: datetime
    lines: Sequence[Line]
    worst: Sequence[AlertGroup]
    windows: Sequence[Window] = ()


def storm_fallback(shown: StormCard) -> str:
    return f"A storm of alerts: {_groups(sum(line.groups for line in shown.lines))}."


def storm_card(shown: StormCard) -> list[Block]:
    total, is_open = sum(line.groups for line in shown.lines), sum(line.open for line in shown.lines)
    if not is_open:
        title = f"{DONE} ~A storm of alerts~\nAll {_groups(total)} since {clock(shown.began_at)} are resolved."
        return [b.section(title), *_breakdown(shown)]
    rank = min((line.rank for line in shown.lines if line.open), default=0)
    firing = sum(line.firing for line in shown.lines)
    title = f"{MARKERS[min(rank, len(MARKERS) - 1)]} *A storm of alerts* since {clock(shown.began_at)}"
    said = (
        f"{_groups(total)}, {is_open} of them open with {firing} alerts that fire. They are shown here together."
        f"{_by_severity(shown)}"
    )
    windows = _context(*map(silence.on_storm, shown.windows[:WINDOWS_SHOWN]))
    return [b.section(f"{title}\n{said}"), *_breakdown(shown), *windows, *_attend(shown)]


def _by_severity(shown: StormCard) -> str:
    counts: dict[str, int] = {}
    for line in sorted(shown.lines, key=lambda one: one.rank):
        counts[line.severity] = counts.get(line.severity, 0) + line.open
    bad = [f"{count} of {literal(severity)}" for severity, count in counts.items() if count]
    return f" Open are {listing(bad)}." if len(bad) > 1 else ""


def _groups(count: int) -> str:
    return "1 group" if count == 1 else f"{count} groups"


def _breakdown(shown: StormCard) -> list[Block]:
    blocks, rest = b.sections([_line(line) for line in shown.lines[:PARTS_SHOWN]], 5), shown.lines[PARTS_SHOWN:]
    if rest:
        groups, firing = sum(line.groups for line in rest), sum(line.firing for line in rest)
        blocks.append(b.context(f"And {len(rest)} more kinds of alert: {_groups(groups)}, {firing} alerts fire."))
    return blocks


def _line(line: Line) -> str:
    mark = MARKERS[min(line.rank, len(MARKERS) - 1)] if line.open else DONE
    name = clip_safe(literal(one_line(line.name) or "without a name"), NAME_LIMIT)
    alerts = f"{line.firing} alert fires" if line.firing == 1 else f"{line.firing} alerts fire"
    groups = f", {_groups(line.groups)}" if line.groups > 1 else ""
    return f"{mark} {literal(line.severity)} {literal(line.service)} · {name}: {alerts}{groups}"


def _attend(shown: StormCard) -> list[Block]:
    return [
        b.section(
            f"{marker(group)} *{group} {_name(group)}*",
            b.button("Acknowledge", "alert.ack", str(group), style="primary"),
        )
        for group in shown.worst
    ]


# --- why --------------------------------------------------------------------------------------------------------------


def why(shown: Card, channel: str, escalation_policy: Sequence[str] = ()) -> str:
    """`channel` as people write it, `escalation_policy` the lines about its steps."""
    group = shown.group
    head = f"*{group} {_name(group)}*: {literal(_level(shown.severity))} of {literal(shown.service.name)}, {channel}."
    lines = [
        *map(literal, group.why),
        f"Alerts with {_common(group)} are one group.",
        f"It led to {shown.incident or 'no incident'}.",
        *_held(shown),
        *(escalation_policy or [_no_escalation_policy(shown)]),
        *map(literal, group.noticed[:10]),
    ]
    return clip("\n• ".join([head, *lines]), 3800)


def _common(group: AlertGroup) -> str:
    named = [(name, value) for name, value in group.labels if name != "heartbeat"]
    same = ", ".join(_pair(name, value) for name, value in named if value)
    without = ", ".join(literal(name) for name, value in named if not value)
    return f"the same {same}{f' and without {without}' if without else ''}"


def _no_escalation_policy(shown: Card) -> str:
    if shown.severity.on_alert is OnAlert.LOG:
        return f"Alerts of {literal(shown.severity.key)} are only logged: it has no card, and nobody is called for it."
    if shown.group.escalation_policy:
        return f"Its escalation policy is “{literal(shown.group.escalation_policy)}”, and has not begun."
    return "It has no escalation policy, so nobody is called for it beyond that."
