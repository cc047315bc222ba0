"""From `ops`, `oncall` or `team:sre` to addresses: a contact's own, and those of people as Slack knows them now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.deps import Deps
from bot.domain import access
from bot.domain.catalogue import Contact
from bot.domain.errors import Refused, Undeliverable
from bot.domain.mail import is_address, is_nowhere
from bot.domain.person import Kind
from bot.domain.reach import Reach
from bot.services import duty, people


async def reach(
    deps: Deps,
    service: str,
    to: Sequence[str],
    roles: Mapping[str, str],
    *,
    contacts: Mapping[str, Contact] | None = None,
) -> Reach:
    """Whom these contacts, `who` entries and addresses mean. `contacts` None: those of the service, as they are now.

    May ask Slack: call it outside a transaction.
    """
    known = deps.catalogue.service_or_default(service).contacts if contacts is None else contacts
    named = [known[one] for one in to if one in known]
    written = [one for one in to if is_address(one)] + [address for contact in named for address in contact.addresses]
    who = [one for one in to if one not in known and not is_address(one)]
    who += [one for contact in named for one in contact.who]
    written += await _only_at_pagerduty(deps, who, service)
    found = {person: await _address(deps, person) for person in await people.expand(deps, who, roles, service=service)}
    return Reach(
        written=tuple(written),
        people=tuple((person, address) for person, address in found.items() if address),
        unreachable=tuple(person for person, address in found.items() if address == ""),
        untold=tuple(person for person, address in found.items() if address is None),
        pagerduty_service=next((one.pagerduty_service for one in named if one.pagerduty_service), None),
    )


async def _only_at_pagerduty(deps: Deps, who: Sequence[str], service: str) -> list[str]:
    """Addresses of those who are on call by a schedule of PagerDuty's and whom Slack does not know."""
    told = await duty.ask(deps, who, service) if any(map(access.is_on_call, who)) else {}
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
