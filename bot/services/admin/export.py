"""An incident for the world outside Slack: its post-mortem draft as Markdown, or everything known as plain values."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from bot.deps import Deps
from bot.domain.incidents.incident import Incident, measures
from bot.services.incidents import postmortem as postmortems, template_context
from bot.store.incidents import incidents as store, timeline as timeline_store, updates as updates_store


async def markdown(deps: Deps, number: int) -> str:
    """Raises Missing."""
    async with deps.database.reading() as tx:
        return await postmortems.text(deps, tx, await store.get(tx, number))


async def everything(deps: Deps, number: int) -> dict[str, Any]:
    """Times in ISO 8601 UTC, durations in seconds. Raises Missing."""
    async with deps.database.reading() as tx:
        incident = await store.get(tx, number)
        found = {
            "incident": {"name": incident.name, **_flat(incident)},
            "roles": await store.roles_of(tx, number),
            "metrics": template_context.metrics(incident),
            "durations_seconds": asdict(measures(incident)),
            "timeline": [asdict(entry) for entry in await timeline_store.timeline_of(tx, number, limit=100_000)],
            "updates": [asdict(update) for update in await updates_store.updates_of(tx, number)],
            "postmortem": await postmortems.text(deps, tx, incident),
        }
    return {name: _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
    return value


def _flat(incident: Incident) -> dict[str, Any]:
    row = asdict(incident)
    del row["declared_wall"]
    return {**row.pop("slack"), **row}
