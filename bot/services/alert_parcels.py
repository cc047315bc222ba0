"""What is to be told of alerts, as parcels: written in the transaction of the fact, rendered when they are sent."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.alert_group import AlertGroup
from bot.domain.delivery import Parcel
from bot.ports import Tx
from bot.services import deliveries, places
from bot.services.run_parcels import EDITS, POST, UPDATE
from bot.store.alerts import Storm

STORM_RANK = 0


async def card(deps: Deps, tx: Tx, group: AlertGroup) -> Parcel:
    """Its message, which is edited in place ever after."""
    gate = await places.resolve(tx, group.setting)
    return Parcel("alert.post", str(group), POST, gate=gate, rank=group.rank, dedupe_key=f"alert:{group.id}")


def edit(group: AlertGroup) -> Parcel:
    key = f"alert.edit:{group.id}"
    return Parcel("alert.edit", str(group), UPDATE, gate=EDITS, rank=group.rank, collapse_key=key)


async def storm_card(deps: Deps, tx: Tx, storm: Storm) -> Parcel:
    gate = await places.resolve(tx, storm.setting)
    return Parcel("storm.post", str(storm), POST, gate=gate, rank=STORM_RANK, dedupe_key=f"storm:{storm.id}")


def storm_edit(storm: int) -> Parcel:
    key = f"storm.edit:{storm}"
    return Parcel("storm.edit", f"STORM-{storm}", UPDATE, gate=EDITS, rank=STORM_RANK, collapse_key=key)


async def refresh(deps: Deps, tx: Tx, group: AlertGroup) -> None:
    """Whatever shows the group will show the state that it finds when it is sent."""
    if group.storm:
        await deliveries.enqueue(deps, tx, storm_edit(group.storm))
    if group.ts or (group.has_card and not group.storm):
        await deliveries.enqueue(deps, tx, edit(group))
