"""What shows an incident's state: its cards and its channel's topic, edited in place after every change."""

from __future__ import annotations

from collections.abc import Sequence

from bot.deps import Deps
from bot.domain.alert_group import AlertGroup
from bot.domain.delivery import Parcel
from bot.domain.incident import Home, Incident
from bot.ports import Tx
from bot.services import cadence, deliveries, ladder_words, places, telling
from bot.store import alerts as alerts_store
from bot.store import incidents as store
from bot.store import maintenance
from bot.store.places import find as find_place
from bot.views import incident as view

CHANNEL = "channel"
ANNOUNCE = "announce"


def faces(incident: Incident) -> list[str]:
    """Which cards it has: a private one is not announced, one without a channel lives under its announcement."""
    shown = [] if incident.private else [ANNOUNCE]
    return [CHANNEL, *shown] if incident.home is Home.CHANNEL else shown


async def edit_all(deps: Deps, tx: Tx, incident: Incident) -> None:
    """Its cards, and not the topic: what changed does not stand there."""
    for face in faces(incident):
        await deliveries.enqueue(deps, tx, edit(incident, face))


async def refresh(deps: Deps, tx: Tx, incident: Incident) -> None:
    """Both cards and the topic will show the state that they find when they are sent."""
    await edit_all(deps, tx, incident)
    if incident.home is Home.CHANNEL and incident.channel:
        await deliveries.enqueue(deps, tx, topic(incident))


def edit(incident: Incident, face: str) -> Parcel:
    return Parcel(
        kind="card.edit",
        subject=incident.name,
        method="chat.update",
        payload={"face": face},
        rank=incident.rank,
        collapse_key=f"card:{incident.name}:{face}",
    )


def posting(incident: Incident, face: str) -> str:
    """The key of the one delivery that posts this card."""
    return f"card:{incident.name}:{face}"


async def shown(deps: Deps, tx: Tx, incident: Incident, *, is_home: bool) -> view.Card:
    """All that a card shows, from the state of this moment."""
    groups = await alerts_store.belonging(tx, incident.id, view.ALERTS_SHOWN + 1)
    return view.Card(
        incident=incident,
        service=deps.catalogue.service_or_default(incident.service),
        severity=cadence.level(deps, incident),
        roles=await store.roles_of(tx, incident.id),
        last=await store.last_update(tx, incident.id),
        is_home=is_home,
        source=_source(deps, incident, groups),
        maintenance=await maintenance.of_service(tx, incident.service, deps.clock.now()),
        coming=await ladder_words.coming(deps, tx, incident),
        alerts=[(one, telling.permalink(deps, one.channel, one.ts)) for one in groups],
    )


def _source(deps: Deps, incident: Incident, groups: Sequence[AlertGroup]) -> str | None:
    """The message it was declared from; that of an alert stands among its alerts."""
    if any((one.channel, one.ts) == (incident.source_channel, incident.source_ts) for one in groups):
        return None
    return telling.permalink(deps, incident.source_channel, incident.source_ts)


def announce_setting(deps: Deps, incident: Incident) -> str:
    """The channel its service announces in, as an operator wrote it."""
    service = deps.catalogue.service_or_default(incident.service)
    return service.incidents_channel or deps.config.incidents_channel


async def announced_in(deps: Deps, incident: Incident, tx: Tx | None = None) -> str:
    """That channel's name as people know it, `#incidents`; as it was configured, until Slack has shown it."""
    if tx is None:
        async with deps.database.reading() as own:
            return await announced_in(deps, incident, own)
    key = places.key_of(announce_setting(deps, incident))
    place = await find_place(tx, key)
    return f"#{place.name if place and place.name else key}"


def topic(incident: Incident) -> Parcel:
    return Parcel(
        kind="channel.topic",
        subject=incident.name,
        method="conversations.setTopic",
        rank=incident.rank,
        collapse_key=f"topic:{incident.name}",
    )


async def say(deps: Deps, tx: Tx, incident: Incident, kind: str, key: str, **payload: object) -> None:
    """A message of its own, at most one ever for the key. Where it goes is found when it is sent."""
    await deliveries.enqueue(
        deps,
        tx,
        Parcel(
            kind=kind,
            subject=incident.name,
            method="chat.postMessage",
            payload=payload,
            rank=incident.rank,
            dedupe_key=f"{kind}:{incident.name}:{key}",
        ),
    )
