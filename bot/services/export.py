"""An incident for the world outside Slack: its post-mortem draft as Markdown, or everything known as plain values."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from bot.deps import Deps
from bot.domain.incident import measures
from bot.services import postmortems, telling
from bot.store import incidents as store


async def markdown(deps: Deps, number: int) -> str:
    """The post-mortem draft as it stands. Raises Missing."""
    async with deps.database.reading() as tx:
        return await postmortems.text(deps, tx, await store.get(tx, number))


async def everything(deps: Deps, number: int) -> dict[str, Any]:
    """All that is known: times in ISO 8601 UTC, durations in seconds. Raises Missing."""
    async with deps.database.reading() as tx:
        incident = await store.get(tx, number)
        found: dict[str, Any] = _plain(
            {
                "incident": {"name": incident.name, **asdict(incident)},
                "roles": await store.roles_of(tx, number),
                "metrics": telling.metrics(incident),
                "durations_seconds": asdict(measures(incident)),
                "timeline": [asdict(entry) for entry in await store.timeline_of(tx, number, limit=100_000)],
                "updates": [asdict(update) for update in await store.updates_of(tx, number)],
                "postmortem": await postmortems.text(deps, tx, incident),
            }
        )
        return found


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
        case _:
            return value
