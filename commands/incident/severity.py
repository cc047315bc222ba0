"""/incident severity [INC-n] <level>"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.errors import Unclear
from bot.domain.text.wording import listing
from bot.interactions import Command, Reply
from bot.services.incidents import lifecycle as incidents, queries as incident_queries
from bot.views import incident as view
from bot.views.kit.mrkdwn import literal


async def on_command(command: Command, deps: Deps) -> Reply:
    incident, word = await incident_queries.named(deps, command.text, command.where, command.by)
    if not word:
        levels = deps.catalogue.service_or_default(incident.service).severity_keys()
        raise Unclear(f"{incident} is {incident.severity}. Its service has {listing(levels)}: `/incident severity P1`.")
    incident, is_new = await incidents.set_severity(deps, incident.id, word.split()[0], command.by)
    if not is_new:
        return Reply(f"{incident} is {literal(incident.severity)} already.")
    return Reply(f"{incident} is {literal(incident.severity)} now. Next update {view.next_update(incident)}.")
