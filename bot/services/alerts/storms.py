"""Cards of alert groups, and of storms: many groups that open in one channel within a minute share one card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.outgoing.delivery import NewDelivery, Payload
from bot.ports import Tx
from bot.queue import outbox
from bot.services.messaging import refresh
from bot.services.workspace import channels
from bot.store.alerts import storms as store
from bot.store.alerts.storms import Storm

MOST_CARDS = 8  # in one channel within the window; one more is a storm
WINDOW_SECONDS = 60.0  # of wall time: it is people's eyes that are protected


@dataclass(frozen=True)
class PostAlert(Payload, kind="alert.post"):
    """The card, which is edited in place afterwards."""


@dataclass(frozen=True)
class PostStorm(Payload, kind="storm.post"):
    """The card, which is edited in place afterwards."""


async def show(deps: Deps, tx: Tx, groups: Sequence[AlertGroup]) -> list[AlertGroup]:
    shown = []
    by_channel = attrgetter("channel_name")
    for channel_name, found in groupby(sorted(groups, key=by_channel), by_channel):
        shown += await _show(deps, tx, channel_name, list(found))
    return shown


async def _show(deps: Deps, tx: Tx, channel_name: str, groups: list[AlertGroup]) -> list[AlertGroup]:
    storm = await _storm(deps, tx, channel_name)
    if storm is None:
        for group in groups:
            await outbox.enqueue(deps, tx, await _card(tx, group))
        return groups
    await store.join(tx, storm.id, [group.id for group in groups], wall=deps.clock.wall())
    await refresh.storm(deps, tx, storm.id)
    return [replace(group, storm=storm.id) for group in groups]


async def _storm(deps: Deps, tx: Tx, channel_name: str) -> Storm | None:
    wall = deps.clock.wall()
    since = wall - WINDOW_SECONDS
    storm = await store.storm_on(tx, channel_name, since_wall=since)
    if storm or await store.cards_since(tx, channel_name, since_wall=since) <= MOST_CARDS:
        return storm
    storm = await store.begin_storm(tx, channel_name, at=deps.clock.now(), wall=wall)
    await store.sweep_into(tx, storm.id, channel_name, since_wall=since)
    await outbox.enqueue(deps, tx, await _storm_card(tx, storm))
    return storm


def posting(shown: AlertGroup | Storm) -> str:
    return f"card:{shown}"


async def _card(tx: Tx, group: AlertGroup) -> NewDelivery:
    channel, key = await channels.resolve(tx, group.channel_name), posting(group)
    return NewDelivery(PostAlert(), str(group), rate_limit=channel, rank=group.rank, dedupe_key=key)


async def _storm_card(tx: Tx, storm: Storm) -> NewDelivery:
    channel, key = await channels.resolve(tx, storm.channel_name), posting(storm)
    return NewDelivery(PostStorm(), str(storm), rate_limit=channel, rank=refresh.STORM_RANK, dedupe_key=key)
