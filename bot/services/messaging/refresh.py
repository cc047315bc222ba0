"""What shows the state of an incident or of an alert is edited in place after every change."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.incidents.incident import Home, Incident
from bot.domain.outgoing.delivery import EDITS, UPDATE, Parcel
from bot.ports import Tx
from bot.queue import outbox

CHANNEL = "channel"


ANNOUNCE = "announce"


def faces(incident: Incident) -> list[str]:
    """Which cards it has: a private one is not announced, one without a channel lives under its announcement."""
    shown = [] if incident.private else [ANNOUNCE]
    return [CHANNEL, *shown] if incident.home is Home.CHANNEL else shown


async def incident_cards(deps: Deps, tx: Tx, incident: Incident) -> None:
    """Its cards, and not the topic: what changed does not stand there."""
    for face in faces(incident):
        await outbox.enqueue(deps, tx, card_edit(incident, face))


async def incident(deps: Deps, tx: Tx, incident: Incident) -> None:
    """Both cards and the topic will show the state that they find when they are sent."""
    await incident_cards(deps, tx, incident)
    if incident.home is Home.CHANNEL and incident.channel:
        await outbox.enqueue(deps, tx, topic_edit(incident))


def card_edit(incident: Incident, face: str) -> Parcel:
    return Parcel(
        kind="card.edit",
        subject=incident.name,
        method="chat.update",
        payload={"face": face},
        rank=incident.rank,
        collapse_key=f"card:{incident.name}:{face}",
    )


def topic_edit(incident: Incident) -> Parcel:
    return Parcel(
        kind="channel.topic",
        subject=incident.name,
        method="conversations.setTopic",
        rank=incident.rank,
        collapse_key=f"topic:{incident.name}",
    )


STORM_RANK = 0


# The storms whose edit this transaction has written down: the first stands for all that follow in it.
_edited: WeakKeyDictionary[Tx, set[int]] = WeakKeyDictionary()


async def storm(deps: Deps, tx: Tx, storm: int) -> None:
    """Its card will show the state that it finds; hundreds of groups may ask for it in one transaction."""
    edited = _edited.setdefault(tx, set())
    if storm in edited:
        return
    edited.add(storm)
    name, key = f"STORM-{storm}", f"storm.edit:{storm}"
    parcel = Parcel("storm.edit", name, UPDATE, gate=EDITS, rank=STORM_RANK, collapse_key=key)
    await outbox.enqueue(deps, tx, parcel)


def alert_edit(group: AlertGroup) -> Parcel:
    key = f"alert.edit:{group.id}"
    return Parcel("alert.edit", str(group), UPDATE, gate=EDITS, rank=group.rank, collapse_key=key)


async def alert(deps: Deps, tx: Tx, group: AlertGroup) -> None:
    """Whatever shows the group will show the state that it finds when it is sent."""
    if group.storm:
        await storm(deps, tx, group.storm)
    if group.ts or (group.has_card and not group.storm):
        await outbox.enqueue(deps, tx, alert_edit(group))
