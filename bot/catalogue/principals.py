"""`who` and `target` entries: what is wrong with them, as sentences."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from bot.domain.text.wording import hint

MEMBER = re.compile(r"[UWS][A-Z0-9]{2,20}", re.ASCII)
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)
CHANNEL = re.compile(r"[^\s#@<>,:A-Z]{1,80}|C[A-Z0-9]{2,20}")
ROLES = ("commander", "comms", "ops", "scribe")

_WHO = "Write a member id (U0ADA), a user group id (S0SRE), team:KEY, role:commander, oncall, oncall:LEVEL or everyone."
_NO_LEVEL = "Nobody is on call in this service. Add a level under oncall."
_TARGET = "Write slack:#channel, dm:WHO, email:WHO-or-CONTACT or page:WHO-or-CONTACT."


def who_problem(entry: str, teams: Collection[str] | None, levels: Collection[str] | None = None) -> str | None:
    """`teams`, `levels` (of on-call) None: they are not looked up."""
    kind, colon, rest = entry.partition(":")
    if entry == "oncall":
        return _NO_LEVEL if levels is not None and not levels else None
    if entry == "everyone" or MEMBER.fullmatch(entry):
        return None
    if not colon:
        return f"“{entry}” is not somebody. {_WHO}"
    if kind == "team":
        return _team_problem(rest, teams)
    if kind == "role":
        return None if rest in ROLES else f"There is no role “{rest}”. {hint(rest, ROLES)}"
    if kind == "oncall" and KEY.fullmatch(rest):
        return _level_problem(rest, levels)
    return f"“{entry}” is not somebody. {_WHO}"


def _team_problem(key: str, teams: Collection[str] | None) -> str | None:
    if teams is None or key in teams:
        return None
    if not teams:
        return f"There is no team “{key}”. Add it under teams in org.yml."
    return f"There is no team “{key}” in org.yml. {hint(key, teams)}"


def _level_problem(key: str, levels: Collection[str] | None) -> str | None:
    if levels is None or key in levels:
        return None
    return f"There is no level “{key}” of on-call in this service. {hint(key, levels)}" if levels else _NO_LEVEL


def member_problems(entry: str) -> Iterator[str]:
    if not MEMBER.fullmatch(entry):
        yield f"“{entry}” cannot be in a team. Write member ids (U0ADA) or user group ids (S0SRE)."


def target_problem(
    entry: str, teams: Collection[str] | None, contacts: Collection[str], levels: Collection[str] | None = None
) -> str | None:
    kind, _, rest = entry.partition(":")
    if kind == "slack":
        known = CHANNEL.fullmatch(rest.removeprefix("#")) and rest[:1] in ("#", "C")
        return None if known else f"“{entry}” names no channel. Write slack:#channel in lower case."
    if kind == "dm":
        return who_problem(rest, teams, levels)
    if kind not in ("email", "page"):
        return f"“{entry}” is not a target. {_TARGET}"
    problem = who_problem(rest, teams, levels)
    if rest in contacts or problem is None:
        return None
    if rest == "oncall" or ":" in rest:
        return problem
    return _contact_problem(rest, contacts)


def no_way_to(kind: str, key: str, contact: Mapping[str, object]) -> str | None:
    if kind == "email" and not contact.get("email"):
        return f"The contact “{key}” has no address. Add email or who to it."
    if kind == "page" and not contact.get("pagerduty_service"):
        return f"The contact “{key}” cannot be paged. Add pagerduty_service or who to it."
    return None


def _contact_problem(key: str, contacts: Collection[str]) -> str:
    if not contacts:
        return f"There is no contact “{key}”. Add it under contacts of this service."
    return f"There is no contact “{key}” in this service. {hint(key, contacts)}"


def problems(
    entries: Iterable[str], teams: Collection[str] | None, levels: Collection[str] | None = None
) -> list[tuple[int, str]]:
    found = ((index, who_problem(entry, teams, levels)) for index, entry in enumerate(entries))
    return [(index, sentence) for index, sentence in found if sentence]
