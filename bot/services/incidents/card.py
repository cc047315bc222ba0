from __future__ import annotations

from collections.abc import Sequence

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.incidents.incident import Incident
from bot.ports import Tx
from bot.services.escalation import text as escalation_text
from bot.services.incidents import cadence
from bot.store.alerts import groups as alerts_store, maintenance
from bot.store.incidents import incidents as store, updates as updates_store
from bot.views import incident as view
from bot.views.kit import links


async def shown(deps: Deps, tx: Tx, incident: Incident, *, is_home: bool) -> view.Card:
    groups = await alerts_store.belonging(tx, incident.id, view.ALERTS_SHOWN + 1)
    return view.Card(
        incident=incident,
        service=deps.catalogue.service_or_default(incident.service),
        severity=cadence.level(deps, incident),
        roles=await store.roles_of(tx, incident.id),
        last=await updates_store.last_update(tx, incident.id),
        is_home=is_home,
        source=_source(deps, incident, groups),
        maintenance=await maintenance.of_service(tx, incident.service, deps.clock.now()),
        coming=await escalation_text.coming(deps, tx, incident),
        alerts=[(one, links.permalink(deps, one.channel, one.ts)) for one in groups],
    )


def _source(deps: Deps, incident: Incident, groups: Sequence[AlertGroup]) -> str | None:
    """None where that message is the card of one of its alerts."""
    source = incident.slack.source_channel, incident.slack.source_ts
    return None if any((one.channel, one.ts) == source for one in groups) else links.permalink(deps, *source)


async def of(deps: Deps, number: int) -> view.Card:
    async with deps.database.reading() as tx:
        return await shown(deps, tx, await store.get(tx, number), is_home=True)
