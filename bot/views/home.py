from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from typing import Any

from bot.domain.alerts.group import AlertGroup
from bot.domain.incidents.incident import Incident
from bot.domain.runs.approval import UNDO, WHOLE_RUN, ApprovalRequest
from bot.domain.runs.run import Run
from bot.interactions import Block
from bot.views import alert as alert_view, incident as view
from bot.views.kit import blocks as b
from bot.views.kit.mrkdwn import clip, clock, escape, link, literal, moment
from bot.views.run import asker, told, who

MOST = 15
ALERTS_SHOWN = 8


@dataclass(frozen=True)
class Decision:
    run: Run
    title: str
    asked: ApprovalRequest
    link: str | None


@dataclass(frozen=True)
class Question:
    run: Run
    title: str
    link: str | None


def home(
    open_ones: Sequence[Incident],
    leading: Sequence[Incident],
    owed: Sequence[Incident],
    decisions: Sequence[Decision] = (),
    questions: Sequence[Question] = (),
    alerts: Sequence[tuple[AlertGroup, str | None]] = (),
) -> dict[str, Any]:
    """A view for views.publish. `alerts` are unacknowledged ones, with links to their cards."""
    waiting = [
        *_titled("Your runs that wait for you", [_question(one) for one in questions[:MOST]], len(questions)),
        *_titled("Waiting for your approval", [_decision(one) for one in decisions[:MOST]], len(decisions)),
        *map(_leading, leading[:MOST]),
        *(_owed(one, one.postmortem_due_at) for one in owed[:MOST] if one.postmortem_due_at),
    ]
    parts = [
        b.header("What waits for you"),
        *(waiting or [b.section("Nothing waits for you.")]),
        *_alerts(alerts),
        b.divider(),
        *view.overview(open_ones),
    ]
    return {"type": "home", "blocks": parts[:100]}


def _alerts(found: Sequence[tuple[AlertGroup, str | None]]) -> list[Block]:
    if not found:
        return []
    more = [b.context("And more, in the alerts channels.")] if len(found) > ALERTS_SHOWN else []
    return [b.divider(), b.section("*Alerts that nobody is on*"), *starmap(_alert, found[:ALERTS_SHOWN]), *more]


def _alert(group: AlertGroup, url: str | None) -> Block:
    name = clip(literal(alert_view.one_line(group.called)), 200)
    facts = f"{literal(group.severity)} · {literal(group.service)} · since {moment(group.since)}"
    said = f"{alert_view.marker(group)} {link(url, str(group))} {name}\n{facts}"
    return b.section(said, b.button("Acknowledge", "alert.ack", str(group)))


def _question(one: Question) -> str:
    said = told(clip(one.run.sentence, 300)) or "It needs an answer."
    return f"*{one.run}* {literal(one.title)}: {said} Answer in {link(one.link, 'its thread')}."


def _decision(one: Decision) -> str:
    asked, run = one.asked, one.run
    if asked.glass_broken:
        by = who(asked.decided_by or "")
        return f"*{run}* {literal(one.title)}: {by} broke the glass. Review it in {link(one.link, 'its thread')}."
    reason = f" Reason: {escape(clip(run.reason, 200))}" if run.reason else ""
    head = f"*{run}* {literal(one.title)}{_part(asked)}, asked for by {asker(run)}.{reason}"
    return f"{head}\nDecide by {clock(asked.expires_at)} in {link(one.link, 'its thread')}."


def _part(asked: ApprovalRequest) -> str:
    return {WHOLE_RUN: "", UNDO: ", to be taken back"}.get(asked.covers, f", step {literal(asked.covers)}")


def _titled(title: str, rows: Sequence[str], count: int) -> list[Block]:
    if not rows:
        return []
    more = [b.context(f"… and {count - len(rows)} more.")] if count > len(rows) else []
    return [b.section(f"*{title}*"), *(b.section(row) for row in rows), *more]


def _leading(one: Incident) -> Block:
    due = (
        f"the next update is promised by {clock(one.next_update_at)}" if one.next_update_at else "no update is promised"
    )
    said = f"*{one}* {literal(one.short_title)}: you lead it; {due}."
    return b.section(said, b.button("Post update", "incident.update", one.name))


def _owed(one: Incident, due: datetime) -> Block:
    said = f"*{one}* {literal(one.short_title)}: the post-mortem is due {moment(due)}."
    return b.section(said, b.button("Edit draft", "postmortem.edit", one.name))
