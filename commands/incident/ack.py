"""/incident ack [INC-n|ALR-n]"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.people.person import Actor
from bot.interactions import Ask, Press, Reply
from bot.services.alerts import operations as alert_operations
from bot.services.incidents import lifecycle as incidents
from bot.services.incidents import queries as incident_queries
from bot.views.kit.mrkdwn import mention
from commands.alert import card


async def ask(ask: Ask, deps: Deps) -> Reply:
    group, _ = await alert_operations.named(deps, ask.text, ask.where)
    if group:
        return await card.acknowledged(deps, group.id, ask.by)
    incident, _ = await incident_queries.named(deps, ask.text, ask.where, ask.by)
    return await _acknowledge(deps, incident.id, ask.by)


async def press(press: Press, deps: Deps) -> Reply:
    incident = await incident_queries.by_subject(deps, press.value, press.by)
    return await _acknowledge(deps, incident.id, press.by)


async def _acknowledge(deps: Deps, number: int, by: Actor) -> Reply:
    incident, is_first = await incidents.acknowledge(deps, number, by)
    await alert_operations.acknowledge_with(deps, incident, by)
    if is_first:
        return Reply(f"You acknowledged {incident}. To lead it: `/incident role commander`.")
    return Reply(f"{mention(incident.acknowledged_by or '')} already acknowledged {incident}.")
