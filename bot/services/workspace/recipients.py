"""From `ops`, `oncall` or `team:sre` to addresses: a contact's own, and those of people as Slack knows them now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.deps import Deps
from bot.domain.catalogue.service import Contact
from bot.domain.errors import Refused, Undeliverable
from bot.domain.outgoing.mail import is_address, is_nowhere
from bot.domain.people import access
from bot.domain.people.person import Kind
from bot.domain.people.recipients import Recipients
from bot.services.workspace import oncall_now, people
from bot.services.workspace.permissions import memberships
from bot.store.people import people as store


async def find(
    deps: Deps,
    service: str,
    to: Sequence[str],
    roles: Mapping[str, str],
    *,
    contacts: Mapping[str, Contact] | None = None,
) -> Recipients:
    """`contacts` None: those of the service, as they are now. May ask Slack: call it outside a transaction."""
    known = deps.catalogue.service_or_default(service).contacts if contacts is None else contacts
    named = [known[one] for one in to if one in known]
    written = [one for one in to if is_address(one)] + [address for contact in named for address in contact.addresses]
    who = [one for one in to if one not in known and not is_address(one)]
    who += [one for contact in named for one in contact.who]
    written += await _only_at_pagerduty(deps, who, service)
    found = {person: await _address(deps, person) for person in await expand(deps, who, roles, service=service)}
    return Recipients(
        written=tuple(written),
        people=tuple((person, address) for person, address in found.items() if address),
        unreachable=tuple(person for person, address in found.items() if address == ""),
        unavailable=tuple(person for person, address in found.items() if address is None),
        pagerduty_service=next((one.pagerduty_service for one in named if one.pagerduty_service), None),
    )


async def _only_at_pagerduty(deps: Deps, who: Sequence[str], service: str) -> list[str]:
    told = await oncall_now.ask(deps, who, service) if any(map(access.is_on_call, who)) else {}
    every = [(schedule, person.email) for schedule in told.values() for person in schedule.people if person.email]
    return [address for schedule, address in every if address.lower() not in schedule.accounts]


async def _address(deps: Deps, person: str) -> str | None:
    """Empty where there is none to write to; None where Slack cannot be asked now."""
    try:
        known = await people.find(deps, person)
        if not known.email:
            known = await people.find(deps, person, must_be_fresh=True)
    except Refused:
        return ""
    except Undeliverable:
        return None
    if known.kind is Kind.DEACTIVATED or not known.email or is_nowhere(known.email):
        return ""
    return known.email


async def expand(
    deps: Deps, who: Sequence[str], roles: Mapping[str, str] | None = None, *, service: str | None = None
) -> list[str]:
    """The people that a `who` list means, each once, as ids to invite. `everyone` is nobody in particular.

    `oncall` is who has the first level of `service` now, `oncall:LEVEL` that level. May ask Slack and PagerDuty: call
    it outside a transaction. What cannot be asked now counts as it was last known.
    """
    entries = access.flattened(deps.catalogue, (await oncall_now.look(deps, who, service)).who)
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
