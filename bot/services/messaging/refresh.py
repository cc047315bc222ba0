"""What shows the state of an incident or of an alert is edited in place after every change."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.incidents.incident import Incident, Placement
from bot.domain.outgoing.delivery import EDITS, UPDATE, NewDelivery
from bot.ports import Tx
from bot.queue import outbox

CHANNEL = "channel"


ANNOUNCE = "announce"


def variants(incident: Incident) -> list[str]:
    """Which cards it has: a private one is not announced, one without a channel lives under its announcement."""
    shown = [] if incident.private else [ANNOUNCE]
    return [CHANNEL, *shown] if incident.placement is Placement.CHANNEL else shown


async def incident_cards(deps: Deps, tx: Tx, incident: Incident) -> None:
    """Its cards, and not the topic: what changed does not stand there."""
    for variant in variants(incident):
        await outbox.enqueue(deps, tx, card_edit(incident, variant))


async def incident(deps: Deps, tx: Tx, incident: Incident) -> None:
    """Both cards and the topic will show the state that they find when they are sent."""
    await incident_cards(deps, tx, incident)
    if incident.placement is Placement.CHANNEL and incident.slack.channel:
        await outbox.enqueue(deps, tx, topic_edit(incident))


def card_edit(incident: Incident, variant: str) -> NewDelivery:
    return NewDelivery(
        kind="card.edit",
        subject=incident.name,
        method="chat.update",
        payload={"variant": variant},
        rank=incident.rank,
        collapse_key=f"card:{incident.name}:{variant}",
    )


def topic_edit(incident: Incident) -> NewDelivery:
    return NewDelivery(
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
    new = NewDelivery("storm.edit", name, UPDATE, rate_limit=EDITS, rank=STORM_RANK, collapse_key=key)
    await outbox.enqueue(deps, tx, new)


def alert_edit(group: AlertGroup) -> NewDelivery:
    key = f"alert.edit:{group.id}"
    return NewDelivery("alert.edit", str(group), UPDATE, rate_limit=EDITS, rank=group.rank, collapse_key=key)


async def alert(deps: Deps, tx: Tx, group: AlertGroup) -> None:
    """Whatever shows the group will show the state that it finds when it is sent."""
    if group.storm:
        await storm(deps, tx, group.storm)
    if group.ts or (group.has_card and not group.storm):
        await outbox.enqueue(deps, tx, alert_edit(group))
