"""The values that templates and drafts read of an incident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.deps import Deps
from bot.domain.catalogue.service import Service
from bot.domain.incidents.draft import readable
from bot.domain.incidents.incident import Entry, Incident, Update, measures
from bot.domain.incidents.postmortem import written
from bot.domain.people.person import AT_PAGERDUTY, BOT
from bot.ports import Tx
from bot.services.incidents import cadence
from bot.store.incidents import incidents as store
from bot.store.incidents import timeline as timeline_store
from bot.store.incidents import updates as updates_store
from bot.store.people import people as people_store
from bot.views import incident as view
from bot.views.kit import mrkdwn
from bot.views.kit.links import permalink


def said(deps: Deps, kind: str, incident: Incident, roles: Mapping[str, str], changes: Sequence[str] = ()) -> str:
    """The words of the kind for Slack, by the service's and severity's template."""
    values = {
        "incident": _incident(deps, incident) | {"declared_by": mrkdwn.mention(incident.declared_by)},
        "service": _service(deps.catalogue.service_or_default(incident.service)),
        "changes": list(changes),
        "roles": [{"role": role, "person": mrkdwn.mention(person)} for role, person in roles.items()],
        "next_update": incident.next_update_at,
        "now": deps.clock.now(),
    }
    return deps.templates.render(kind, service=incident.service, severity=incident.severity, values=values)


async def mail(deps: Deps, tx: Tx, kind: str, incident: Incident, update: Update | None = None) -> tuple[str, str]:
    """Title and text of an e-mail of that kind, by its template, with people's names: a mention is Slack's alone."""
    roles = await store.roles_of(tx, incident.id)
    changes = await _changes(tx, update) if update else []
    names = await _names(tx, [incident.declared_by, *roles.values(), *(entry.actor for entry in changes)])
    values = {
        "incident": _incident(deps, incident) | {"declared_by": names[incident.declared_by]},
        "service": _service(deps.catalogue.service_or_default(incident.service)),
        "text": readable(update.text) if update and update.text else None,
        "changes": [f"{line['who']} {line['text']}" for line in (_line(entry, names) for entry in changes)],
        "roles": [{"role": role, "person": names[person]} for role, person in roles.items()],
        "next_update": incident.next_update_at,
        "now": deps.clock.now(),
    }
    return deps.templates.render_mail(kind, service=incident.service, severity=incident.severity, values=values)


async def _changes(tx: Tx, update: Update) -> list[Entry]:
    return await timeline_store.told_between(
        tx, update.incident, await updates_store.covered_from(tx, update), update.through
    )


def _incident(deps: Deps, incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.name,
        "title": incident.title,
        "service": incident.service,
        "severity": incident.severity,
        "severity_name": cadence.level(deps, incident).name,
        "status": incident.status.value,
        "impact": incident.impact or None,
        "fix": incident.fix or None,
        "declared_at": incident.declared_at,
        "link": permalink(deps, *incident.card),
        "drill": incident.drill,
        "private": incident.private,
    }


def _service(service: Service) -> dict[str, Any]:
    return {"key": service.key, "name": service.name, "components": list(service.components)}


# --- the draft ---


async def draft(deps: Deps, tx: Tx, incident: Incident) -> str:
    """The post-mortem's Markdown by the template, before people's edits."""
    roles = await store.roles_of(tx, incident.id)
    entries = await timeline_store.timeline_of(tx, incident.id)
    names = await _names(tx, [incident.declared_by, *roles.values(), *(entry.actor for entry in entries)])
    values = {
        "incident": _incident(deps, incident)
        | {
            "declared_by": names[incident.declared_by],
            "impact": written(incident.impact) or None,
            "fix": written(incident.fix) or None,
        },
        "service": _service(deps.catalogue.service_or_default(incident.service)),
        "metrics": metrics(incident),
        "timeline": [_line(entry, names) for entry in entries],
        "roles": [{"role": role, "person": names[person]} for role, person in roles.items()],
        "now": deps.clock.now(),
    }
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
    rows: list[tuple[str, datetime | None]] = [
        ("Detected", incident.detected_at),
        ("Acknowledged", incident.acknowledged_at),
        ("Mitigated", incident.mitigated_at),
        ("Resolved", incident.resolved_at),
    ]
    spans = [("Time to acknowledge", taken.to_acknowledge), ("Time to mitigate", taken.to_mitigate)]
    spans.append(("Time to resolve", taken.to_resolve))
    moments = [{"name": name, "value": _written(at)} for name, at in rows]
    return moments + [{"name": name, "value": view.spoken(span)} for name, span in spans]


def _written(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "not yet"
