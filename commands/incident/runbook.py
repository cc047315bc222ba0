"""/incident runbook [INC-n]"""

from __future__ import annotations

from bot.deps import Deps
from bot.interactions import Command, Reply
from bot.services.incidents import queries as incident_queries
from bot.services.runs import queries as runs
from bot.views import runbook as view


async def on_command(command: Command, deps: Deps) -> Reply:
    incident, _ = await incident_queries.named(deps, command.text, command.where, command.by)
    found = await runs.suggestions(deps, incident)
    if not found:
        service = deps.catalogue.service_or_default(incident.service).name
        return Reply(f"{service} has no runbooks yet. `/runbook list` shows those of other services.")
    here = await incident_queries.living_here(deps, command.where)
    title = f"{len(found)} runbook{'' if len(found) == 1 else 's'} may help with {incident}."
    return Reply(title, view.suggested(incident.name, found, here=here is not None and here.id == incident.id))
