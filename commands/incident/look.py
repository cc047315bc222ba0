"""/incident · list [open|all|mine] · show [INC-n] · timeline [INC-n]"""

from __future__ import annotations

from bot.deps import Deps
from bot.interactions import Ask, Reply
from bot.services.incidents import card as cards
from bot.services.incidents import queries as incident_queries
from bot.services.incidents import timeline as timeline_
from bot.views import incident as view


async def overview(ask: Ask, deps: Deps) -> Reply:
    """In an incident's own channel: that incident. Elsewhere: what is open."""
    here = await incident_queries.living_here(deps, ask.where)
    if here:
        return await _show(deps, here.id, ask)
    found = await incident_queries.open_incidents(deps, ask.by)
    return Reply(_said(len(found)), view.overview(found))


def _said(count: int) -> str:
    return {0: "No incident is open.", 1: "1 incident is open."}.get(count, f"{count} incidents are open.")


async def listed(ask: Ask, deps: Deps) -> Reply:
    which = ask.text.strip().casefold() or "open"
    found = await incident_queries.listed(deps, which, ask.by)
    title = {"open": "Open incidents", "all": "The newest incidents", "mine": "Your incidents"}[which]
    return Reply(f"{title}: {len(found)}", view.listed(title, found, "None."))


async def show(ask: Ask, deps: Deps) -> Reply:
    incident, _ = await incident_queries.named(deps, ask.text, ask.where, ask.by)
    return await _show(deps, incident.id, ask)


async def _show(deps: Deps, number: int, ask: Ask) -> Reply:
    card = await cards.of(deps, number)
    text = view.fallback(card.incident, f"{card.incident.severity}, {card.incident.status}")
    return Reply(text, view.card(card))


async def timeline(ask: Ask, deps: Deps) -> Reply:
    incident, _ = await incident_queries.named(deps, ask.text, ask.where, ask.by)
    entries = await timeline_.entries(deps, incident)
    return Reply(f"Timeline of {incident}: {len(entries)} entries.", view.timeline(incident, entries))
