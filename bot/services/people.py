"""Who is this, and may they? People as Slack describes them, kept in a table; who may do what, from the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.deps import Deps
from bot.domain import access
from bot.domain.catalogue import Catalogue
from bot.domain.errors import Refused, Undeliverable
from bot.domain.person import Kind, Person
from bot.services import audit, duty
from bot.services.paging import pages
from bot.store import people as store

FRESH_SECONDS = 600.0
REREAD_SECONDS = 2.0  # how long another process may not know yet that somebody was deactivated
GROUP_FRESH_SECONDS = 60.0
HARMLESS = ("declare", "respond")  # for these, who is on call may be as PagerDuty last said
PAGE = 200
NAME_LIMIT = 255

Spawn = Callable[[Coroutine[Any, Any, Any]], object]


@dataclass(frozen=True)
class Identity:
    """Who the bot is in its workspace, from auth.test."""

    user: str
    bot: str | None
    team: str
    url: str


async def introduce(deps: Deps) -> Identity:
    """Ask Slack who we are. Raises Undeliverable."""
    answer = await deps.chat.call("auth.test", {})
    return Identity(
        user=str(answer.get("user_id") or ""),
        bot=answer.get("bot_id"),
        team=str(answer.get("team_id") or ""),
        url=str(answer.get("url") or ""),
    )


async def find(deps: Deps, user: str, *, spawn: Spawn | None = None, must_be_fresh: bool = False) -> Person:
    """The person of that id. Unknown: Slack is asked. Older than ten minutes: `spawn` gets a refresh to run beside it,
    or it is waited for.

    Raises Refused where Slack does not know them, Undeliverable where it cannot be asked about somebody unknown.
    """
    known = await _known(deps, user)
    if known is None:
        return await _ask_about(deps, user)
    is_old = deps.clock.wall() - known.seen_at > FRESH_SECONDS
    if is_old and must_be_fresh:
        await _refresh(deps, user)
        return (await _known(deps, user) or known).person
    if is_old and spawn is not None:
        spawn(_refresh(deps, user))
    return known.person


async def _known(deps: Deps, user: str) -> store.Known | None:
    """From the table; what was read in the last seconds is not read again, unless something was written since."""
    wall, lately = deps.clock.wall(), deps.config.known.people
    read_at, kept = lately.get(user, (0.0, None))
    if isinstance(kept, store.Known) and wall - read_at < REREAD_SECONDS:
        return kept
    async with deps.database.reading() as tx:
        known = await store.find(tx, user)
    if known is not None:
        lately[user] = (wall, known)
    return known


async def _ask_about(deps: Deps, user: str) -> Person:
    try:
        answer = await deps.chat.call("users.info", {"user": user})
    except Undeliverable as problem:
        if not problem.permanent:
            raise
        raise Refused("Slack does not tell me who you are, so I cannot do this for you.") from None
    return await remember(deps, answer["user"])


async def _refresh(deps: Deps, user: str) -> None:
    try:
        await _ask_about(deps, user)
    except (Refused, Undeliverable):
        return  # what we knew stays until Slack answers again


async def prefill(deps: Deps) -> int:
    """Everybody in the workspace, page by page. Returns how many. Raises Undeliverable."""
    count = 0
    async for answer in pages(deps, "users.list", {"limit": PAGE}):
        count += await _save_page(deps, answer.get("members") or [])
    return count


async def _save_page(deps: Deps, members: Sequence[dict[str, Any]]) -> int:
    persons = [as_person(user, team=deps.config.team) for user in members if user.get("id")]
    async with deps.database.transaction() as tx:
        await store.save(tx, persons, team=deps.config.team or None, seen_at=deps.clock.wall())
    deps.config.known.people.clear()
    return len(persons)


async def remember(deps: Deps, user: Mapping[str, Any]) -> Person:
    """Keep what Slack just said about somebody (`users.info`, `user_change`, `team_join`)."""
    person = as_person(user, team=deps.config.team)
    async with deps.database.transaction() as tx:
        await store.save(tx, [person], team=str(user.get("team_id") or "") or None, seen_at=deps.clock.wall())
    deps.config.known.people.clear()
    return person


def as_person(user: Mapping[str, Any], *, team: str = "") -> Person:
    """Slack's user object as a person. `team` is our workspace; empty where it is not known yet."""
    profile = user.get("profile") or {}
    names = (profile.get("display_name"), user.get("real_name"), profile.get("real_name"), user.get("name"))
    name = next((str(text).strip() for text in names if text and str(text).strip()), str(user["id"]))
    return Person(
        id=str(user["id"]),
        name=name[:NAME_LIMIT],
        kind=kind_of(user, team),
        tz=user.get("tz") or None,
        email=profile.get("email") or None,
    )


def kind_of(user: Mapping[str, Any], team: str = "") -> Kind:
    """The least that any of Slack's flags makes of them: a deactivated guest is deactivated."""
    if user.get("deleted"):
        return Kind.DEACTIVATED
    if user.get("is_bot") or user.get("id") == "USLACKBOT":
        return Kind.BOT
    if user.get("is_stranger") or not _is_ours(user, team):
        return Kind.STRANGER
    if user.get("is_restricted") or user.get("is_ultra_restricted"):
        return Kind.GUEST
    return Kind.MEMBER


def _is_ours(user: Mapping[str, Any], team: str) -> bool:
    theirs = user.get("team_id")
    return not team or not theirs or theirs == team or team in (user.get("enterprise_user") or {}).get("teams", [])


# --- who may -------------------------------------------------------------------------------------------------------


def may(
    catalogue: Catalogue,
    person: Person,
    what: str,
    *,
    roles: Mapping[str, str] | None = None,
    groups: Mapping[str, frozenset[str]] | None = None,
) -> bool:
    """Whether this person may declare, respond, execute, approve or admin. `groups` from `memberships`."""
    return access.may(catalogue, person, what, roles=roles, groups=groups)


def welcome(person: Person) -> None:
    """Raises Refused for everybody who is no full, active member: they may do nothing at all."""
    if not person.is_full_member:
        raise Refused(access.NOT_A_MEMBER[person.kind].format(deed="use me"))


async def admitted(
    deps: Deps, user: str, *, deed: str, about: str = "", spawn: Spawn | None = None, must_be_fresh: bool = False
) -> Person:
    """The person of that id, if they may use the bot at all; who may not is in the audit log. Raises as `find`."""
    try:
        person = await find(deps, user, spawn=spawn, must_be_fresh=must_be_fresh)
        welcome(person)
    except Refused as problem:
        async with deps.database.transaction() as tx:
            detail = {"deed": deed[:80], "why": problem.sentence[:500]}
            await audit.record(tx, deps.clock, user[:40], "access.refused", about or deed[:80], **detail)
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
        await memberships(deps, access.groups_in(deps.catalogue, duty.trusted_entries(deps, service)))
    meant = await duty.look(deps, who, service, strictly=strictly)
    needed = access.groups_in(deps.catalogue, meant.who)
    groups = await memberships(deps, needed) if needed else {}
    if access.includes(deps.catalogue, meant.who, person, roles=roles, groups=groups):
        return True
    must_be_told([group for group in needed if group not in groups], meant.untold)
    return False


def must_be_told(groups: Sequence[str], levels: Sequence[str]) -> None:
    """Raises Refused where there are any: whether somebody is among these is not known."""
    if groups:
        raise Refused(f"Slack did not tell me who is in {access.spoken(groups[0])}. Try again in a moment.")
    if levels:
        is_on_call = access.spoken(levels[0]).removeprefix("whoever ")
        raise Refused(f"PagerDuty did not tell me who {is_on_call}. Try again in a moment.")


async def known(deps: Deps, ids: Sequence[str]) -> list[Person]:
    """Those of these people whom we know."""
    async with deps.database.reading() as tx:
        return list(await store.find_all(tx, list(dict.fromkeys(ids))))


async def memberships(deps: Deps, ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Members of these user groups, at most 60 s old. One that Slack did not tell is left out: nobody is in it."""
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


async def expand(
    deps: Deps, who: Sequence[str], roles: Mapping[str, str] | None = None, *, service: str | None = None
) -> list[str]:
    """The people a `who` list stands for, each once, as ids to invite. `everyone` is nobody in particular.

    `oncall` is who has the first level of `service` now, `oncall:LEVEL` that level. May ask Slack and PagerDuty: call
    it outside a transaction. What cannot be asked now counts as it was last known.
    """
    entries = access.flattened(deps.catalogue, (await duty.look(deps, who, service)).who)
    groups = await _memberships_or_last_known(deps, [entry for entry in entries if access.GROUP.fullmatch(entry)])
    return list(dict.fromkeys(user for entry in entries for user in _users(entry, roles or {}, groups)))


async def _memberships_or_last_known(deps: Deps, ids: Sequence[str]) -> dict[str, frozenset[str]]:
    if not ids:
        return {}
    fresh = await memberships(deps, ids)
    async with deps.database.reading() as tx:
        return await store.group_members(tx, ids) | fresh


def _users(entry: str, roles: Mapping[str, str], groups: Mapping[str, frozenset[str]]) -> list[str]:
    if access.USER.fullmatch(entry):
        return [entry]
    if entry.startswith("role:"):
        holder = roles.get(entry.removeprefix("role:"))
        return [holder] if holder else []
    return sorted(groups.get(entry, ()))


async def names(deps: Deps, ids: Sequence[str]) -> dict[str, str]:
    """What these people are called, where we know them."""
    async with deps.database.reading() as tx:
        return {person.id: person.name for person in await store.find_all(tx, list(dict.fromkeys(ids)))}
