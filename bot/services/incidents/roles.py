"""Roles: claimed by the first, or handed to somebody by name."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.errors import Conflict, Refused
from bot.domain.incidents import incident as rules
from bot.domain.incidents.incident import Incident, Placement, Role
from bot.domain.people.person import Actor, Person
from bot.ports import Tx
from bot.services.incidents import deliveries, lifecycle, queries, timeline
from bot.services.messaging import refresh
from bot.services.workspace import permissions
from bot.store.incidents import incidents as store


async def claim(deps: Deps, number: int, role: Role, by: Actor) -> Incident:
    """Raises Conflict naming the holder."""
    async with queries.responding(deps, number, by) as (tx, incident):
        rules.must_be_open(incident)
        if not await store.take_role(tx, number, role.value, by.id, deps.clock.now()):
            holder = (await store.roles_of(tx, number))[role.value]
            if holder == by.id:
                raise Conflict(f"You already are {role} of {incident}.")
            take_over = f"To take over: `/incident role {role} @{by.person.name}`."
            raise Conflict(f"<@{holder}> already is {role} of {incident}. {take_over}")
        return await _taken(deps, tx, incident, role, by.id, by, f"took the role {role}")


async def assign(deps: Deps, number: int, role: Role, person: Person, by: Actor) -> Incident:
    """Also from its holder. Raises Refused."""
    if not person.is_full_member:
        raise Refused(f"{person} is not a full member of this workspace and cannot be {role}.")
    await permissions.must(deps, person, "respond", roles={role.value: person.id})
    async with queries.responding(deps, number, by) as (tx, incident):
        rules.must_be_open(incident)
        await store.give_role(tx, number, role.value, person.id, deps.clock.now())
        text = f"took the role {role}" if person.id == by.id else f"gave the role {role} to {person}"
        return await _taken(deps, tx, incident, role, person.id, by, text)


async def _taken(deps: Deps, tx: Tx, incident: Incident, role: Role, person: str, by: Actor, text: str) -> Incident:
    """Audited, since the catalogue's lists of who may run and approve name roles."""
    await timeline.record(deps, tx, incident, by.id, "role", text, told=True, role=role.value, person=person)
    incident = await lifecycle.noticed(deps, tx, incident, by, deps.clock.now())
    await lifecycle.plant_acknowledged(tx, incident.name, by, deps.clock.now())
    await refresh.incident(deps, tx, incident)
    if incident.placement is Placement.CHANNEL and incident.slack.channel:
        await deliveries.enqueue(deps, tx, incident, deliveries.Invite([person]))
    return incident
