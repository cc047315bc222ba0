from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.deps import Deps
from bot.domain.incidents.draft import readable
from bot.domain.incidents.incident import Entry, Incident, Update, measures
from bot.domain.incidents.postmortem import written
from bot.domain.people.person import AT_PAGERDUTY, BOT
from bot.ports import Tx
from bot.services.incidents import cadence
from bot.store.incidents import incidents as store, timeline as timeline_store, updates as updates_store
from bot.store.people import people as people_store
from bot.views import incident as view
from bot.views.kit import mrkdwn
from bot.views.kit.links import permalink


def said(deps: Deps, kind: str, incident: Incident, roles: Mapping[str, str], changes: Sequence[str] = ()) -> str:
    names = {person: mrkdwn.mention(person) for person in (incident.declared_by, *roles.values())}
    values = _values(deps, incident, roles, names) | {"changes": list(changes), "next_update": incident.next_update_at}
    return deps.templates.render(kind, service=incident.service, severity=incident.severity, values=values)


async def mail(deps: Deps, tx: Tx, kind: str, incident: Incident, update: Update | None = None) -> tuple[str, str]:
    roles = await store.roles_of(tx, incident.id)
    told = await changes(tx, update) if update else []
    names = await _names(tx, [incident.declared_by, *roles.values(), *(entry.actor for entry in told)])
    values = _values(deps, incident, roles, names) | {
        "text": readable(update.text) if update and update.text else None,
        "changes": [f"{line['who']} {line['text']}" for line in (_line(entry, names) for entry in told)],
        "next_update": incident.next_update_at,
    }
    return deps.templates.render_mail(kind, service=incident.service, severity=incident.severity, values=values)


async def changes(tx: Tx, update: Update) -> list[Entry]:
    covered_from = await updates_store.covered_from(tx, update)
    return await timeline_store.told_between(tx, update.incident, covered_from, update.through)


def _values(deps: Deps, incident: Incident, roles: Mapping[str, str], names: Mapping[str, str]) -> dict[str, Any]:
    service = deps.catalogue.service_or_default(incident.service)
    return {
        "incident": {
            "id": incident.name,
            "title": incident.title,
            "service": incident.service,
            "severity": incident.severity,
            "severity_name": cadence.level(deps, incident).name,
            "status": incident.status.value,
            "impact": incident.impact or None,
            "fix": incident.fix or None,
            "declared_at": incident.declared_at,
            "declared_by": names[incident.declared_by],
            "link": permalink(deps, *incident.card),
            "drill": incident.drill,
            "private": incident.private,
        },
        "service": {"key": service.key, "name": service.name, "components": list(service.components)},
        "roles": [{"role": role, "person": names[person]} for role, person in roles.items()],
        "now": deps.clock.now(),
    }


# --- the draft ---


async def draft(deps: Deps, tx: Tx, incident: Incident) -> str:
    roles = await store.roles_of(tx, incident.id)
    entries = await timeline_store.timeline_of(tx, incident.id)
    names = await _names(tx, [incident.declared_by, *roles.values(), *(entry.actor for entry in entries)])
    values = _values(deps, incident, roles, names)
    values["incident"] |= {"impact": written(incident.impact) or None, "fix": written(incident.fix) or None}
    values |= {"metrics": metrics(incident), "timeline": [_line(entry, names) for entry in entries]}
    return deps.templates.render_postmortem(service=incident.service, values=values)


async def _names(tx: Tx, ids: Sequence[str]) -> dict[str, str]:
    own = {one: one.removesuffix(AT_PAGERDUTY) for one in ids}
    known = {person.id: person.name for person in await people_store.find_all(tx, sorted(set(own.values())))}
    return {one: one.replace(own[one], known.get(own[one], own[one]), 1) for one in ids} | {BOT: BOT}


def _line(entry: Entry, names: Mapping[str, str]) -> dict[str, Any]:
    verb = view.WROTE.get(entry.kind)
    text = " ".join(entry.text.split())  # what somebody pinned must not become a heading of the draft
    return {"at": entry.at, "who": names[entry.actor], "text": f"{verb}: {text}" if verb else text}


def metrics(incident: Incident) -> list[dict[str, str]]:
    taken = measures(incident)
    rows = {
        "Detected": _written(incident.detected_at),
        "Acknowledged": _written(incident.acknowledged_at),
        "Mitigated": _written(incident.mitigated_at),
        "Resolved": _written(incident.resolved_at),
        "Time to acknowledge": view.spoken(taken.to_acknowledge),
        "Time to mitigate": view.spoken(taken.to_mitigate),
        "Time to resolve": view.spoken(taken.to_resolve),
    }
    return [{"name": name, "value": value} for name, value in rows.items()]


def _written(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "not yet"
