"""What is to be told of alerts, as deliveries: written in the transaction of the fact, rendered when they are sent."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.outgoing.delivery import POST, NewDelivery
from bot.ports import Tx
from bot.services.messaging.refresh import STORM_RANK
from bot.services.workspace import channels
from bot.store.alerts.storms import Storm


async def card(deps: Deps, tx: Tx, group: AlertGroup) -> NewDelivery:
    """Its message, which is edited in place ever after."""
    channel = await channels.resolve(tx, group.channel_name)
    return NewDelivery(
        "alert.post", str(group), POST, rate_limit=channel, rank=group.rank, dedupe_key=f"alert:{group.id}"
    )


async def storm_card(deps: Deps, tx: Tx, storm: Storm) -> NewDelivery:
    channel = await channels.resolve(tx, storm.channel_name)
    return NewDelivery(
        "storm.post", str(storm), POST, rate_limit=channel, rank=STORM_RANK, dedupe_key=f"storm:{storm.id}"
    )
