"""An incident as people see it: its card, its messages, its lines in a list. Values in, blocks out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.alerts.group import AlertGroup
from bot.domain.alerts.maintenance import Window
from bot.domain.catalogue.service import Service
from bot.domain.catalogue.severity import Severity
from bot.domain.incidents.incident import Entry, Incident, Placement, Role, Status, Update, measures
from bot.domain.people.person import BOT
from bot.domain.text import duration
from bot.interactions import Block
from bot.views import silence
from bot.views.kit import blocks as b
from bot.views.kit.mrkdwn import Safe, channel, clip, clock, escape, link, literal, mention, moment

MARKERS = ("\N{LARGE RED CIRCLE}", "\N{LARGE ORANGE CIRCLE}", "\N{LARGE YELLOW CIRCLE}", "\N{LARGE BLUE CIRCLE}")
DONE = "\N{WHITE HEAVY CHECK MARK}"
TIMELINE_LIMIT = 40
ALERTS_SHOWN = 5
ALERT_LIMIT = 80


@dataclass(frozen=True)
class Card:
    incident: Incident
    service: Service
    severity: Severity
    roles: Mapping[str, str]
    last: Update | None
    is_home: bool  # whether people work here, and so whether it carries the buttons
    source: str | None = None  # address of the message it was declared from
    maintenance: Window | None = None  # that its service is in
    coming: str = ""  # what its escalation policy does next
    alerts: Sequence[tuple[AlertGroup, str | None]] = ()  # that belong to it, with links to their cards


def marker(incident: Incident) -> str:
    return MARKERS[min(incident.rank, len(MARKERS) - 1)] if incident.is_open else DONE


def headline(incident: Incident) -> str:
    return f"{marker(incident)} {incident} {incident.short_title}"


def fallback(incident: Incident, text: str) -> str:
    """Harmless also where Slack reads markup in it."""
    return literal(f"{incident} {incident.short_title}: {text}")


def card(shown: Card) -> list[Block]:
    incident = shown.incident
    parts = [b.header(headline(incident)), *_flags(shown), _facts(shown)]
    if len(incident.title) > len(incident.short_title):
        parts.append(b.section(literal(incident.title)))
    if incident.impact:
        parts.append(b.section(f"*Impact*\n{escape(incident.impact)}"))
    if incident.fix and not incident.is_open:
        parts.append(b.section(f"*What fixed it*\n{escape(incident.fix)}"))
    if shown.last and shown.last.text:
        parts.append(b.section(f"*Latest update*, {_author(shown.last.author)}\n{clip(escape(shown.last.text), 600)}"))
    if shown.source:
        parts.append(b.context(f"Declared from {link(shown.source, 'this message')}."))
    if shown.alerts:
        parts.append(b.context(_alerts(shown)))
    if shown.coming:
        parts.append(b.context(shown.coming))
    return [*parts, b.context(_where(shown)), *_buttons(shown)]


def _alerts(shown: Card) -> str:
    said = [_alert(shown.incident, group, url) for group, url in shown.alerts[:ALERTS_SHOWN]]
    more = ["and more"] if len(shown.alerts) > ALERTS_SHOWN else []
    return f"{'Alert' if len(shown.alerts) == 1 else 'Alerts'}: {' · '.join([*said, *more])}"


def _alert(incident: Incident, group: AlertGroup, url: str | None) -> str:
    called = " ".join(group.called.split())
    name = "" if called == incident.title else f" {clip(literal(called), ALERT_LIMIT)}"
    return f"{link(url, str(group))}{name} {'fires' if group.is_open else 'is resolved'}"


def _flags(shown: Card) -> list[Block]:
    incident, flags = shown.incident, []
    if incident.drill:
        flags.append("Drill: practise as if it were real; it does not count in the figures.")
    if incident.private:
        flags.append("Private: only people in this channel see it.")
    if shown.maintenance and incident.is_open:
        flags.append(silence.on_incident(shown.maintenance, shown.service.name))
    return [b.context(*flags)] if flags else []


def _facts(shown: Card) -> Block:
    incident = shown.incident
    holders = [f"{role}: {mention(person)}" for role, person in shown.roles.items()]
    if incident.acknowledged_by and not holders:
        holders = [f"{mention(incident.acknowledged_by)} acknowledged"]
    return b.fields(
        ("Severity", f"{escape(shown.severity.key)} {escape(shown.severity.name)}"),
        ("Status", str(incident.status)),
        ("Service", escape(shown.service.name)),
        ("On it", "\n".join(holders) or "nobody yet"),
        ("Declared", f"{_author(incident.declared_by)}, {moment(incident.declared_at)}"),
        ("Next update", next_update(incident)),
    )


def next_update(incident: Incident) -> str:
    if not incident.is_open:
        return f"none: {incident.status}"
    return f"by {clock(incident.next_update_at)}" if incident.next_update_at else "none promised"


def _where(shown: Card) -> str:
    incident = shown.incident
    if incident.placement is Placement.THREAD:
        return "Work on it in the thread of this message; mention me there, since commands do not work in threads."
    if shown.is_home:
        return f"`/incident` here shows what you can do. Acknowledged: {_acknowledged(incident)}."
    return f"Channel: {channel(incident.slack.channel)}" if incident.slack.channel else "Its channel is being opened."


def _acknowledged(incident: Incident) -> str:
    if not incident.acknowledged_at or not incident.acknowledged_by:
        return "not yet"
    return f"{mention(incident.acknowledged_by)}, {moment(incident.acknowledged_at)}"


def _buttons(shown: Card) -> list[Block]:
    incident = shown.incident
    if not shown.is_home:
        return b.actions(_acknowledge(incident)) if incident.is_open else []
    if not incident.is_open:
        return b.actions(*closing_buttons(incident))
    return b.actions(
        _acknowledge(incident),
        b.button("Post update", "incident.update", incident.name),
        b.button("Resolve", "incident.resolve", incident.name),
    ) + b.actions(*[claim(incident, role) for role in Role if role not in shown.roles])


def _acknowledge(incident: Incident) -> Block | None:
    if incident.acknowledged_at:
        return None
    return b.button("Acknowledge", "incident.ack", incident.name, style="primary")


def claim(incident: Incident, role: Role) -> Block:
    return b.button(f"Take {role}", f"role.claim:{role}", f"{incident}:{role}")


def closing_buttons(incident: Incident) -> list[Block | None]:
    confirm = b.button("Confirm", "incident.confirm", incident.name, style="primary")
    sure = b.confirm("Reopen?", f"{incident} becomes open again and updates are promised again.", "Reopen")
    return [
        confirm if incident.status is Status.RESOLVED else None,
        b.button("Reopen", "incident.reopen", incident.name, confirm=sure),
    ]


def topic(incident: Incident, severity: Severity, commander: str | None) -> str:
    """At most 250 characters, plain text; `commander` is a name."""
    lead = f"commander {commander[:80]}" if commander else "no commander yet"
    text = f"{marker(incident)} {severity.key} {incident.status} · {lead} · "
    return text + incident.short_title[: 250 - len(text)]


def _author(actor: str) -> str:
    return BOT if actor == BOT else mention(actor)


# --- what happened, as sentences ---

ALERT = "alert"
WROTE = {"pin": "wrote", "reaction": "wrote", "message": "wrote", "note": "noted"}


def sentence(entry: Entry) -> Safe:
    text = literal(" ".join(entry.text.split()))
    if entry.kind == ALERT:  # a whole sentence of its own
        return text if entry.actor == BOT else Safe(f"{_author(entry.actor)}: {text}")
    verb = WROTE.get(entry.kind)
    return Safe(f"{_author(entry.actor)} {verb}: {text}" if verb else f"{_author(entry.actor)} {text}")


def timeline(incident: Incident, entries: Sequence[Entry]) -> list[Block]:
    shown = entries[-TIMELINE_LIMIT:]
    lines = [f"{moment(entry.at)}  {clip(sentence(entry), 280)}" for entry in shown]
    parts = [b.header(f"Timeline of {incident}"), *b.sections(lines, 8)]
    if len(entries) > len(shown):
        parts.append(b.context(f"The newest {len(shown)} of {len(entries)}. All of it: `tocsin export {incident}`."))
    return parts


# --- messages ---


def update_message(
    incident: Incident, severity: Severity, update: Update, words: str, changes: Sequence[str], own: bool
) -> list[Block]:
    if own:
        marked = "Posted by tocsin from what it knows, since nobody had written. Say more with one click."
        more = b.button("Post update", "incident.update", incident.name) if incident.is_open else None
        return [b.section(words), b.context(marked), *b.actions(more)]
    parts = [b.section(f"*Update on {incident}*\n{escape(update.text)}")]
    if changes:
        parts.append(b.context("Since the last update: " + "; ".join(clip(change, 200) for change in changes[:8])))
    line = f"{severity.key} · {incident.status} · next update {next_update_after(update)} · by {_author(update.author)}"
    return [*parts, b.context(line)]


def next_update_after(update: Update) -> str:
    return f"by {clock(update.next_update_at)}" if update.next_update_at else "not promised"


def reminder_message(incident: Incident, words: str) -> list[Block]:
    return [
        b.section(words),
        *b.actions(
            b.button("Post update", "incident.update", incident.name, style="primary"),
            b.button("Snooze 10 min", "incident.snooze", incident.name),
        ),
    ]


def resolved_message(incident: Incident, words: str) -> list[Block]:
    until = watched_until(incident)
    watched = [b.context(f"I watch until {clock(until)}, then ask here whether it holds.")] if until else []
    return [b.section(words), *watched, *b.actions(*closing_buttons(incident)[1:])]


def watched_until(incident: Incident) -> datetime | None:
    return incident.watch_until if incident.watch_until != incident.resolved_at else None


def watch_message(incident: Incident, closes_at: datetime) -> list[Block]:
    text = f"*Does the fix of {incident} hold?* The watch period is over. Without an answer I close it at"
    return [b.section(f"{text} {clock(closes_at)}."), *b.actions(*closing_buttons(incident))]


def closed_text(incident: Incident, actor: str) -> str:
    if actor == BOT:
        return f"{incident} is closed: nobody objected after the watch period. To open it again: `/incident reopen`."
    return f"{incident} is closed: {mention(actor)} confirmed that the fix holds."


def reopened_text(incident: Incident, actor: str) -> str:
    return f"{mention(actor)} reopened {incident}. Next update {next_update(incident)}."


def stranded(incident: Incident, what: str, error: str, announced_in: str) -> str:
    """`what`: `open`, no channel could be opened for it, or `lost`, its channel is not usable."""
    trouble = "I could not open a channel for it" if what == "open" else "I can no longer write in its channel"
    said = f"{incident}: {trouble}; Slack says `{escape(error)}`."
    if not incident.private:
        return f"{said} It goes on in the thread of its card in {literal(announced_in)}: mention me there."
    if what == "open":
        return f"{said} I try again every 5 minutes. Ask an administrator to let me create private channels."
    return f"{said} Invite me to it again, and I go on."


# --- lists ---


def line(incident: Incident, commander: str | None = None) -> str:
    lead = f" · {mention(commander)}" if commander else ""
    place = f" · {channel(incident.slack.channel)}" if incident.slack.channel else ""
    return (
        f"{marker(incident)} *{incident}* {literal(incident.short_title)}\n"
        f"{literal(incident.severity)} · {incident.status}{lead}{place} · next update {next_update(incident)}"
    )


def listed(title: str, incidents: Sequence[Incident], empty: str) -> list[Block]:
    lines = [b.section(line(incident)) for incident in incidents[:40]]
    return [b.section(f"*{title}*"), *(lines or [b.section(empty)])]


def overview(incidents: Sequence[Incident]) -> list[Block]:
    return [
        *listed("Open incidents", incidents, "No incident is open."),
        *b.actions(b.button("Declare an incident", "incident.declare", "new", style="primary")),
        b.context("`/incident help` lists what I understand."),
    ]


# --- figures ---


def spoken(span: timedelta | None) -> str:
    return "–" if span is None else duration.brief(span)


def figures(incident: Incident) -> str:
    taken = measures(incident)
    return (
        f"Acknowledged after {spoken(taken.to_acknowledge)}, mitigated after {spoken(taken.to_mitigate)}, "
        f"resolved after {spoken(taken.to_resolve)}."
    )


def postmortem_message(incident: Incident) -> list[Block]:
    text = f"*Post-mortem draft of {incident}*\n{figures(incident)}"
    if incident.postmortem_done_at:
        return [b.section(f"{DONE} {text}\nMarked done {moment(incident.postmortem_done_at)}.")]
    due = f"Due {moment(incident.postmortem_due_at)}. " if incident.postmortem_due_at else ""
    return [
        b.section(f"{text}\n{due}The draft is the file in this thread; root cause and lessons are yours to write."),
        *b.actions(
            b.button("Edit draft", "postmortem.edit", incident.name, style="primary"),
            b.button("Mark done", "postmortem.done", incident.name),
        ),
    ]


def postmortem_reminder(incident: Incident, now: datetime) -> str:
    due = incident.postmortem_due_at or now
    is_due = f"{'is' if due > now else 'was'} due {moment(due)}"
    return f"The post-mortem of {incident} {is_due}. Edit the draft and mark it done in its thread."
