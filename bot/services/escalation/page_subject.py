"""What a page is about, as it is at this moment: an alert group, an incident, or a run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.deps import Deps
from bot.domain.alerts import group as alert_group
from bot.domain.errors import Missing
from bot.domain.incidents import incident as incident_rules
from bot.domain.incidents.incident import Incident
from bot.domain.people import access
from bot.domain.runs import run as run_rules
from bot.ports import Tx
from bot.store.alerts import groups as alerts_store
from bot.store.incidents import incidents as incidents_store
from bot.store.people import people as people_store
from bot.store.runs import runs as runs_store
from bot.views.kit import links

PREFIX = "tocsin:"  # of every key of ours at PagerDuty …
_OF_A_STEP = re.compile(r"tocsin-\d{14}-RUN-\d+-")  # … but those that steps of runs choose


@dataclass(frozen=True)
class About:
    """`ack` is what is typed to take it on. Of a private incident nothing but its name leaves the house."""

    name: str
    born_at: datetime
    ack: str
    channel_name: str | None = None  # the channel of an alert group's card, as the routing named it
    link: str | None = None
    is_private: bool = False
    is_drill: bool = False
    roles: Mapping[str, str] = field(default_factory=dict)


async def about(deps: Deps, tx: Tx, subject: str) -> About:
    """Raises Missing."""
    if number := alert_group.number(subject):
        group = await alerts_store.get(tx, number)
        link = links.permalink(deps, group.channel, group.ts)
        return About(subject, group.opened_at, f"/incident ack {subject}", group.channel_name, link)
    if number := incident_rules.number(subject):
        return await _incident(deps, tx, subject, await incidents_store.get(tx, number))
    if number := run_rules.number(subject):
        run = await runs_store.get(tx, number)
        link = links.permalink(deps, run.channel, run.ts)
        if run.incident is None:
            return About(subject, run.created_at, f"/runbook status {subject}", link=link)
        incident = await incidents_store.get(tx, run.incident)
        found = await _incident(deps, tx, subject, incident)
        return About(subject, run.created_at, found.ack, None, link, found.is_private, found.is_drill, found.roles)
    raise Missing(f"There is no {subject}.")


async def _incident(deps: Deps, tx: Tx, subject: str, incident: Incident) -> About:
    return About(
        name=subject,
        born_at=incident.declared_at,
        ack=f"/incident ack {incident.name}",
        link=None if incident.private else links.permalink(deps, *incident.card),
        is_private=incident.private,
        is_drill=incident.drill,
        roles=await incidents_store.roles_of(tx, incident.id),
    )


def dedup_key(found: About, target: str, key: str) -> str:
    """The same words for the same reason, in this installation only: another one's ALR-7 was born at another time."""
    whole = f"{found.born_at.isoformat()}\n{target}\n{key}"
    return f"{PREFIX}{found.name}:{hashlib.sha256(whole.encode('utf-8', 'replace')).hexdigest()[:20]}"


def is_ours(name: str) -> bool:
    """Whether this is the key of a page that an installation of this bot sent."""
    return name.startswith(PREFIX) or _OF_A_STEP.match(name) is not None


async def spoken(tx: Tx, target: str) -> str:
    """`ops`, Ada, the team sre, whoever is on call: in plain words."""
    if access.USER.fullmatch(target):
        known = await people_store.find(tx, target)
        return known.person.name if known else target
    if access.GROUP.fullmatch(target):
        return f"the user group {target}"
    return access.spoken(target)
