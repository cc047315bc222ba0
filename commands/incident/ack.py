"""/incident ack [INC-n|ALR-n]"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.people.person import Actor
from bot.interactions import BlockAction, Command, Reply
from bot.services.alerts import operations as alert_operations
from bot.services.incidents import lifecycle as incidents, queries as incident_queries
from bot.views.kit.mrkdwn import mention


async def on_command(command: Command, deps: Deps) -> Reply:
    group, _ = await alert_operations.named(deps, command.text, command.where)
    if group:
        return await acknowledge_alert(deps, group.id, command.by)
    incident, _ = await incident_queries.named(deps, command.text, command.where, command.by)
    return await _acknowledge(deps, incident.id, command.by)


async def on_click(click: BlockAction, deps: Deps) -> Reply:
    return await _acknowledge(deps, (await incident_queries.by_subject(deps, click.value, click.by)).id, click.by)


async def acknowledge_alert(deps: Deps, number: int, by: Actor) -> Reply:
    group, is_first = await alert_operations.acknowledge(deps, number, by)
    if is_first:
        return Reply(f"You acknowledged {group}. If you cannot look after it, take it back on its card.")
    return Reply(f"{mention(group.acknowledged_by or '')} already acknowledged {group}.")


async def _acknowledge(deps: Deps, number: int, by: Actor) -> Reply:
    incident, is_first = await incidents.acknowledge(deps, number, by)
    if is_first:
        return Reply(f"You acknowledged {incident}. To lead it: `/incident role commander`.")
    return Reply(f"{mention(incident.acknowledged_by or '')} already acknowledged {incident}.")
