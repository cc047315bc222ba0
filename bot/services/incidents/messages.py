"""Delivery handlers that say something in an incident's place, rendered from the state of the moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.incidents.incident import Incident, Placement, Status, Update
from bot.domain.outgoing.delivery import Delivery, Fate, NewDelivery, Plan, Skip, Wait
from bot.domain.people.person import BOT
from bot.interactions import Block
from bot.ports import Tx
from bot.queue import commitments, outbox
from bot.services import subjects
from bot.services.incidents import cadence, deliveries, postmortem, resolution, template_context, updates
from bot.services.incidents.channel import leave_channel, of
from bot.services.incidents.deliveries import (
    Announcement,
    AnnouncementToAll,
    Closed,
    EditPostmortem,
    PostmortemReminder,
    PostPostmortem,
    PostUpdate,
    Reminder,
    Reopened,
    Resolved,
    Stranded,
    UploadPostmortem,
    WatchQuestion,
)
from bot.services.messaging.fan_out import FanOut, Meant
from bot.services.messaging.file_upload import FileUpload, file
from bot.services.messaging.slack_errors import CHANNEL_GONE, THREAD_GONE
from bot.services.messaging.slack_post import Edit, M, Message, MovablePost, Post, Rendered, at, edited
from bot.services.subjects import NOT_YET, Place
from bot.store.incidents import incidents as store, updates as updates_store
from bot.views import incident as view
from bot.views.kit import links, mrkdwn
from bot.views.kit.blocks import section

Said = tuple[str, list[Block] | None]  # the plain-text fallback, and the blocks where it is not all


class InPlace(MovablePost[M]):
    """A message in the incident's place. A lost channel moves it to the card's thread; a lost card, to the channel."""

    async def say(self, deps: Deps, tx: Tx, delivery: Delivery[M], incident: Incident) -> Said | Skip:
        raise NotImplementedError

    def place(self, incident: Incident) -> Place | Wait:
        return subjects.place_of(incident)

    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[M]) -> Rendered:
        incident = await of(tx, delivery)
        said = await self.say(deps, tx, delivery, incident)
        return said if isinstance(said, Skip) else at(self.place(incident), *said)

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[M], problem: Undeliverable) -> Fate:
        if problem.error in CHANNEL_GONE:
            incident = await store.lock(tx, (await of(tx, delivery)).id)
            if incident.placement is Placement.CHANNEL:
                return await leave_channel(deps, tx, incident, problem.error)
        return await super().on_refused(deps, tx, delivery, problem)


class ToLeader(MovablePost[M]):
    """A message to one person, said in the incident's place where Slack does not take it to them."""

    instead = "said in the incident's place instead"
    keeps_thread = True

    async def is_lost(self, tx: Tx, delivery: Delivery[M], problem: Undeliverable) -> bool:
        return problem.permanent


def _in_card_thread(incident: Incident) -> Place | Wait:
    channel, ts = incident.card
    return (channel, ts) if channel and ts else NOT_YET


# --- updates ---


class UpdateHandler(InPlace[PostUpdate]):
    """The bot's own update tells today's state: of those that Slack did not take, only the newest is said."""

    async def say(self, deps: Deps, tx: Tx, delivery: Delivery[PostUpdate], incident: Incident) -> Said | Skip:
        update = await updates_store.get_update(tx, delivery.payload.update)
        own = update.author == BOT
        if own and await updates_store.is_superseded(tx, update, delivery.id):
            return Skip("a newer update says it")
        changes = await _changes(tx, update)
        words = await _words(deps, tx, "update", incident, changes) if own else ""
        blocks = view.update_message(incident, cadence.level(deps, incident), update, words, changes, own)
        return view.fallback(incident, update.text or f"still {incident.status}"), blocks

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[PostUpdate], answer: dict[str, Any]) -> None:
        now, update = deps.clock.now(), delivery.payload.update
        await updates_store.posted(tx, update, now)
        await commitments.meet(tx, subject=updates.message_of(delivery.subject, update), kind="message", at=now)


async def _changes(tx: Tx, update: Update) -> list[str]:
    return [view.sentence(entry) for entry in await template_context.changes(tx, update)]


async def _words(deps: Deps, tx: Tx, kind: str, incident: Incident, changes: list[str] | None = None) -> str:
    return template_context.said(deps, kind, incident, await store.roles_of(tx, incident.id), changes or [])


class ReminderHandler(ToLeader[Reminder]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[Reminder]) -> Rendered:
        incident = await of(tx, delivery)
        if incident.next_update_at != datetime.fromisoformat(delivery.payload.due) or not incident.is_open:
            return Skip("somebody has written meanwhile")
        held = await store.roles_of(tx, incident.id)
        blocks = view.reminder_message(incident, template_context.said(deps, "reminder", incident, held))
        text = view.fallback(incident, "an update is due soon. Post it or snooze.")
        if "commander" in held and not delivery.payload.elsewhere:
            return Message(held["commander"], text, blocks)
        return at(subjects.place_of(incident), text, blocks)

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[Reminder], answer: dict[str, Any]) -> None:
        reminder = f"{answer['channel']}:{answer['ts']}"
        await updates.reminded(deps, tx, delivery.subject, reminder, delivery.payload.due)


class AnnouncementHandler(Post[Announcement]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[Announcement]) -> Rendered:
        incident = await of(tx, delivery)
        words = await _words(deps, tx, "declared", incident)
        place = await subjects.targeted(tx, delivery.payload.target)
        return at(place, view.fallback(incident, "declared"), [section(words)])


class AnnouncementToAllHandler(FanOut[AnnouncementToAll]):
    async def meant(self, deps: Deps, tx: Tx, delivery: Delivery[AnnouncementToAll]) -> Meant:
        incident = await of(tx, delivery)
        return Meant([delivery.payload.who], await store.roles_of(tx, incident.id), incident.service)

    def each(self, delivery: Delivery[AnnouncementToAll], person: str) -> NewDelivery:
        one = Announcement(f"dm:{person}")
        key = deliveries.message_key(one, delivery.subject, one.target)
        return NewDelivery(one, delivery.subject, rank=delivery.rank, dedupe_key=key)


# --- the end ---


class ResolvedHandler(InPlace[Resolved]):
    async def say(self, deps: Deps, tx: Tx, delivery: Delivery[Resolved], incident: Incident) -> Said:
        words = await _words(deps, tx, "resolved", incident)
        return view.fallback(incident, "resolved"), view.resolved_message(incident, words)


class WatchQuestionHandler(InPlace[WatchQuestion]):
    """Where nobody can be asked, the half hour runs all the same."""

    async def say(self, deps: Deps, tx: Tx, delivery: Delivery[WatchQuestion], incident: Incident) -> Said | Skip:
        if incident.status is not Status.RESOLVED:
            return Skip(f"it is {incident.status} now")
        blocks = view.watch_message(incident, deps.clock.now() + resolution.ANSWER_WITHIN)
        return view.fallback(incident, "does the fix hold? Confirm or reopen."), blocks

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[WatchQuestion], answer: dict[str, Any]) -> None:
        await resolution.asked(deps, tx, (await of(tx, delivery)).id, delivery.payload.resolved)

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[WatchQuestion], problem: Undeliverable) -> Fate:
        fate = await super().on_refused(deps, tx, delivery, problem)
        is_said_elsewhere = problem.error in THREAD_GONE and not delivery.payload.elsewhere
        if not is_said_elsewhere and (isinstance(fate, Skip) or (fate is None and problem.permanent)):
            await self.on_sent(deps, tx, delivery, {})
        return fate


class ClosedHandler(InPlace[Closed]):
    async def say(self, deps: Deps, tx: Tx, delivery: Delivery[Closed], incident: Incident) -> Said:
        return view.closed_text(incident, delivery.payload.actor), None


class ReopenedHandler(InPlace[Reopened]):
    async def say(self, deps: Deps, tx: Tx, delivery: Delivery[Reopened], incident: Incident) -> Said:
        return view.reopened_text(incident, delivery.payload.actor), None


# --- its place is not what it should be ---


class StrandedHandler(Post[Stranded]):
    """A direct message to the commander, or to the declarer: why Slack gives no channel, and what follows."""

    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[Stranded]) -> Rendered:
        incident, why = await of(tx, delivery), delivery.payload
        if why.what == "open" and incident.slack.channel:
            return Skip("it has a channel by now")
        place = await deliveries.announced_in(deps, incident, tx)
        text = view.stranded(incident, why.what, why.error, place)
        link = links.permalink(deps, incident.slack.announce_channel, incident.slack.announce_ts)
        blocks = [section(f"{text} {mrkdwn.link(link, 'Open the card.')}" if link else text)]
        return Message(await _leader(tx, incident), text, blocks)


async def _leader(tx: Tx, incident: Incident) -> str:
    return (await store.roles_of(tx, incident.id)).get("commander") or incident.declared_by


# --- the post-mortem ---


class PostmortemHandler(InPlace[PostPostmortem]):
    def place(self, incident: Incident) -> Place | Wait:
        return _in_card_thread(incident)

    async def say(self, deps: Deps, tx: Tx, delivery: Delivery[PostPostmortem], incident: Incident) -> Said:
        return view.fallback(incident, "post-mortem draft"), view.postmortem_message(incident)

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[PostPostmortem], answer: dict[str, Any]) -> None:
        incident = await store.change(tx, (await of(tx, delivery)).id, postmortem_ts=answer["ts"])
        await outbox.retry_now(deps, tx, incident.name)
        await postmortem.upload(deps, tx, incident)


class PostmortemReminderHandler(ToLeader[PostmortemReminder]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[PostmortemReminder]) -> Rendered:
        incident = await of(tx, delivery)
        if incident.postmortem_done_at:
            return Skip("it is done")
        text = view.postmortem_reminder(incident, deps.clock.now())
        place = _in_card_thread(incident) if delivery.payload.elsewhere else (await _leader(tx, incident), None)
        return at(place, text, [section(text), *view.postmortem_message(incident)[1:]])


class EditPostmortemHandler(Edit[EditPostmortem]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[EditPostmortem]) -> Plan:
        incident = await of(tx, delivery)
        channel, ts = incident.card[0], incident.slack.postmortem_ts
        if not channel or not ts:
            return NOT_YET
        return edited(channel, ts, view.fallback(incident, "post-mortem draft"), view.postmortem_message(incident))


class UploadPostmortemHandler(FileUpload[UploadPostmortem]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[UploadPostmortem]) -> Plan:
        incident = await of(tx, delivery)
        place = _in_card_thread(incident)
        if isinstance(place, Wait):
            return place
        name = f"{incident.name.lower()}-postmortem-{delivery.token}.md"
        return file(*place, name, await postmortem.text(deps, tx, incident))
