"""Deliveries that post cards of alerts: enqueued in the transaction of the fact, rendered when they are sent."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.alerts.group import AlertGroup
from bot.domain.outgoing.delivery import NewDelivery, Payload
from bot.ports import Tx
from bot.services.messaging.refresh import STORM_RANK
from bot.services.workspace import channels
from bot.store.alerts.storms import Storm


@dataclass(frozen=True)
class PostAlert(Payload, kind="alert.post"):
    """The card of a group, which is edited in place afterwards."""


@dataclass(frozen=True)
class PostStorm(Payload, kind="storm.post"):
    """The card of a storm, which is edited in place afterwards."""


async def card(tx: Tx, group: AlertGroup) -> NewDelivery:
    channel = await channels.resolve(tx, group.channel_name)
    key = f"alert:{group.id}"
    return NewDelivery(PostAlert(), str(group), rate_limit=channel, rank=group.rank, dedupe_key=key)


async def storm_card(tx: Tx, storm: Storm) -> NewDelivery:
    channel = await channels.resolve(tx, storm.channel_name)
    key = f"storm:{storm.id}"
    return NewDelivery(PostStorm(), str(storm), rate_limit=channel, rank=STORM_RANK, dedupe_key=key)
