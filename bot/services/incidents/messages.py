"""Delivery handlers that say something in an incident's place. Rendered when sent, from the state of that moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.incidents.incident import Incident, Placement, Status, Update
from bot.domain.outgoing.delivery import Call, Delivery, Found, Plan, Skip, Wait
from bot.domain.people.person import BOT
from bot.interactions import Block
from bot.ports import Tx
from bot.queue import commitments, outbox
from bot.services.incidents import announce, cadence, deliveries, resolution, template_context, updates
from bot.services.incidents import postmortem as incident_postmortem
from bot.services.incidents.channel import CHANNEL_WAIT_SECONDS, SOON_SECONDS, leave_channel, of
from bot.services.messaging.slack_errors import CHANNEL_GONE, THREAD_GONE
from bot.services.messaging.slack_post import Message, Plain, Post
from bot.services.workspace import channels, recipients
from bot.store.incidents import incidents as store
from bot.store.incidents import timeline as timeline_store
from bot.store.incidents import updates as updates_store
from bot.views import incident as view
from bot.views.kit import links, mrkdwn
from bot.views.kit.blocks import section

HERE = "its place is being opened"


class InPlace(Post):
    """A message in the incident's own place. Where its channel is gone, it goes on in the thread of the card.

    Where the card itself is gone, and its thread with it, the message stands in the channel: `loose`.
    """

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        plan = await super().prepare(deps, tx, delivery)
        if isinstance(plan, Call) and delivery.payload.get("loose"):
            plan.arguments.pop("thread_ts", None)
        return plan

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        incident = await store.lock(tx, (await of(tx, delivery)).id)
        if problem.error in THREAD_GONE and not delivery.payload.get("loose"):
            payload = {**delivery.payload, "loose": True}
            await deliveries.say(deps, tx, incident, delivery.kind, f"loose:{delivery.id}", **payload)
            return Skip(f"{problem.error}: said outside of the thread")
        if problem.error in CHANNEL_GONE and incident.placement is Placement.CHANNEL:
            return await leave_channel(deps, tx, incident, problem.error)
        return await super().on_refused(deps, tx, delivery, problem)


class Question(InPlace):
    """Whether the fix holds. Where nobody can be asked any more, the half hour runs all the same."""

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        fate = await super().on_refused(deps, tx, delivery, problem)
        is_said_elsewhere = problem.error in THREAD_GONE and not delivery.payload.get("loose")
        if not is_said_elsewhere and (isinstance(fate, Skip) or (fate is None and problem.permanent)):
            await self.on_sent(deps, tx, delivery, {})
        return fate


class DirectMessage(Post):
    """A message to one person. Where Slack does not take it to them, it is said in the incident's place."""

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        if not problem.permanent or delivery.payload.get("here"):
            return await super().on_refused(deps, tx, delivery, problem)
        payload = {**delivery.payload, "here": True}
        await deliveries.say(deps, tx, await of(tx, delivery), delivery.kind, f"here:{delivery.id}", **payload)
        return Skip(f"{problem.error}: said in the incident's place instead")


def _here(incident: Incident, text: str, blocks: list[Block]) -> Message | Wait:
    channel, thread = incident.place
    if not channel or (incident.placement == "thread" and not thread):
        return Wait(SOON_SECONDS, HERE)
    return Message(channel, text, blocks, thread)


def _in_card_thread(incident: Incident, text: str, blocks: list[Block]) -> Message | Wait:
    channel, ts = incident.card
    return Message(channel, text, blocks, ts) if channel and ts else Wait(SOON_SECONDS, HERE)


# --- updates ---


async def _changes(tx: Tx, update: Update) -> list[str]:
    told = await timeline_store.told_between(
        tx, update.incident, await updates_store.covered_from(tx, update), update.through
    )
    return [view.sentence(entry) for entry in told]


async def _update(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    """The bot's own is of today's state: of those that Slack did not take, the newest alone is said."""
    incident, update = await of(tx, delivery), await updates_store.get_update(tx, delivery.payload["update"])
    own = update.author == BOT
    if own and await updates_store.is_superseded(tx, update, delivery.id):
        return Skip("a newer update says it")
    changes = await _changes(tx, update)
    words = (
        template_context.said(deps, "update", incident, await store.roles_of(tx, incident.id), changes) if own else ""
    )
    blocks = view.update_message(incident, cadence.level(deps, incident), update, words, changes, own)
    return _here(incident, view.fallback(incident, update.text or f"still {incident.status}"), blocks)


async def _update_posted(deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
    now, update = deps.clock.now(), delivery.payload["update"]
    await updates_store.posted(tx, update, now)
    await commitments.meet(tx, subject=updates.message_of(delivery.subject, update), kind="message", at=now)


async def _reminder(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    incident = await of(tx, delivery)
    due = datetime.fromisoformat(delivery.payload["due"])
    if incident.next_update_at != due or not incident.is_open:
        return Skip("somebody has written meanwhile")
    held = await store.roles_of(tx, incident.id)
    words = template_context.said(deps, "reminder", incident, held)
    blocks = view.reminder_message(incident, words)
    text = view.fallback(incident, "an update is due soon. Post it or snooze.")
    commander = None if delivery.payload.get("here") else held.get("commander")
    return Message(commander, text, blocks) if commander else _here(incident, text, blocks)


async def _reminded(deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
    await updates.reminded(deps, tx, delivery.subject, f"{answer['channel']}:{answer['ts']}", delivery.payload["due"])


async def _announcement(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    """A severity's `notify`: a channel or a person hears of the declaration."""
    incident = await of(tx, delivery)
    kind, _, target = str(delivery.payload["target"]).partition(":")
    channel = await channels.resolve(tx, target.removeprefix("#")) if kind == "slack" else target
    if not channel:
        return Wait(CHANNEL_WAIT_SECONDS, "that channel cannot be used yet")
    words = template_context.said(deps, "declared", incident, await store.roles_of(tx, incident.id))
    return Message(channel, view.fallback(incident, "declared"), [section(words)])


class AnnouncementRecipients(Plain):
    """Who a severity's `notify` means: each of them gets a direct message."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        incident = await of(tx, delivery)
        roles = await store.roles_of(tx, incident.id)
        return Call({"who": delivery.payload["who"], "roles": roles, "service": incident.service})

    async def send(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        who, roles = [arguments["who"]], arguments["roles"]
        return {"people": await recipients.expand(deps, who, roles, service=arguments["service"])}

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        incident = await of(tx, delivery)
        for person in answer["people"]:
            await announce.tell(deps, tx, incident, f"dm:{person}")


# --- the end ---


async def _resolved(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    incident = await of(tx, delivery)
    words = template_context.said(deps, "resolved", incident, await store.roles_of(tx, incident.id))
    return _here(incident, view.fallback(incident, "resolved"), view.resolved_message(incident, words))


async def _watch(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    incident = await of(tx, delivery)
    if incident.status is not Status.RESOLVED:
        return Skip(f"it is {incident.status} now")
    blocks = view.watch_message(incident, deps.clock.now() + resolution.ANSWER_WITHIN)
    return _here(incident, view.fallback(incident, "does the fix hold? Confirm or reopen."), blocks)


async def _asked(deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
    await resolution.asked(deps, tx, (await of(tx, delivery)).id, str(delivery.payload.get("resolved")))


async def _closed(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    incident = await of(tx, delivery)
    text = view.closed_text(incident, delivery.payload["actor"])
    return _here(incident, text, [section(text)])


async def _reopened(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    incident = await of(tx, delivery)
    text = view.reopened_text(incident, delivery.payload["actor"])
    return _here(incident, text, [section(text)])


# --- its place is not what it should be ---


async def _stranded(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    """A direct message to the commander, or to who declared it: Slack gives no channel, and what follows from that."""
    incident = await of(tx, delivery)
    if delivery.payload["what"] == "open" and incident.slack.channel:
        return Skip("it has a channel by now")
    held = await store.roles_of(tx, incident.id)
    place = await deliveries.announced_in(deps, incident, tx)
    text = view.stranded(incident, delivery.payload["what"], delivery.payload["error"], place)
    link = links.permalink(deps, incident.slack.announce_channel, incident.slack.announce_ts)
    blocks = [section(f"{text} {mrkdwn.link(link, 'Open the card.')}" if link else text)]
    return Message(held.get("commander") or incident.declared_by, text, blocks)


# --- the post-mortem ---


async def _postmortem(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    incident = await of(tx, delivery)
    text = view.fallback(incident, "post-mortem draft")
    return _in_card_thread(incident, text, view.postmortem_message(incident))


async def _postmortem_posted(deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
    incident = await of(tx, delivery)
    incident = await store.change(tx, incident.id, postmortem_ts=answer["ts"])
    await outbox.enqueue(deps, tx, incident_postmortem.file_upload(incident))


async def _postmortem_reminder(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    incident = await of(tx, delivery)
    if incident.postmortem_done_at:
        return Skip("it is done")
    text = view.postmortem_reminder(incident, deps.clock.now())
    held = await store.roles_of(tx, incident.id)
    blocks = [section(text), *view.postmortem_message(incident)[1:]]
    if delivery.payload.get("here"):
        return _in_card_thread(incident, text, blocks)
    return Message(held.get("commander") or incident.declared_by, text, blocks)


class EditPostmortem(Plain):
    """The message of the draft, when it is marked done."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        incident = await of(tx, delivery)
        channel, _ = incident.card
        if not incident.slack.postmortem_ts:
            return Wait(SOON_SECONDS, "the draft is on its way")
        text = view.fallback(incident, "post-mortem draft")
        blocks = view.postmortem_message(incident)
        return Call({"channel": channel, "ts": incident.slack.postmortem_ts, "text": text, "blocks": blocks})


class UploadPostmortem(Plain):
    """The draft as a Markdown file in the thread. Its name carries the delivery's id, to be found again."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        incident = await of(tx, delivery)
        channel, thread = incident.card
        if not channel or not thread:
            return Wait(SOON_SECONDS, HERE)
        markdown = await incident_postmortem.text(deps, tx, incident)
        name = f"{incident.name.lower()}-postmortem-{delivery.token}.md"
        return Call({"channel": channel, "thread": thread, "name": name, "content": markdown})

    async def send(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        return await deps.chat.upload(
            name=arguments["name"],
            content=arguments["content"],
            channel=arguments["channel"],
            thread=arguments["thread"],
            comment="",
        )

    async def find_sent(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any]) -> Found | None:
        page = await deps.chat.call("files.list", {"channel": arguments["channel"], "count": 100})
        same = [one for one in page.get("files", []) if one.get("name") == arguments["name"]]
        return Found({"ok": True}) if same else None


update = InPlace(_update, _update_posted)
reminder = DirectMessage(_reminder, _reminded)
announcement = Post(_announcement)
announcement_recipients = AnnouncementRecipients()
resolved = InPlace(_resolved)
watch = Question(_watch, _asked)
closed = InPlace(_closed)
reopened = InPlace(_reopened)
stranded = Post(_stranded)
postmortem = InPlace(_postmortem, _postmortem_posted)
postmortem_reminder = DirectMessage(_postmortem_reminder)
