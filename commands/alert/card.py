"""The buttons of an alert's card: Acknowledge, Unacknowledge, Declare incident, Resolve, Silence, End silence"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.people.person import Actor
from bot.interactions import BlockAction, Reply
from bot.services.alerts import operations as alert_operations
from bot.views.kit.mrkdwn import moment
from commands.incident import ack, declare as incident


async def _number(click: BlockAction, deps: Deps) -> int:
    return (await alert_operations.by_name(deps, click.value)).id


async def acknowledge(click: BlockAction, deps: Deps) -> Reply:
    return await ack.acknowledge_alert(deps, await _number(click, deps), click.by)


async def unacknowledge(click: BlockAction, deps: Deps) -> Reply:
    group, was_so = await alert_operations.unacknowledge(deps, await _number(click, deps), click.by)
    return Reply(f"Nobody is on {group} now." if was_so else f"Nobody was on {group}.")


async def declare(click: BlockAction, deps: Deps) -> Reply:
    found, is_new = await alert_operations.declare(deps, await _number(click, deps), click.by)
    return Reply(await incident.declared(deps, found, is_new))


async def resolve(click: BlockAction, deps: Deps) -> Reply:
    return await resolved(deps, await _number(click, deps), click.by)


async def resolved(deps: Deps, number: int, by: Actor) -> Reply:
    group, is_first = await alert_operations.resolve(deps, number, by)
    return Reply(f"{group} is resolved." if is_first else f"{group} was resolved already.")


async def silence(click: BlockAction, deps: Deps) -> Reply:
    return await silenced(deps, (await alert_operations.by_card(deps, click.where)).id, click.value, click.by)


async def silenced(deps: Deps, number: int, word: str, by: Actor) -> Reply:
    group = await alert_operations.silence(deps, number, word, by)
    until = moment(group.silenced_until) if group.silenced_until else "now"
    return Reply(f"{group} is silent until {until}. Its card stays, and nobody is told of it meanwhile.")


async def unsilence(click: BlockAction, deps: Deps) -> Reply:
    return await unsilenced(deps, await _number(click, deps), click.by)


async def unsilenced(deps: Deps, number: int, by: Actor) -> Reply:
    group, was_so = await alert_operations.unsilence(deps, number, by)
    return Reply(f"{group} is no longer silenced." if was_so else f"{group} was not silenced.")
