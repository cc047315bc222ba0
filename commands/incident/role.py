"""/incident role [INC-n] <commander|comms|ops|scribe> [@person]"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.errors import Refused, Unclear
from bot.domain.incidents import incident as rules
from bot.domain.incidents.incident import Incident, Role
from bot.domain.people import access
from bot.domain.people.person import Actor
from bot.interactions import BlockAction, Command, Reply
from bot.services.incidents import queries as incident_queries, roles
from bot.services.workspace import people
from bot.views.kit.mrkdwn import mention


async def on_command(command: Command, deps: Deps) -> Reply:
    incident, words = await incident_queries.named(deps, command.text, command.where, command.by)
    if not words:
        raise Unclear("Say which role: `/incident role commander` for yourself, or `/incident role comms @person`.")
    role = rules.role_from(words.split()[0])
    given = words[len(words.split()[0]) :].strip()
    if not given:
        return await _claim(deps, incident, role, command.by)
    named = access.MENTION.search(given)
    if named is None:
        raise Unclear(f"I do not know who that is. Write them as a mention: `/incident role {role} @person`.")
    try:
        person = await people.find(deps, named[1], must_be_fresh=True)
    except Refused:
        raise Unclear(f"Slack does not know {mention(named[1])}. Choose somebody of this workspace.") from None
    incident = await roles.assign(deps, incident.id, role, person, command.by)
    return Reply(f"{mention(person.id)} is {role} of {incident} now.")


async def on_click(click: BlockAction, deps: Deps) -> Reply:
    incident = await incident_queries.by_subject(deps, click.value, click.by)
    return await _claim(deps, incident, rules.role_from(click.value.partition(":")[2]), click.by)


async def _claim(deps: Deps, incident: Incident, role: Role, by: Actor) -> Reply:
    incident = await roles.claim(deps, incident.id, role, by)
    return Reply(f"You are {role} of {incident} now.")
