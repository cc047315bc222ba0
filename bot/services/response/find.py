"""The alert or incident that somebody means."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.people.person import Actor
from bot.interactions import Where
from bot.services.alerts import operations as alert_operations
from bot.services.escalation.progress import Subject
from bot.services.incidents import queries as incident_queries


async def named(deps: Deps, text: str, where: Where, by: Actor) -> tuple[Subject, str]:
    """The alert or incident that the words name first, or in whose place they were said; and the rest.

    Raises Missing, Unclear.
    """
    group, rest = await alert_operations.named(deps, text, where)
    return (group, rest) if group else await incident_queries.named(deps, text, where, by)
