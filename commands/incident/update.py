"""/incident update [INC-n] [text] · remind [INC-n] <15m|off|snooze 10m>"""

from __future__ import annotations

from datetime import timedelta

from bot.deps import Deps
from bot.domain.errors import Unclear
from bot.domain.incidents import incident as rules
from bot.domain.incidents.draft import readable
from bot.domain.incidents.incident import Incident, Status
from bot.domain.text import duration
from bot.interactions import BlockAction, Command, FieldErrors, Modal, Reply, Submission
from bot.services.incidents import queries as incident_queries, updates
from bot.views import incident as view, incident_forms

SNOOZE = timedelta(minutes=10)


async def on_command(command: Command, deps: Deps) -> Reply | Modal:
    incident, text = await incident_queries.named(deps, command.text, command.where, command.by)
    if not text:
        return _modal(incident)
    incident = await updates.post(deps, incident.id, readable(text), command.by)
    return Reply(f"Update posted. Next one {view.next_update(incident)}.")


async def on_click(click: BlockAction, deps: Deps) -> Modal:
    return _modal(await incident_queries.by_subject(deps, click.value, click.by))


def _modal(incident: Incident) -> Modal:
    rules.must_be_open(incident)
    return Modal(incident_forms.update(incident), ("Post update", "incident.update", incident.name))


async def on_submit(sent: Submission, deps: Deps) -> Reply | FieldErrors:
    incident = await incident_queries.by_subject(deps, sent.metadata, sent.by)
    text = readable(sent.text("text"))
    if not text.strip():
        return FieldErrors({"text": "Say in a sentence what is new."})
    wanted = sent.text("next_update") or "default"
    incident = await updates.post(
        deps,
        incident.id,
        text,
        sent.by,
        status=_chosen(sent),
        next_update=None if wanted in ("default", "none") else duration.parse(wanted),
        none_after=wanted == "none",
    )
    return Reply(f"Update of {incident} posted. Next one {view.next_update(incident)}.")


def _chosen(sent: Submission) -> Status | None:
    """None where the status that the form showed is left, whatever it has become meanwhile."""
    chosen, shown = sent.text("status"), sent.metadata.partition(":")[2]
    return rules.status_from(chosen) if chosen and chosen != shown else None


# --- the cadence ---


async def remind(command: Command, deps: Deps) -> Reply:
    incident, words = await incident_queries.named(deps, command.text, command.where, command.by)
    first, _, rest = words.casefold().partition(" ")
    if not first:
        raise Unclear("Say how often: `/incident remind 15m`, `remind off`, or `remind snooze 10m`.")
    if first == "snooze":
        incident = await updates.snooze(deps, incident.id, command.by, duration.parse(rest) if rest else SNOOZE)
        return Reply(f"Snoozed. The next update of {incident} is promised {view.next_update(incident)}.")
    every = None if first == "off" else duration.parse(first)
    incident = await updates.set_cadence(deps, incident.id, every, command.by)
    if every is None:
        return Reply(f"{incident}: no more reminders and automatic updates. `/incident remind 15m` brings them back.")
    return Reply(f"{incident}: an update every {duration.words(every)}, the next one {view.next_update(incident)}.")


async def snooze(click: BlockAction, deps: Deps) -> Reply:
    incident = await incident_queries.by_subject(deps, click.value, click.by)
    incident = await updates.snooze(
        deps, incident.id, click.by, SNOOZE, reminder=f"{click.where.channel}:{click.where.ts}"
    )
    return Reply(f"Snoozed by 10 min. The next update of {incident} is promised {view.next_update(incident)}.")
