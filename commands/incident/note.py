"""/incident note [INC-n] <text> · the shortcut *Add to timeline* · pins and the pushpin reaction"""

from __future__ import annotations

from typing import Any

from bot.deps import Deps
from bot.domain.incidents.draft import readable
from bot.domain.people.person import Actor
from bot.interactions import Command, Reply, Shortcut
from bot.services.incidents import queries as incident_queries, timeline

PUSHPIN = {"pushpin", "round_pushpin"}


async def on_command(command: Command, deps: Deps) -> Reply:
    incident, text = await incident_queries.named(deps, command.text, command.where, command.by)
    incident = await timeline.note(deps, incident.id, readable(text), command.by)
    return Reply(f"Noted in the timeline of {incident}.")


async def on_shortcut(shortcut: Shortcut, deps: Deps) -> Reply:
    where, text, author = shortcut.where, readable(shortcut.text), shortcut.author
    incident, _ = await incident_queries.named(deps, "", where, shortcut.by)
    is_new = await timeline.mark(deps, incident, text, f"{where.channel}:{where.ts}", "message", author, shortcut.by)
    return Reply(f"On the timeline of {incident}." if is_new else f"It is on the timeline of {incident}.")


async def reaction(event: dict[str, Any], by: Actor, deps: Deps) -> None:
    name, item = event.get("reaction"), event.get("item", {})
    if name in PUSHPIN and item.get("type") == "message":
        await timeline.marked_by_event(
            deps, item["channel"], item["ts"], by, kind=f"reaction:{name}", added=event["type"] == "reaction_added"
        )


async def pin(event: dict[str, Any], by: Actor, deps: Deps) -> None:
    item = event.get("item", {})
    if item.get("type") == "message":
        ts = (item.get("message") or {}).get("ts") or item.get("ts")
        await timeline.marked_by_event(
            deps, event["channel_id"], ts, by, kind="pin", added=event["type"] == "pin_added"
        )
