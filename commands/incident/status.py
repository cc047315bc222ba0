"""/incident status [INC-n] <investigating|identified|mitigating|monitoring|resolved>"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.errors import Unclear
from bot.domain.incidents import incident as rules
from bot.domain.incidents.incident import Status
from bot.interactions import Command, Modal, Reply
from bot.services.incidents import lifecycle as incidents, queries as incident_queries
from commands.incident import resolve


async def on_command(command: Command, deps: Deps) -> Reply | Modal:
    incident, word = await incident_queries.named(deps, command.text, command.where, command.by)
    if not word:
        raise Unclear(
            f"{incident} is {incident.status}. Set it with `/incident status` and investigating, identified, "
            "mitigating, monitoring or resolved."
        )
    first, _, rest = word.partition(" ")
    status = rules.status_from(first)
    if status is Status.RESOLVED:
        return await resolve.of(deps, incident, rest.strip(), command.by)
    if status is Status.CLOSED:
        raise Unclear("To close a resolved incident: `/incident close`.")
    incident, is_new = await incidents.set_status(deps, incident.id, status, command.by)
    return Reply(f"{incident} is {status} now." if is_new else f"{incident} is {status} already.")
