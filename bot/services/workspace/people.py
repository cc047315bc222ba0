"""Who is this, and may they? People as Slack describes them, kept in a table; who may do what, from the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Refused, Undeliverable
from bot.domain.people.person import Kind, Person
from bot.services.workspace.pagination import pages
from bot.store.people import people as store

FRESH_SECONDS = 600.0
REREAD_SECONDS = 2.0  # how long another process may not know yet that somebody was deactivated
PAGE = 200
NAME_LIMIT = 255

Spawn = Callable[[Coroutine[Any, Any, Any]], object]


@dataclass(frozen=True)
class Identity:
    """From auth.test."""

    user: str
    bot: str | None
    team: str
    url: str


async def introduce(deps: Deps) -> Identity:
    """Raises Undeliverable."""
    answer = await deps.chat.call("auth.test", {})
    return Identity(
        user=str(answer.get("user_id") or ""),
        bot=answer.get("bot_id"),
        team=str(answer.get("team_id") or ""),
        url=str(answer.get("url") or ""),
    )


async def find(deps: Deps, user: str, *, spawn: Spawn | None = None, must_be_fresh: bool = False) -> Person:
    """Unknown: Slack is asked. Older than ten minutes: `spawn` gets a refresh to run beside it, or it is waited for.

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


async def _known(deps: Deps, user: str) -> store.KnownPerson | None:
    """What was read in the last seconds is not read again, unless something was written since."""
    wall, lately = deps.clock.wall(), deps.caches.people
    read_at, kept = lately.get(user, (0.0, None))
    if isinstance(kept, store.KnownPerson) and wall - read_at < REREAD_SECONDS:
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
    """Returns how many. Raises Undeliverable."""
    count = 0
    async for answer in pages(deps, "users.list", {"limit": PAGE}):
        count += await _save_page(deps, answer.get("members") or [])
    return count


async def _save_page(deps: Deps, members: Sequence[dict[str, Any]]) -> int:
    persons = [as_person(user, team=deps.workspace.team) for user in members if user.get("id")]
    async with deps.database.transaction() as tx:
        await store.save(tx, persons, team=deps.workspace.team or None, seen_at=deps.clock.wall())
    deps.caches.people.clear()
    return len(persons)


async def remember(deps: Deps, user: Mapping[str, Any]) -> Person:
    person = as_person(user, team=deps.workspace.team)
    async with deps.database.transaction() as tx:
        await store.save(tx, [person], team=str(user.get("team_id") or "") or None, seen_at=deps.clock.wall())
    deps.caches.people.clear()
    return person


def as_person(user: Mapping[str, Any], *, team: str = "") -> Person:
    """`team` is our workspace; empty where it is not known yet."""
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
    """By the strictest of Slack's flags: a deactivated guest is deactivated."""
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


async def known(deps: Deps, ids: Sequence[str]) -> list[Person]:
    async with deps.database.reading() as tx:
        return await store.find_all(tx, list(dict.fromkeys(ids)))


async def names(deps: Deps, ids: Sequence[str]) -> dict[str, str]:
    return {person.id: person.name for person in await known(deps, ids)}
