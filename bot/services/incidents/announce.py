"""People outside an incident's channel are told that it was declared."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.catalogue.severity import Severity
from bot.domain.incidents.incident import Incident
from bot.domain.people import access
from bot.ports import Tx
from bot.services.incidents import deliveries
from bot.services.incidents import email as incident_email


async def tell_all(deps: Deps, tx: Tx, incident: Incident, severity: Severity) -> None:
    """Announces the incident to the severity's `notify`, but pages. A private incident is announced to nobody."""
    if incident.private:
        return
    for target in severity.notify:
        if target.startswith(("slack:", "dm:", "email:")):
            await tell(deps, tx, incident, target)


async def tell(deps: Deps, tx: Tx, incident: Incident, target: str) -> None:
    """`target`: `slack:#channel`, `email:`, `dm:U…`, or `dm:` with a team, group or role, looked up when it is sent."""
    if target.startswith("email:"):
        await incident_email.send(deps, tx, incident, target)
    elif target == (who := target.removeprefix("dm:")) or access.USER.fullmatch(who):
        await deliveries.say(deps, tx, incident, deliveries.Announcement(target), target)
    else:
        await deliveries.enqueue(deps, tx, incident, deliveries.AnnouncementToAll(who))
