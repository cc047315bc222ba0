"""What is to be told of alerts, as parcels: written in the transaction of the fact, rendered when they are sent."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.outgoing.delivery import POST, Parcel
from bot.ports import Tx
from bot.services.messaging.refresh import STORM_RANK
from bot.services.workspace import channels
from bot.store.alerts.storms import Storm


async def card(deps: Deps, tx: Tx, group: AlertGroup) -> Parcel:
    """Its message, which is edited in place ever after."""
    gate = await channels.resolve(tx, group.setting)
    return Parcel("alert.post", str(group), POST, gate=gate, rank=group.rank, dedupe_key=f"alert:{group.id}")


async def storm_card(deps: Deps, tx: Tx, storm: Storm) -> Parcel:
    gate = await channels.resolve(tx, storm.setting)
    return Parcel("storm.post", str(storm), POST, gate=gate, rank=STORM_RANK, dedupe_key=f"storm:{storm.id}")
