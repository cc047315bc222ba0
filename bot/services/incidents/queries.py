"""Incidents as people name and see them: private ones only for those who may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.deps import Deps
from bot.domain.errors import Missing, Refused, Unclear
from bot.domain.incidents import incident as rules
from bot.domain.incidents.incident import Incident
from bot.domain.people.person import Actor, Person
from bot.domain.text.wording import listing
from bot.interactions import Where
from bot.ports import Tx
from bot.queue.unit_of_work import begin
from bot.services.workspace import permissions
from bot.store.incidents import incidents as store


async def named(deps: Deps, text: str, where: Where, by: Actor) -> tuple[Incident, str]:
    """By the first word (`INC-42 …`), or by the channel or thread; and the rest of the text.

    Raises Missing for one that does not exist or may not be seen, Unclear with the open ones where none is meant.
    """
    first, _, rest = text.strip().partition(" ")
    number = rules.number(first)
    if number is not None:
        return await visible(deps, number, by), rest.strip()
    here = await living_here(deps, where)
    if here:
        return here, text.strip()
    there = await open_incidents(deps, by)
    if not there:
        raise Unclear("There is no open incident here. Declare one: `/incident declare P1 checkout is down`.")
    names = listing([f"{one} ({one.short_title})" for one in there[:5]], "or")
    raise Unclear(f"Which one? Name it first: {names}.")


async def living_here(deps: Deps, where: Where) -> Incident | None:
    if not where.channel:
        return None
    async with deps.database.reading() as tx:
        return await store.living_in(tx, where.channel, where.thread or where.ts)


async def visible(deps: Deps, number: int, by: Actor) -> Incident:
    """Raises Missing alike for an incident that the actor may not see and for one that does not exist."""
    async with deps.database.reading() as tx:
        incident = await store.get(tx, number)
        held = await store.roles_of(tx, number) if incident.private else {}
    # A private channel is typed and clicked in by its members alone.
    is_inside = by.channel is not None and by.channel == incident.slack.channel
    if is_inside or may_see(incident, by.person, held) or await _administers(deps, by.person):
        return incident
    raise Missing(f"There is no INC-{number}. `/incident list all` shows what there is.")


def may_see(incident: Incident, person: Person, held: Mapping[str, str]) -> bool:
    return not incident.private or incident.declared_by == person.id or person.id in held.values()


async def _administers(deps: Deps, person: Person) -> bool:
    try:
        await permissions.must(deps, person, "admin")
    except Refused:
        return False
    return True


async def by_subject(deps: Deps, subject: str, by: Actor) -> Incident:
    """By a button's value, `INC-42` or `INC-42:commander`. Raises Missing."""
    number = rules.number(subject.partition(":")[0])
    if number is None:
        raise Missing("That button belongs to nothing I know. `/incident list` shows what is open.")
    return await visible(deps, number, by)


async def open_incidents(deps: Deps, by: Actor, *, limit: int = 20) -> list[Incident]:
    async with deps.database.reading() as tx:
        found, held = await _with_roles(tx, await store.open_ones(tx, limit))
    return await _seen(deps, found, held, by)


async def listed(deps: Deps, which: str, by: Actor) -> list[Incident]:
    """`which` is `open`, `all` or `mine`. Raises Unclear."""
    queries = {"open": store.open_ones, "all": store.newest}
    async with deps.database.reading() as tx:
        if which == "mine":
            return await store.of_person(tx, by.id)
        if which not in queries:
            raise Unclear("Use `/incident list open`, `list all` or `list mine`.")
        found, held = await _with_roles(tx, await queries[which](tx))
    return await _seen(deps, found, held, by)


async def _with_roles(tx: Tx, found: list[Incident]) -> tuple[list[Incident], dict[int, dict[str, str]]]:
    private = [one.id for one in found if one.private]
    return found, await store.roles_of_many(tx, private) if private else {}


async def _seen(deps: Deps, found: list[Incident], held: Mapping[int, Mapping[str, str]], by: Actor) -> list[Incident]:
    seen = [one for one in found if may_see(one, by.person, held.get(one.id, {}))]
    return found if len(seen) < len(found) and await _administers(deps, by.person) else seen


async def roles_of(deps: Deps, incident: Incident) -> dict[str, str]:
    async with deps.database.reading() as tx:
        return await store.roles_of(tx, incident.id)


@dataclass(frozen=True)
class Waiting:
    leading: list[Incident]
    postmortems: list[Incident]


async def waiting_for(deps: Deps, by: Actor) -> Waiting:
    async with deps.database.reading() as tx:
        mine = [one for one in await store.of_person(tx, by.id) if one.is_open]
        held = await store.roles_of_many(tx, [one.id for one in mine])
        leading = [one for one in mine if held[one.id].get("commander") == by.id]
        return Waiting(leading, await store.postmortems_due(tx, by.id))


async def may_respond(deps: Deps, incident: Incident, by: Actor) -> None:
    """Raises Refused. Reads the incident's roles, since `respond` may name one."""
    await permissions.must(deps, by.person, "respond", roles=await roles_of(deps, incident))


@asynccontextmanager
async def responding(deps: Deps, number: int, by: Actor) -> AsyncIterator[tuple[Tx, Incident]]:
    """The incident is locked. Raises Missing, Refused, Repeated."""
    await may_respond(deps, await visible(deps, number, by), by)
    async with begin(deps, by) as tx:
        yield tx, await store.lock(tx, number)
