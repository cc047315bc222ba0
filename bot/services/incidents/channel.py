"""Delivery handlers that open an incident's place: its channel and who is in it, its cards, topic, bookmark and pin."""

from __future__ import annotations

from html import unescape
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.incidents import incident as rules
from bot.domain.incidents.incident import Incident, Placement
from bot.domain.outgoing.delivery import Call, Delivery, Fate, Found, P, Plan, Skip, Wait
from bot.interactions import Block
from bot.ports import Tx
from bot.queue import operator_alarm, outbox
from bot.services.incidents import cadence, card as incident_card, channel_name, deliveries
from bot.services.incidents.deliveries import AddBookmark, Invite, Join, OpenChannel, PinCard, PostCard, Stranded
from bot.services.messaging import refresh
from bot.services.messaging.refresh import EditCard, SetTopic
from bot.services.messaging.slack_errors import CHANNEL_GONE
from bot.services.messaging.slack_post import (
    CHANNEL_RETRY_SECONDS,
    Edit,
    Message,
    Post,
    Rendered,
    SlackCall,
    edited,
    not_posted,
)
from bot.services.subjects import NO_CHANNEL
from bot.services.workspace import channels, recipients
from bot.store.incidents import incidents as store
from bot.store.people.people import find as find_person
from bot.views import incident as view
from bot.views.kit import links

ALREADY = {"already_in_channel", "already_pinned", "cant_invite_self", "no_item_specified"}
PRIVATE_WAIT_SECONDS = 300.0
JOIN_WAIT_SECONDS = 2.0
NAMES_TRIED = 20
LISTED = 999  # a page of conversations.list: few enough pages for a large workspace
SKEW_SECONDS = 60.0


async def of(tx: Tx, delivery: Delivery[Any]) -> Incident:
    return await store.get(tx, rules.number(delivery.subject) or 0)


class OpenChannelHandler(SlackCall[OpenChannel]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[OpenChannel]) -> Plan:
        incident = await of(tx, delivery)
        if incident.slack.channel or incident.placement is Placement.THREAD:
            return Skip("it has a place already")
        name = incident.slack.channel_name or channel_name.channel_name(incident.id, incident.title)
        return Call({"name": name, "is_private": incident.private})

    async def send(self, deps: Deps, delivery: Delivery[OpenChannel], arguments: dict[str, Any]) -> dict[str, Any]:
        """conversations.list may be slow to show the first try's channel."""
        found = await self.find_sent(deps, delivery, arguments) if delivery.attempts > 1 else None
        return found.answer if found else await super().send(deps, delivery, arguments)

    async def find_sent(self, deps: Deps, delivery: Delivery[OpenChannel], arguments: dict[str, Any]) -> Found | None:
        cursor = ""
        while True:
            page = await deps.chat.call("conversations.list", _listing(arguments["is_private"], cursor))
            for channel in page["channels"]:
                if channel["name"] == arguments["name"] and _is_ours(deps, delivery, channel):
                    return Found({"ok": True, "channel": channel})
            cursor = (page.get("response_metadata") or {}).get("next_cursor", "")
            if not cursor:
                return None

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[OpenChannel], answer: dict[str, Any]) -> None:
        channel = answer["channel"]
        incident = await store.lock(tx, (await of(tx, delivery)).id)
        incident = await store.change(tx, incident.id, channel=channel["id"], channel_name=channel["name"])
        await _fill_channel(deps, tx, incident)
        await outbox.retry_now(deps, tx, incident.name)

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[OpenChannel], problem: Undeliverable) -> Fate:
        incident = await of(tx, delivery)
        another = await _another_name(tx, incident) if problem.error == "name_taken" else None
        if another or not problem.permanent:
            return another
        await _say_what_is_wrong(deps, tx, incident, "open", problem.error)
        if incident.private:
            return Wait(PRIVATE_WAIT_SECONDS, f"{problem.error}: a private incident needs a private channel")
        await _live_in_the_thread(deps, tx, incident)
        return Skip(f"{problem.error}: it lives in the thread of its card")


def _listing(private: bool, cursor: str) -> dict[str, Any]:
    arguments = {"types": "private_channel" if private else "public_channel", "limit": LISTED, "exclude_archived": True}
    return {**arguments, "cursor": cursor} if cursor else arguments


def _is_ours(deps: Deps, delivery: Delivery[Any], channel: dict[str, Any]) -> bool:
    since = (delivery.first_sent_at or 0.0) - SKEW_SECONDS
    return channel.get("creator") == deps.workspace.bot_user and float(channel.get("created", 0)) >= since


async def _another_name(tx: Tx, incident: Incident) -> Wait | None:
    """None after NAMES_TRIED. Archived channels keep their names."""
    names = [channel_name.channel_name(incident.id, incident.title, attempt) for attempt in range(NAMES_TRIED)]
    taken = incident.slack.channel_name
    left = names[names.index(taken) + 1 :] if taken in names else names[1:]
    if not left:
        return None
    await store.change(tx, incident.id, channel_name=left[0])
    return Wait(0.0, "name_taken")


async def _live_in_the_thread(deps: Deps, tx: Tx, incident: Incident) -> None:
    incident = await store.change(tx, incident.id, placement=Placement.THREAD)
    await refresh.incident(deps, tx, incident)


async def leave_channel(deps: Deps, tx: Tx, incident: Incident, error: str) -> Wait | Skip:
    if error == "not_in_channel" and not incident.private:
        await deliveries.enqueue(deps, tx, incident, Join(), collapses=True)
        return Wait(JOIN_WAIT_SECONDS, error)
    if not incident.private:
        await _live_in_the_thread(deps, tx, incident)
    if incident.is_open:
        await _say_what_is_wrong(deps, tx, incident, "lost", error)
    elif incident.private:
        return Skip(f"{error}, and nobody works on it now")
    return Wait(CHANNEL_RETRY_SECONDS if incident.private else 0.0, error)


async def _say_what_is_wrong(deps: Deps, tx: Tx, incident: Incident, what: str, error: str) -> None:
    await deliveries.say(deps, tx, incident, Stranded(what, error), f"{what}:{error}:{incident.slack.channel or ''}")


async def _fill_channel(deps: Deps, tx: Tx, incident: Incident) -> None:
    """The second round trip: everything at once, the declarer's invitation first."""
    held = await store.roles_of(tx, incident.id)
    first = list(dict.fromkeys([incident.declared_by, *held.values()]))
    await deliveries.enqueue(deps, tx, incident, Invite(first))
    others = cadence.level(deps, incident).invite
    if others and not incident.private:  # people are invited to a private one by name
        await deliveries.enqueue(deps, tx, incident, Invite(list(others)))
    await deliveries.post_card(deps, tx, incident, refresh.CHANNEL, incident.slack.channel)
    await outbox.enqueue(deps, tx, refresh.topic_edit(incident))
    if not incident.private:
        await outbox.enqueue(deps, tx, refresh.card_edit(incident, refresh.ANNOUNCE))
    await _bookmark(deps, tx, incident)


async def _bookmark(deps: Deps, tx: Tx, incident: Incident) -> None:
    """Only once the channel and the announced card are there. The caller holds the row."""
    if incident.slack.channel and incident.slack.announce_ts:
        await deliveries.enqueue(deps, tx, incident, AddBookmark())


class InChannel(SlackCall[P]):
    async def call(self, deps: Deps, tx: Tx, delivery: Delivery[P], incident: Incident, channel: str) -> Plan:
        return Call({"channel": channel})

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[P]) -> Plan:
        incident = await of(tx, delivery)
        if not incident.slack.channel or incident.placement is Placement.THREAD:
            return Skip("it has no channel")
        return await self.call(deps, tx, delivery, incident, incident.slack.channel)


class InviteHandler(InChannel[Invite]):
    """Invites `who` as people. Nobody is kept out because Slack refuses somebody else."""

    async def call(self, deps: Deps, tx: Tx, delivery: Delivery[Invite], incident: Incident, channel: str) -> Plan:
        held = await store.roles_of(tx, incident.id)
        return Call({"channel": channel, "who": delivery.payload.who, "roles": held, "service": incident.service})

    async def send(self, deps: Deps, delivery: Delivery[Invite], arguments: dict[str, Any]) -> dict[str, Any]:
        wanted = await recipients.expand(deps, arguments["who"], arguments["roles"], service=arguments["service"])
        wanted = [person for person in wanted if person != deps.workspace.bot_user]
        if not wanted:
            return {"ok": True}
        try:
            return await self._invite(deps, arguments["channel"], wanted[:100])
        except Undeliverable as problem:
            if not problem.permanent or len(wanted) == 1:
                raise
        for person in wanted:
            await self._one(deps, arguments["channel"], person)
        return {"ok": True}

    async def _invite(self, deps: Deps, channel: str, wanted: list[str]) -> dict[str, Any]:
        return await deps.chat.call("conversations.invite", {"channel": channel, "users": ",".join(wanted)})

    async def _one(self, deps: Deps, channel: str, person: str) -> None:
        try:
            await self._invite(deps, channel, [person])
        except Undeliverable as problem:
            if not problem.permanent:
                raise

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[Invite], problem: Undeliverable) -> Fate:
        if problem.error in ALREADY:
            return {"ok": True}
        if problem.permanent:
            sentence = (
                f"{delivery.subject}: Slack refused an invitation to its channel ({problem.error}). "
                "Look who is missing there and invite them by hand."
            )
            key = f"invite:{delivery.subject}:{problem.error}"
            await operator_alarm.raise_later(deps, tx, subject=delivery.subject, sentence=sentence, key=key)
        return None


class JoinHandler(InChannel[Join]):
    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[Join], problem: Undeliverable) -> Fate:
        incident = await store.lock(tx, (await of(tx, delivery)).id)
        if problem.permanent and incident.placement is Placement.CHANNEL:
            await _live_in_the_thread(deps, tx, incident)
            await _say_what_is_wrong(deps, tx, incident, "lost", problem.error)
            return Skip(f"{problem.error}: it lives in the thread of its card")
        return None


class SetTopicHandler(InChannel[SetTopic]):
    """Slack announces every topic in the channel, so only a changed one is set."""

    async def call(self, deps: Deps, tx: Tx, delivery: Delivery[SetTopic], incident: Incident, channel: str) -> Plan:
        held = await store.roles_of(tx, incident.id)
        commander = await find_person(tx, held["commander"]) if "commander" in held else None
        name = commander.person.name if commander else None
        topic = view.topic(incident, cadence.level(deps, incident), name)
        if topic == incident.slack.topic:
            return Skip("it says so already")
        return Call({"channel": channel, "topic": topic})

    async def send(self, deps: Deps, delivery: Delivery[SetTopic], arguments: dict[str, Any]) -> dict[str, Any]:
        """Slack returns topics escaped: the one that was asked for is kept."""
        return {**await super().send(deps, delivery, arguments), "asked": arguments["topic"]}

    async def find_sent(self, deps: Deps, delivery: Delivery[SetTopic], arguments: dict[str, Any]) -> Found | None:
        answer = await deps.chat.call("conversations.info", {"channel": arguments["channel"]})
        there = str((answer["channel"].get("topic") or {}).get("value", ""))
        return Found({"ok": True, "asked": arguments["topic"]}) if _same_topic(there, arguments["topic"]) else None

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[SetTopic], answer: dict[str, Any]) -> None:
        await store.change(tx, (await of(tx, delivery)).id, topic=answer["asked"])


def _same_topic(there: str, asked: str) -> bool:
    return unescape(there).partition(" ")[2] == asked.partition(" ")[2]


class AddBookmarkHandler(InChannel[AddBookmark]):
    async def call(self, deps: Deps, tx: Tx, delivery: Delivery[AddBookmark], incident: Incident, channel: str) -> Plan:
        if incident.private:
            return Skip("nothing to link to")
        link = links.permalink(deps, incident.slack.announce_channel, incident.slack.announce_ts)
        if not link:
            return Skip("the workspace's address is not known")
        title = f"{incident} in {await deliveries.announced_in(deps, incident, tx)}"
        return Call({"channel_id": channel, "title": title, "type": "link", "link": link})

    async def find_sent(self, deps: Deps, delivery: Delivery[AddBookmark], arguments: dict[str, Any]) -> Found | None:
        there = await deps.chat.call("bookmarks.list", {"channel_id": arguments["channel_id"]})
        same = [one for one in there.get("bookmarks", []) if one.get("link") == arguments["link"]]
        return Found({"ok": True}) if same else None

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[AddBookmark], problem: Undeliverable) -> Fate:
        return Skip(problem.error) if problem.error.startswith("too_many") else None


class PinCardHandler(InChannel[PinCard]):
    async def call(self, deps: Deps, tx: Tx, delivery: Delivery[PinCard], incident: Incident, channel: str) -> Plan:
        ts = incident.slack.card_ts
        return Call({"channel": channel, "timestamp": ts}) if ts else Skip("there is no card to pin")

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[PinCard], problem: Undeliverable) -> Fate:
        return {"ok": True} if problem.error in ALREADY else None


# --- cards ---


async def _card(deps: Deps, tx: Tx, incident: Incident, variant: str) -> tuple[str, list[Block]]:
    is_home = variant == refresh.CHANNEL or incident.placement is Placement.THREAD
    card = await incident_card.shown(deps, tx, incident, is_home=is_home)
    return view.fallback(incident, f"{incident.severity}, {incident.status}"), view.card(card)


class PostCardHandler(Post[PostCard]):
    """Raises an alarm where Slack refuses the card for good: without its card people have nothing to work with."""

    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[PostCard]) -> Rendered:
        incident, variant = await of(tx, delivery), delivery.payload.variant
        if variant == refresh.CHANNEL:
            channel = incident.slack.channel
        else:
            channel = await channels.resolve(tx, deliveries.announce_setting(deps, incident))
        return Message(channel, *await _card(deps, tx, incident, variant)) if channel else NO_CHANNEL

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[PostCard], answer: dict[str, Any]) -> None:
        incident = await store.lock(tx, (await of(tx, delivery)).id)
        if delivery.payload.variant == refresh.ANNOUNCE:
            channel, ts = answer["channel"], answer["ts"]
            await _bookmark(deps, tx, await store.change(tx, incident.id, announce_channel=channel, announce_ts=ts))
            await outbox.retry_now(deps, tx, incident.name)
            return
        incident = await store.change(tx, incident.id, card_ts=answer["ts"])
        await deliveries.enqueue(deps, tx, incident, PinCard())
        await outbox.retry_now(deps, tx, incident.name)

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[PostCard], problem: Undeliverable) -> Fate:
        fate = await super().on_refused(deps, tx, delivery, problem)
        if fate is None and problem.permanent:
            incident, variant = await of(tx, delivery), delivery.payload.variant
            place = "its channel" if variant == refresh.CHANNEL else await deliveries.announced_in(deps, incident, tx)
            sentence = (
                f"{incident}: Slack refuses its card in {place} ({problem.error}). "
                f"Tell people there by hand; `/incident show {incident}` shows what it would say."
            )
            key = deliveries.posting(incident, variant)
            await operator_alarm.raise_later(deps, tx, subject=incident.name, sentence=sentence, key=key)
        return fate


class EditCardHandler(Edit[EditCard]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[EditCard]) -> Plan:
        incident, variant = await of(tx, delivery), delivery.payload.variant
        if variant not in refresh.variants(incident):
            return Skip("it no longer has such a card")
        if variant == refresh.CHANNEL:
            channel, ts = incident.slack.channel, incident.slack.card_ts
        else:
            channel, ts = incident.slack.announce_channel, incident.slack.announce_ts
        if not channel or not ts:
            return await not_posted(tx, deliveries.posting(incident, variant))
        return edited(channel, ts, *await _card(deps, tx, incident, variant))

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[EditCard], problem: Undeliverable) -> Fate:
        incident = await of(tx, delivery)
        is_in_channel = delivery.payload.variant == refresh.CHANNEL and incident.placement is Placement.CHANNEL
        if problem.error in CHANNEL_GONE and is_in_channel:
            return await leave_channel(deps, tx, incident, problem.error)
        return await super().on_refused(deps, tx, delivery, problem)
