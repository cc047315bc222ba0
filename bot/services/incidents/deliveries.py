"""What is to be told of an incident: written in the transaction of the fact, rendered when it is sent."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.delivery import NewDelivery
from bot.ports import Tx
from bot.queue import outbox
from bot.services.incidents import deliveries
from bot.services.workspace import channels
from bot.store.people.channels import find as find_channel


def posting(incident: Incident, variant: str) -> str:
    """The key of the one delivery that posts this card."""
    return f"card:{incident.name}:{variant}"


def announce_setting(deps: Deps, incident: Incident) -> str:
    """The channel its service announces in, as an operator wrote it."""
    service = deps.catalogue.service_or_default(incident.service)
    return service.incidents_channel or deps.config.incidents_channel


async def announced_in(deps: Deps, incident: Incident, tx: Tx | None = None) -> str:
    """That channel's name as people know it, `#incidents`; as it was configured, until Slack has shown it."""
    if tx is None:
        async with deps.database.reading() as own:
            return await announced_in(deps, incident, own)
    key = channels.key_of(announce_setting(deps, incident))
    place = await find_channel(tx, key)
    return f"#{place.name if place and place.name else key}"


async def say(deps: Deps, tx: Tx, incident: Incident, kind: str, key: str, **payload: object) -> None:
    """A message of its own, at most one ever for the key. Where it goes is found when it is sent."""
    await outbox.enqueue(
        deps,
        tx,
        NewDelivery(
            kind=kind,
            subject=incident.name,
            method="chat.postMessage",
            payload=payload,
            rank=incident.rank,
            dedupe_key=f"{kind}:{incident.name}:{key}",
        ),
    )


def channel_open(incident: Incident) -> NewDelivery:
    return NewDelivery("channel.open", incident.name, "conversations.create", rank=incident.rank)


def invitation(incident: Incident, who: list[str]) -> NewDelivery:
    """`who` as in the catalogue: people, groups, teams, roles."""
    return NewDelivery(
        "channel.invite", incident.name, "conversations.invite", payload={"who": who}, rank=incident.rank
    )


def card_post(incident: Incident, variant: str, channel: str | None) -> NewDelivery:
    """With its channel known, it queues at that channel's rate limit from the beginning."""
    return NewDelivery(
        kind="card.post",
        subject=incident.name,
        method="chat.postMessage",
        payload={"variant": variant},
        rate_limit=channel,
        rank=incident.rank,
        dedupe_key=deliveries.posting(incident, variant),
    )
