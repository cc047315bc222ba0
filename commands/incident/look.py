"""/incident · list [open|all|mine] · show [INC-n] · timeline [INC-n]"""

from __future__ import annotations

from bot.deps import Deps
from bot.interactions import Command, Reply
from bot.services.incidents import card as cards, queries as incident_queries, timeline as timeline_
from bot.views import incident as view


async def overview(command: Command, deps: Deps) -> Reply:
    """In an incident's own channel: that incident. Elsewhere: what is open."""
    here = await incident_queries.living_here(deps, command.where)
    if here:
        return await _show(deps, here.id, command)
    found = await incident_queries.open_incidents(deps, command.by)
    said = {0: "No incident is open.", 1: "1 incident is open."}.get(len(found), f"{len(found)} incidents are open.")
    return Reply(said, view.overview(found))


async def listed(command: Command, deps: Deps) -> Reply:
    which = command.text.strip().casefold() or "open"
    found = await incident_queries.listed(deps, which, command.by)
    title = {"open": "Open incidents", "all": "The newest incidents", "mine": "Your incidents"}[which]
    return Reply(f"{title}: {len(found)}", view.listed(title, found, "None."))


async def show(command: Command, deps: Deps) -> Reply:
    incident, _ = await incident_queries.named(deps, command.text, command.where, command.by)
    return await _show(deps, incident.id, command)


async def _show(deps: Deps, number: int, command: Command) -> Reply:
    card = await cards.of(deps, number)
    return Reply(view.fallback(card.incident, f"{card.incident.severity}, {card.incident.status}"), view.card(card))


async def timeline(command: Command, deps: Deps) -> Reply:
    incident, _ = await incident_queries.named(deps, command.text, command.where, command.by)
    entries = await timeline_.entries(deps, incident)
    return Reply(f"Timeline of {incident}: {len(entries)} entries.", view.timeline(incident, entries))
