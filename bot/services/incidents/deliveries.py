"""Deliveries about an incident: enqueued in the transaction of the fact, rendered when they are sent."""

from __future__ import annotations

from dataclasses import dataclass

from bot.deps import Deps
from bot.domain.catalogue.severity import Severity
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.delivery import UPDATE, Movable, NewDelivery, Payload
from bot.domain.people import access
from bot.ports import Tx
from bot.queue import outbox
from bot.services.incidents import email
from bot.services.messaging import fan_out, file_upload
from bot.services.workspace import channels
from bot.store.people.channels import find as find_channel

# --- its place --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OpenChannel(Payload, kind="channel.open", method="conversations.create"):
    """What fills the channel follows when Slack has made it."""


@dataclass(frozen=True)
class Invite(Payload, kind="channel.invite", method="conversations.invite"):
    """`who` as in the catalogue: people, groups, teams, roles."""

    who: list[str]


@dataclass(frozen=True)
class Join(Payload, kind="channel.join", method="conversations.join"):
    """Back into a public channel from which somebody removed the bot."""


@dataclass(frozen=True)
class AddBookmark(Payload, kind="channel.bookmark", method="bookmarks.add"):
    """A link to the announced card."""


@dataclass(frozen=True)
class PinCard(Payload, kind="channel.pin", method="pins.add"):
    """The card in its channel."""


@dataclass(frozen=True)
class PostCard(Payload, kind="card.post"):
    variant: str


@dataclass(frozen=True)
class Stranded(Payload, kind="stranded"):
    """A direct message: the incident's place is not what it should be."""

    what: str  # open | lost
    error: str


# --- messages in its place --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PostUpdate(Movable, kind="update"):
    update: int


@dataclass(frozen=True)
class Reminder(Movable, kind="reminder"):
    due: str  # ISO


@dataclass(frozen=True)
class Announcement(Payload, kind="announcement"):
    """To a channel or a person of the severity's `notify`."""

    target: str


@dataclass(frozen=True)
class AnnouncementToAll(Payload, kind="announcement.recipients", method=fan_out.METHOD):
    who: str


@dataclass(frozen=True)
class Resolved(Movable, kind="resolved"):
    """Rendered from the state of the moment."""


@dataclass(frozen=True)
class WatchQuestion(Movable, kind="watch"):
    """Whether the fix holds. `resolved` tells this resolution from others."""

    resolved: str


@dataclass(frozen=True)
class Closed(Movable, kind="closed"):
    actor: str


@dataclass(frozen=True)
class Reopened(Movable, kind="reopened"):
    actor: str


# --- its post-mortem --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PostPostmortem(Movable, kind="postmortem"):
    """The message of the draft."""


@dataclass(frozen=True)
class EditPostmortem(Payload, kind="postmortem.edit", method=UPDATE):
    """The message of the draft, marked done."""


@dataclass(frozen=True)
class UploadPostmortem(Payload, kind="postmortem.file", method=file_upload.METHOD):
    """The draft as a Markdown file in the thread."""


@dataclass(frozen=True)
class PostmortemReminder(Movable, kind="postmortem.reminder"):
    """To the commander."""


# --- writing them down ------------------------------------------------------------------------------------------------


async def say(deps: Deps, tx: Tx, incident: Incident, message: Payload, key: str) -> None:
    """At most one ever for the key."""
    key = message_key(message, incident.name, key)
    await outbox.enqueue(deps, tx, NewDelivery(message, incident.name, rank=incident.rank, dedupe_key=key))


def message_key(message: Payload, incident: str, key: str) -> str:
    return f"{message.kind}:{incident}:{key}"


async def enqueue(deps: Deps, tx: Tx, incident: Incident, what: Payload, *, collapses: bool = False) -> None:
    key = f"{what.kind}:{incident.name}" if collapses else None
    await outbox.enqueue(deps, tx, NewDelivery(what, incident.name, rank=incident.rank, collapse_key=key))


async def tell_all(deps: Deps, tx: Tx, incident: Incident, severity: Severity) -> None:
    """A private incident to nobody, and never as a page.

    Who a team, group or role is, and an `email:`, is looked up when the message is sent.
    """
    for target in severity.notify if not incident.private else ():
        kind, _, who = target.partition(":")
        if kind == "email":
            await email.send(deps, tx, incident, target)
        elif kind == "slack" or (kind == "dm" and access.USER.fullmatch(who)):
            await say(deps, tx, incident, Announcement(target), target)
        elif kind == "dm":
            await enqueue(deps, tx, incident, AnnouncementToAll(who))


async def post_card(deps: Deps, tx: Tx, incident: Incident, variant: str, channel: str | None) -> None:
    key = posting(incident, variant)
    new = NewDelivery(PostCard(variant), incident.name, rate_limit=channel, rank=incident.rank, dedupe_key=key)
    await outbox.enqueue(deps, tx, new)


def posting(incident: Incident, variant: str) -> str:
    return f"card:{incident.name}:{variant}"


def announce_setting(deps: Deps, incident: Incident) -> str:
    return deps.catalogue.service_or_default(incident.service).incidents_channel or deps.config.incidents_channel


async def announced_in(deps: Deps, incident: Incident, tx: Tx | None = None) -> str:
    if tx is None:
        async with deps.database.reading() as own:
            return await announced_in(deps, incident, own)
    key = channels.key_of(announce_setting(deps, incident))
    place = await find_channel(tx, key)
    return f"#{place.name if place and place.name else key}"
