"""Who may do what: the `who` lists of the catalogue, applied to a person. Rules only; memberships are handed in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.people.person import Kind, Person
from bot.domain.text.wording import listing

Roles = Mapping[str, str]  # role -> person's id, in one incident
Groups = Mapping[str, frozenset[str]]  # user group's id -> members' ids

GROUP = re.compile(r"S[A-Z0-9]+")
USER = re.compile(r"[UW][A-Z0-9]+")
MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")  # as Slack writes it into a text
ON_CALL = "oncall"

ATTEMPTS = {
    "declare": "declare incidents",
    "respond": "work on incidents",
    "execute": "start runs that change something",
    "approve": "approve runs",
    "admin": "administer incidents and runs",
}

NOT_A_MEMBER = {
    Kind.GUEST: "Guests can read along here, but not {attempted}. Ask a full member of the workspace to do it.",
    Kind.BOT: "Bots may not {attempted}.",
    Kind.STRANGER: "People from another workspace can read along here, but not {attempted}. Ask somebody of this one.",
    Kind.DEACTIVATED: "This account is deactivated, so it may not {attempted}.",
}


def allowed(catalogue: Catalogue, what: str) -> tuple[str, ...]:
    """Declare, respond, execute, approve or admin. Raises KeyError for anything else."""
    if what not in ATTEMPTS:
        raise KeyError(what)
    found: tuple[str, ...] = getattr(catalogue.access, what)
    return found


def may(
    catalogue: Catalogue, person: Person, what: str, *, roles: Roles | None = None, groups: Groups | None = None
) -> bool:
    """Only full, active members ever may anything."""
    return includes(catalogue, allowed(catalogue, what), person, roles=roles, groups=groups)


def includes(
    catalogue: Catalogue,
    who: Sequence[str],
    person: Person,
    *,
    roles: Roles | None = None,
    groups: Groups | None = None,
) -> bool:
    if not person.is_full_member:
        return False
    return any(_names(entry, person, roles or {}, groups or {}) for entry in flattened(catalogue, who))


def _names(entry: str, person: Person, roles: Roles, groups: Groups) -> bool:
    if entry.startswith("role:"):
        return roles.get(entry.removeprefix("role:")) == person.id
    return entry == "everyone" or entry == person.id or person.id in groups.get(entry, frozenset())


def flattened(catalogue: Catalogue, who: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(_open_teams(catalogue, who, set())))


def _open_teams(catalogue: Catalogue, who: Sequence[str], seen: set[str]) -> Iterator[str]:
    for entry in who:
        key = entry.removeprefix("team:")
        if key == entry:
            yield entry
        elif key not in seen:
            seen.add(key)
            yield from _open_teams(catalogue, catalogue.teams.get(key, ()), seen)


def is_on_call(entry: str) -> bool:
    """Who that is depends on the service and the moment."""
    return entry.partition(":")[0] == ON_CALL


def with_on_call(who: Sequence[str], holders: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    found = (holders.get(entry, ()) if is_on_call(entry) else (entry,) for entry in who)
    return tuple(dict.fromkeys(entry for entries in found for entry in entries))


def groups_in(catalogue: Catalogue, who: Sequence[str]) -> list[str]:
    return [entry for entry in flattened(catalogue, who) if GROUP.fullmatch(entry)]


def refusal(catalogue: Catalogue, person: Person, what: str) -> str:
    attempted = ATTEMPTS[what]
    if not person.is_full_member:
        return NOT_A_MEMBER[person.kind].format(attempted=attempted)
    who = allowed(catalogue, what)
    if not who:
        return f"Nobody may {attempted} yet. Add a line to org.yml, under `access`: `{what}: [{person.id}]`."
    return f"You may not {attempted}: `access.{what}` in org.yml names {listing(map(spoken, who))}."


def spoken(entry: str) -> str:
    if USER.fullmatch(entry):
        return f"<@{entry}>"
    if GROUP.fullmatch(entry):
        return f"<!subteam^{entry}>"
    kind, _, key = entry.partition(":")
    on_call = f"the person on call ({key})" if key else "the person on call"
    return {"team": f"the team {key}", "role": f"the incident's {key}", ON_CALL: on_call}.get(kind, entry)
