"""/incident note [INC-n] <text> · the shortcut *Add to timeline* · pins and the pushpin reaction"""

from __future__ import annotations

from typing import Any

from bot.deps import Deps
from bot.domain.incidents.draft import readable
from bot.domain.people.person import Actor
from bot.interactions import Ask, Mark, Reply
from bot.services.incidents import queries as incident_queries
from bot.services.incidents import timeline

PUSHPIN = {"pushpin", "round_pushpin"}


async def ask(ask: Ask, deps: Deps) -> Reply:
    incident, text = await incident_queries.named(deps, ask.text, ask.where, ask.by)
    incident = await timeline.note(deps, incident.id, readable(text), ask.by)
    return Reply(f"Noted in the timeline of {incident}.")


async def shortcut(mark: Mark, deps: Deps) -> Reply:
    """A message of an incident's channel or thread becomes a row of its timeline."""
    incident, _ = await incident_queries.named(deps, "", mark.where, mark.by)
    source = f"{mark.where.channel}:{mark.where.ts}"
    is_new = await timeline.mark(deps, incident, readable(mark.text), source, "message", mark.author, mark.by)
    return Reply(f"On the timeline of {incident}." if is_new else f"It is on the timeline of {incident}.")


async def reaction(event: dict[str, Any], by: Actor, deps: Deps) -> None:
    """The pushpin adds the message, taking the last one away removes it."""
    name = event.get("reaction")
    if name in PUSHPIN and event.get("item", {}).get("type") == "message":
        item = event["item"]
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
