"""Edits, after every change, of the messages that show an incident's or an alert's state."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.incidents.incident import Incident, Placement
from bot.domain.outgoing.delivery import EDITS, UPDATE, NewDelivery, Payload
from bot.ports import Tx
from bot.queue import outbox

CHANNEL = "channel"
ANNOUNCE = "announce"
STORM_RANK = 0


@dataclass(frozen=True)
class EditCard(Payload, kind="card.edit", method=UPDATE):
    variant: str


@dataclass(frozen=True)
class SetTopic(Payload, kind="channel.topic", method="conversations.setTopic"):
    """Of an incident's channel."""


@dataclass(frozen=True)
class EditAlert(Payload, kind="alert.edit", method=UPDATE):
    """The card of a group."""


@dataclass(frozen=True)
class EditStorm(Payload, kind="storm.edit", method=UPDATE):
    """The card of a storm."""


def variants(incident: Incident) -> list[str]:
    shown = [] if incident.private else [ANNOUNCE]
    return [CHANNEL, *shown] if incident.placement is Placement.CHANNEL else shown


async def incident_cards(deps: Deps, tx: Tx, incident: Incident) -> None:
    for variant in variants(incident):
        await outbox.enqueue(deps, tx, card_edit(incident, variant))


async def incident(deps: Deps, tx: Tx, incident: Incident) -> None:
    await incident_cards(deps, tx, incident)
    if incident.placement is Placement.CHANNEL and incident.slack.channel:
        await outbox.enqueue(deps, tx, topic_edit(incident))


def card_edit(incident: Incident, variant: str) -> NewDelivery:
    return NewDelivery(
        EditCard(variant), incident.name, rank=incident.rank, collapse_key=f"card:{incident.name}:{variant}"
    )


def topic_edit(incident: Incident) -> NewDelivery:
    return NewDelivery(SetTopic(), incident.name, rank=incident.rank, collapse_key=f"topic:{incident.name}")


# The storms whose edit this transaction has enqueued already.
_edited: WeakKeyDictionary[Tx, set[int]] = WeakKeyDictionary()


async def storm(deps: Deps, tx: Tx, storm: int) -> None:
    """Once in a transaction: hundreds of groups may share it."""
    edited = _edited.setdefault(tx, set())
    if storm in edited:
        return
    edited.add(storm)
    name, key = f"STORM-{storm}", f"storm.edit:{storm}"
    await outbox.enqueue(deps, tx, NewDelivery(EditStorm(), name, rate_limit=EDITS, rank=STORM_RANK, collapse_key=key))


async def alert(deps: Deps, tx: Tx, group: AlertGroup) -> None:
    if group.storm:
        await storm(deps, tx, group.storm)
    if group.ts or (group.has_card and not group.storm):
        name, key = str(group), f"alert.edit:{group.id}"
        new = NewDelivery(EditAlert(), name, rate_limit=EDITS, rank=group.rank, collapse_key=key)
        await outbox.enqueue(deps, tx, new)
