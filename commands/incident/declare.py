"""/incident declare [private] [drill] [severity] [service] <what is wrong>"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from bot.deps import Deps
from bot.domain.incidents.draft import Draft, clean_title, readable
from bot.domain.incidents.incident import Incident, Placement
from bot.interactions import BlockAction, Command, FieldErrors, Modal, Nothing, Reply, Shortcut, Submission
from bot.services.incidents import declare, deliveries as incident_deliveries
from bot.views import incident_forms
from bot.views.kit import links
from bot.views.kit.mrkdwn import Safe, channel, clock, link, literal

OPENER = ("Declare an incident", "incident.declare", "new")


async def on_command(command: Command, deps: Deps) -> Reply | Modal:
    draft = Draft.read(command.text, deps.catalogue)
    if draft.title is None:
        return Modal(incident_forms.declare(draft, deps.catalogue), OPENER)
    draft = replace(draft, source_channel=command.where.channel, source_ts=command.where.ts)
    incident, is_new = await declare.declare(deps, draft, command.by)
    return Reply(await declared(deps, incident, is_new))


async def declared(deps: Deps, incident: Incident, is_new: bool) -> str:
    where = _where(deps, incident)
    if not is_new:
        return f"{incident} is already declared{f': {where}' if where else ''}."
    due = f" First update by {clock(incident.next_update_at)}." if incident.next_update_at else ""
    place = "Opening its channel and inviting you."
    if incident.placement is Placement.THREAD:
        place = f"Its card goes up in {literal(await incident_deliveries.announced_in(deps, incident))}."
    return f"Declared {incident} at {literal(incident.severity)}. {place}{due}"


def _where(deps: Deps, incident: Incident) -> Safe | None:
    if incident.slack.channel:
        return channel(incident.slack.channel)
    address = links.permalink(deps, *incident.card)
    return link(address, "its card") if address else None


async def on_click(click: BlockAction, deps: Deps) -> Modal:
    return Modal(incident_forms.declare(Draft.read("", deps.catalogue), deps.catalogue), OPENER)


async def service_chosen(click: BlockAction, deps: Deps) -> Modal:
    view = incident_forms.declare(
        replace(Draft.from_fields({"service": click.value}, deps.catalogue), **_carried(click.metadata)),
        deps.catalogue,
        title=click.text("title"),
        impact=click.text("impact"),
        private=bool(click.values.get("private")),
    )
    return Modal(view, OPENER)


async def on_shortcut(shortcut: Shortcut, deps: Deps) -> Modal:
    """On a message its words become the title, and the incident links back to it."""
    where = shortcut.where
    draft = replace(Draft.read("", deps.catalogue), source_channel=where.channel, source_ts=where.ts)
    title = clean_title(readable(shortcut.text)[:250]) if shortcut.text else ""
    impact = readable(shortcut.text) if len(shortcut.text) > 250 else ""
    return Modal(incident_forms.declare(draft, deps.catalogue, title=title, impact=impact), OPENER)


async def on_submit(sent: Submission, deps: Deps) -> Nothing | Reply | FieldErrors:
    draft = replace(Draft.from_fields(sent.values, deps.catalogue), **_carried(sent.metadata))
    if draft.title is None:
        return FieldErrors({"title": "Say in a few words what is wrong."})
    incident, is_new = await declare.declare(deps, draft, sent.by)
    return Reply(await declared(deps, incident, is_new))


def _carried(text: str) -> dict[str, Any]:
    try:
        carried = json.loads(text)
        channel_id, ts = carried["source"]
        return {"source_channel": channel_id, "source_ts": ts, "drill": bool(carried["drill"])}
    except (ValueError, KeyError, TypeError):
        return {}
