"""Storms: where many alert groups open in one channel within a minute, they are shown as one card."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.ports import Tx
from bot.queue import outbox
from bot.services.alerts import deliveries as news
from bot.services.messaging import refresh
from bot.store.alerts import groups as store
from bot.store.alerts import storms as storms_store

MOST_CARDS = 8  # in one channel within the window; one more is a storm
WINDOW_SECONDS = 60.0  # of wall time: it is people's eyes that are protected


async def card_for(deps: Deps, tx: Tx, group: AlertGroup) -> AlertGroup:
    """The group gets its card: one of its own, or a line in that of a storm. It is among those counted."""
    wall = deps.clock.wall()
    storm = await storms_store.storm_on(tx, group.channel_name, since_wall=wall - WINDOW_SECONDS)
    if storm is None:
        since = wall - WINDOW_SECONDS
        if await storms_store.cards_since(tx, group.channel_name, since_wall=since) <= MOST_CARDS:
            await outbox.enqueue(deps, tx, await news.card(deps, tx, group))
            return group
        storm = await storms_store.begin_storm(tx, group.channel_name, at=deps.clock.now(), wall=wall)
        await storms_store.sweep_into(tx, storm.id, group.channel_name, since_wall=since)
        await outbox.enqueue(deps, tx, await news.storm_card(deps, tx, storm))
    await storms_store.change_storm(tx, storm.id, last_wall=wall)
    group = await store.change(tx, group.id, storm=storm.id)
    await refresh.storm(deps, tx, storm.id)
    return group
