"""What follows an acknowledgement a moment later: alerts are acknowledged, escalations rest, PagerDuty wakes nobody
else.

Every message asks before it leaves, so the acknowledgement itself stops them. Here it is written down.
"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.outgoing.timer import Timer
from bot.domain.people.person import Actor, Person
from bot.ports import Tx
from bot.services import subjects
from bot.services.alerts import lifecycle
from bot.services.escalation import pages, progress as escalations
from bot.store.alerts import groups as alerts_store


async def follow(deps: Deps, tx: Tx, timer: Timer) -> None:
    """Does nothing where the acknowledgement was taken back meanwhile. Locks alerts before their incident."""
    by = Actor(Person(timer.payload["by"], timer.payload["by"]))
    incident = (await subjects.load(tx, timer.subject)).incident
    belonging = [group.id for group in await alerts_store.of_incident(tx, incident.id)] if incident else []
    groups = await alerts_store.locked(tx, belonging)
    held = await subjects.lock(tx, timer.subject)
    if not held.is_open or not held.is_acknowledged:
        return
    await escalations.acknowledged(deps, tx, held)
    await pages.acknowledged(deps, tx, str(held), by.id)
    for group in groups.values():
        if group.is_open and not group.acknowledged_at:
            await lifecycle.mark_acknowledged(deps, tx, group, by)
            await pages.acknowledged(deps, tx, str(group), by.id)
