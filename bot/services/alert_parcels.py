"""What is to be told of alerts, as parcels: written in the transaction of the fact, rendered when they are sent."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from bot.deps import Deps
from bot.domain.alert_group import AlertGroup
from bot.domain.delivery import Parcel
from bot.ports import Tx
from bot.services import deliveries, places
from bot.services.run_parcels import EDITS, POST, UPDATE
from bot.store.alerts import Storm

STORM_RANK = 0
# The storms whose edit this transaction has written down: the first stands for all that follow in it.
_edited: WeakKeyDictionary[Tx, set[int]] = WeakKeyDictionary()


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


async def edit_storm(deps: Deps, tx: Tx, storm: int) -> None:
    """Its card will show the state that it finds; hundreds of groups may ask for it in one transaction."""
    edited = _edited.setdefault(tx, set())
    if storm in edited:
        return
    edited.add(storm)
    name, key = f"STORM-{storm}", f"storm.edit:{storm}"
    parcel = Parcel("storm.edit", name, UPDATE, gate=EDITS, rank=STORM_RANK, collapse_key=key)
    await deliveries.enqueue(deps, tx, parcel)


async def refresh(deps: Deps, tx: Tx, group: AlertGroup) -> None:
    """Whatever shows the group will show the state that it finds when it is sent."""
    if group.storm:
        await edit_storm(deps, tx, group.storm)
    if group.ts or (group.has_card and not group.storm):
        await deliveries.enqueue(deps, tx, edit(group))
