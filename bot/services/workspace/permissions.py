"""Who may do what, by the catalogue's lists and who is in them now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.deps import Deps
from bot.domain.errors import Refused, Undeliverable
from bot.domain.people import access
from bot.domain.people.person import Person
from bot.queue import audit
from bot.services.workspace import oncall_now
from bot.services.workspace.people import Spawn, find
from bot.store.people import people as store

GROUP_FRESH_SECONDS = 60.0
HARMLESS = ("declare", "respond")  # for these, who is on call may be as PagerDuty last said


def welcome(person: Person) -> None:
    """Raises Refused for everybody who is no full, active member."""
    if not person.is_full_member:
        raise Refused(access.NOT_A_MEMBER[person.kind].format(attempted="use me"))


async def admitted(
    deps: Deps, user: str, *, attempted: str, about: str = "", spawn: Spawn | None = None, must_be_fresh: bool = False
) -> Person:
    """Who may not is in the audit log. Raises as `find`."""
    try:
        person = await find(deps, user, spawn=spawn, must_be_fresh=must_be_fresh)
        welcome(person)
    except Refused as problem:
        async with deps.database.transaction() as tx:
            detail = {"attempted": attempted[:80], "why": problem.sentence[:500]}
            await audit.record(tx, deps.clock, user[:40], "access.refused", about or attempted[:80], **detail)
        raise
    return person


async def must(
    deps: Deps, person: Person, what: str, *, roles: Mapping[str, str] | None = None, service: str | None = None
) -> None:
    """Raises Refused with a sentence that names what is needed. Call it before a transaction: it may ask the world.

    Who is on call is that of `service`, or of the default one.
    """
    who, strictly = access.allowed(deps.catalogue, what), what not in HARMLESS
    service = service or deps.catalogue.default_service
    if not await is_named(deps, person, who, roles=roles, service=service, strictly=strictly):
        raise Refused(access.refusal(deps.catalogue, person, what))


async def is_named(
    deps: Deps,
    person: Person,
    who: Sequence[str],
    *,
    roles: Mapping[str, str] | None = None,
    service: str | None = None,
    strictly: bool = True,
) -> bool:
    """Whether a `who` list names this person now. May ask Slack, and PagerDuty for who is on call in `service`.

    Raises Refused where either did not tell. Not `strictly`: the last that PagerDuty said will do.
    """
    if not person.is_full_member:
        return False
    if strictly and service is not None and any(map(access.is_on_call, who)):
        await memberships(deps, access.groups_in(deps.catalogue, oncall_now.trusted_entries(deps, service)))
    meant = await oncall_now.look(deps, who, service, strictly=strictly)
    needed = access.groups_in(deps.catalogue, meant.who)
    groups = await memberships(deps, needed) if needed else {}
    if access.includes(deps.catalogue, meant.who, person, roles=roles, groups=groups):
        return True
    must_be_told([group for group in needed if group not in groups], meant.unavailable)
    return False


def must_be_told(groups: Sequence[str], levels: Sequence[str]) -> None:
    """Raises Refused where there are any: whether somebody is among these is not known."""
    if groups:
        raise Refused(f"Slack did not tell me who is in {access.spoken(groups[0])}. Try again in a moment.")
    if levels:
        on_call = access.spoken(levels[0]).removeprefix("the person ")
        raise Refused(f"PagerDuty did not tell me who is {on_call}. Try again in a moment.")


async def memberships(deps: Deps, ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """At most 60 s old. A group that Slack did not tell is left out: nobody is in it."""
    since = deps.clock.wall() - GROUP_FRESH_SECONDS
    async with deps.database.reading() as tx:
        fresh = await store.group_members(tx, ids, since=since)
    for group in ids:
        if group not in fresh:
            fresh |= await _read_group(deps, group)
    return fresh


async def _read_group(deps: Deps, group: str) -> dict[str, frozenset[str]]:
    read_at = deps.clock.wall()
    try:
        answer = await deps.chat.call("usergroups.users.list", {"usergroup": group})
    except Undeliverable:
        return {}
    members = [str(user) for user in answer.get("users") or []]
    async with deps.database.transaction() as tx:
        await store.save_group(tx, group, members, seen_at=read_at)
    return {group: frozenset(members)}
