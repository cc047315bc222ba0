"""The Home tab as blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.domain.alerts.group import AlertGroup
from bot.domain.incidents.incident import Incident
from bot.domain.runs.approval import UNDO, WHOLE_RUN, ApprovalRequest
from bot.domain.runs.run import Run
from bot.interactions import Block
from bot.views import alert as alert_view
from bot.views import incident as view
from bot.views.kit import blocks as b
from bot.views.kit.mrkdwn import clip, clock, escape, link, literal, moment
from bot.views.run import asker, told, who

MOST = 15
ALERTS_SHOWN = 8


@dataclass(frozen=True)
class Decision:
    """A question that this person may decide, or a broken glass to review. `link` leads to it."""

    run: Run
    title: str
    asked: ApprovalRequest
    link: str | None


@dataclass(frozen=True)
class Question:
    """A run of this person's that waits for them to say whether a step happened. `link` leads to its thread."""

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
    """A view for views.publish. `alerts` are those that nobody is on, with links to their cards."""
    waiting = [*_questions(questions), *_decisions(decisions), *_leading(leading), *_owed(owed)]
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
    rows = [_alert(group, url) for group, url in found[:ALERTS_SHOWN]]
    return [b.divider(), b.section("*Alerts that nobody is on*"), *rows, *more]


def _alert(group: AlertGroup, url: str | None) -> Block:
    name = clip(literal(" ".join(group.called.split())), 200)
    said = f"{alert_view.marker(group)} {link(url, str(group)) if url else group} {name}"
    facts = f"{literal(group.severity)} · {literal(group.service)} · since {moment(group.since)}"
    return b.section(f"{said}\n{facts}", b.button("Acknowledge", "alert.ack", str(group)))


def _questions(found: Sequence[Question]) -> list[Block]:
    return _titled("Your runs that wait for you", [_question(one) for one in found[:MOST]], len(found))


def _question(one: Question) -> str:
    said = told(clip(one.run.sentence, 300)) or "It needs an answer."
    return f"*{one.run}* {literal(one.title)}: {said} Answer in {_thread(one.link)}."


def _decisions(found: Sequence[Decision]) -> list[Block]:
    return _titled("Waiting for your approval", [_decision(one) for one in found[:MOST]], len(found))


def _decision(one: Decision) -> str:
    asked, run = one.asked, one.run
    if asked.glass_broken:
        by = who(asked.decided_by or "")
        return f"*{run}* {literal(one.title)}: {by} broke the glass. Review it in {_thread(one.link)}."
    reason = f" Reason: {escape(clip(run.reason, 200))}" if run.reason else ""
    head = f"*{run}* {literal(one.title)}{_part(asked)}, asked for by {asker(run)}.{reason}"
    return f"{head}\nDecide by {clock(asked.expires_at)} in {_thread(one.link)}."


def _part(asked: ApprovalRequest) -> str:
    """What exactly is asked, where it is not the whole run."""
    if asked.covers == WHOLE_RUN:
        return ""
    return ", to be taken back" if asked.covers == UNDO else f", step {literal(asked.covers)}"


def _thread(address: str | None) -> str:
    return str(link(address, "its thread")) if address else "its thread"


def _titled(title: str, rows: Sequence[str], count: int) -> list[Block]:
    if not rows:
        return []
    more = [b.context(f"… and {count - len(rows)} more.")] if count > len(rows) else []
    return [b.section(f"*{title}*"), *(b.section(row) for row in rows), *more]


def _leading(found: Sequence[Incident]) -> list[Block]:
    return [
        b.section(
            f"*{one}* {literal(one.short_title)}: {_promised(one)}",
            b.button("Post update", "incident.update", one.name),
        )
        for one in found[:MOST]
    ]


def _promised(incident: Incident) -> str:
    if incident.next_update_at:
        return f"you lead it; the next update is promised by {clock(incident.next_update_at)}."
    return "you lead it; no update is promised."


def _owed(found: Sequence[Incident]) -> list[Block]:
    return [
        b.section(
            f"*{one}* {literal(one.short_title)}: the post-mortem is due {moment(one.postmortem_due_at)}.",
            b.button("Edit draft", "postmortem.edit", one.name),
        )
        for one in found[:MOST]
        if one.postmortem_due_at
    ]
