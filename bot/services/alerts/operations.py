"""What people do with alert groups. Every public verb that takes a number is one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.deps import Deps
from bot.domain.alerts import group as rules
from bot.domain.alerts.alert import Status
from bot.domain.alerts.group import AlertGroup
from bot.domain.errors import Conflict, Missing, Repeated, Unclear
from bot.domain.incidents import incident as incident_rules
from bot.domain.incidents.incident import Incident
from bot.domain.people.person import Actor
from bot.interactions import Where
from bot.ports import Tx
from bot.queue import unit_of_work
from bot.queue.unit_of_work import begin
from bot.services.alerts import lifecycle, messages
from bot.services.escalation import text as escalation_text
from bot.services.messaging import refresh
from bot.services.workspace import permissions
from bot.store.alerts import groups as store
from bot.store.incidents import incidents as incidents_store
from bot.store.people.channels import find as find_channel
from bot.views import alert as view
from bot.views.kit import links
from bot.views.kit.mrkdwn import literal

NOTHING = "That button belongs to no alert I know."


async def by_name(deps: Deps, name: str) -> AlertGroup:
    """Raises Unclear, Missing."""
    number = rules.number(name)
    if number is None:
        raise Unclear("Name the alert: `ALR-42`, as it is on its card.")
    async with deps.database.reading() as tx:
        return await store.get(tx, number)


async def named(deps: Deps, text: str, where: Where) -> tuple[AlertGroup | None, str]:
    """By the first word (`ALR-7 …`), or by the card that it was said under; and the rest of the text.

    None where the words name an incident, or neither. Raises Missing.
    """
    first, _, rest = text.strip().partition(" ")
    if rules.number(first) is not None:
        return await by_name(deps, first), rest.strip()
    if incident_rules.number(first) is not None:
        return None, text.strip()
    return await at(deps, Where(where.channel, ts=where.thread)), text.strip()


async def by_card(deps: Deps, where: Where) -> AlertGroup:
    """Raises Missing."""
    found = await at(deps, where)
    if found is None:
        raise Missing(NOTHING)
    return found


async def at(deps: Deps, where: Where) -> AlertGroup | None:
    if not where.channel or not where.ts:
        return None
    async with deps.database.reading() as tx:
        return await store.at_place(tx, where.channel, where.ts)


async def nobody_on(deps: Deps, limit: int) -> list[tuple[AlertGroup, str | None]]:
    async with deps.database.reading() as tx:
        found = await store.nobody_on(tx, deps.clock.now(), limit)
    return [(one, links.permalink(deps, one.channel, one.ts)) for one in found]


async def why(deps: Deps, group: AlertGroup) -> str:
    async with deps.database.reading() as tx:
        place = await find_channel(tx, group.channel_name)
        channel = place.name if place and place.name else group.channel_name
        steps = await escalation_text.steps(deps, tx, str(group))
        return view.why(await messages.shown(deps, tx, group), literal(f"#{channel}"), steps)


def _must_be_open(group: AlertGroup) -> None:
    if not group.is_open:
        raise Conflict(f"{group} is resolved already. If it fires again it gets a new card.")


@asynccontextmanager
async def _responding(deps: Deps, number: int, by: Actor) -> AsyncIterator[tuple[Tx, AlertGroup]]:
    """Raises Refused, Missing, Conflict, Repeated."""
    await permissions.must(deps, by.person, "respond")
    async with begin(deps, by) as tx:
        group = await store.lock(tx, number)
        _must_be_open(group)
        yield tx, group


async def acknowledge(deps: Deps, number: int, by: Actor) -> tuple[AlertGroup, bool]:
    """Whether this person was the first. Raises Refused, Missing, Conflict."""
    async with _responding(deps, number, by) as (tx, group):
        return await lifecycle.acknowledge(deps, tx, group, by)


async def unacknowledge(deps: Deps, number: int, by: Actor) -> tuple[AlertGroup, bool]:
    async with _responding(deps, number, by) as (tx, group):
        return await unacknowledge_in(deps, tx, group, by)


async def unacknowledge_in(deps: Deps, tx: Tx, group: AlertGroup, by: Actor) -> tuple[AlertGroup, bool]:
    if not group.acknowledged_at:
        return group, False
    group = await store.change(tx, group.id, acknowledged_at=None, acknowledged_by=None)
    await lifecycle.unacknowledged(deps, tx, group, by)
    return group, True


async def resolve(deps: Deps, number: int, by: Actor) -> tuple[AlertGroup, bool]:
    """Whether it was open. An alert that fires again after five minutes opens a new group."""
    async with lifecycle.one_at_a_time(deps, by) as tx:
        return await resolve_in(deps, tx, await store.lock(tx, number), by)


async def resolve_in(deps: Deps, tx: Tx, group: AlertGroup, by: Actor) -> tuple[AlertGroup, bool]:
    """The caller holds ONE_AT_A_TIME and the group."""
    if not group.is_open:
        return group, False
    now = deps.clock.now()
    await store.end_all(tx, group.id, at=now, wall=deps.clock.wall())
    group = await store.change(tx, group.id, status=Status.RESOLVED, resolved_at=now, resolved_by=by.id, firing=0)
    await lifecycle.resolved(deps, tx, group, by.id)
    return group, True


async def silence(deps: Deps, number: int, word: str, by: Actor) -> AlertGroup:
    """`15m`, or until `morning` in its service's time zone. Raises Unclear."""
    async with _responding(deps, number, by) as (tx, group):
        service, _ = lifecycle.level(deps, group)
        until = rules.silent_until(word, deps.clock.now(), service.timezone)
        group = await store.change(tx, number, silenced_until=until, silenced_by=by.id, silence=None)
        await lifecycle.silenced(deps, tx, group, by.id)
        return group


async def unsilence(deps: Deps, number: int, by: Actor) -> tuple[AlertGroup, bool]:
    async with _responding(deps, number, by) as (tx, group):
        if not group.is_silenced(deps.clock.now()):
            return group, False
        return await lifecycle.resumed(deps, tx, group, by.id), True


async def declare(deps: Deps, number: int, by: Actor) -> tuple[Incident, bool]:
    """Whether the incident is new: however many people click, there is one."""
    await permissions.must(deps, by.person, "declare")
    try:
        async with begin(deps, by) as tx:
            group = await store.lock(tx, number)
            if group.incident is None:
                _must_be_open(group)
            group, incident, is_new = await lifecycle.declare(deps, tx, group, by)
            await refresh.alert(deps, tx, group)
            await unit_of_work.answered(tx, by.key, subject=incident.name, answer=None)
            return incident, is_new
    except Repeated:
        async with deps.database.reading() as tx:
            group = await store.get(tx, number)
            if group.incident is None:
                raise
            return await incidents_store.get(tx, group.incident), False
