from __future__ import annotations

from bot.deps import Deps
from bot.domain.people.person import Actor
from bot.interactions import Where
from bot.services.alerts import operations as alert_operations
from bot.services.incidents import queries as incident_queries
from bot.services.subjects import Subject, of_incident


async def named(deps: Deps, text: str, where: Where, by: Actor) -> tuple[Subject, str]:
    """An alert comes without its incident. Named by the first words, or by the place; and the rest of the text.

    Raises Missing, Unclear.
    """
    group, rest = await alert_operations.named(deps, text, where)
    if group:
        return Subject(group), rest
    incident, rest = await incident_queries.named(deps, text, where, by)
    return of_incident(incident), rest
