"""A line beside what it is about: where an incident lives, under an alert's card, in a run's thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.deps import Deps
from bot.domain.alerts import group as alert_rules
from bot.domain.alerts.group import AlertGroup
from bot.domain.errors import Undeliverable
from bot.domain.incidents import incident as incident_rules
from bot.domain.incidents.incident import Placement
from bot.domain.outgoing.delivery import Delivery, NewDelivery, Skip, Wait
from bot.domain.runs import run as run_rules
from bot.ports import Tx
from bot.queue import outbox
from bot.services.messaging.slack_post import CHANNEL_GONE, Message, Post
from bot.services.workspace import channels
from bot.store.alerts import groups as alert_groups
from bot.store.alerts import storms as storms_store
from bot.store.incidents import incidents
from bot.store.runs import runs
from bot.views.kit.blocks import section
from bot.views.kit.mrkdwn import escape, mention

KIND = "thread_note"
POST = "chat.postMessage"
LIMIT = 2_900
SOON_SECONDS = 1.0
CHANNEL_WAIT_SECONDS = 60.0
NOT_YET = "what it belongs to is being posted"
NO_THREAD = frozenset({"cannot_reply_to_message", "thread_not_found", "message_not_found"})

_Place = tuple[str, str | None]  # channel and thread


async def say(deps: Deps, tx: Tx, subject: str, text: str, key: str, *, mentions: Sequence[str] = ()) -> None:
    """Beside `INC-42`, `ALR-7` or `RUN-3`, at most once for the key. `<@U…>` is a mention of these people alone: the
    rest may be anybody's words.
    """
    payload = {"text": deps.secrets.masker.mask(text)[:LIMIT], "mentions": list(mentions)}
    new = NewDelivery(KIND, subject, POST, payload, dedupe_key=f"{KIND}:{subject}:{key}"[:255])
    await outbox.enqueue(deps, tx, new)


async def _render(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    place = await (_alerts_channel(deps, tx) if delivery.payload.get("loose") else _beside(deps, tx, delivery.subject))
    if isinstance(place, Wait):
        return place
    channel, thread = place
    text = _shown(str(delivery.payload["text"]), delivery.payload["mentions"])
    return Message(channel, text, [section(text)], thread)


def _shown(text: str, mentions: Sequence[str]) -> str:
    shown = str(escape(text))
    for person in mentions:
        shown = shown.replace(str(escape(f"<@{person}>")), str(mention(person)))
    return shown


async def _beside(deps: Deps, tx: Tx, subject: str) -> _Place | Wait:
    if number := incident_rules.number(subject):
        return await _where_it_lives(tx, number)
    if number := alert_rules.number(subject):
        return await _under_its_card(tx, await alert_groups.get(tx, number))
    if subject.startswith("RUN-"):
        return await _in_its_thread(tx, run_rules.number(subject) or 0)
    return await _alerts_channel(deps, tx)


async def _where_it_lives(tx: Tx, number: int) -> _Place | Wait:
    incident = await incidents.get(tx, number)
    channel, thread = incident.place
    if not channel or (incident.placement is Placement.THREAD and not thread):
        return Wait(SOON_SECONDS, NOT_YET)
    return channel, thread


async def _under_its_card(tx: Tx, group: AlertGroup) -> _Place | Wait:
    """Its own card or that of its storm; in the channel where it has none."""
    if group.channel and group.ts:
        return group.channel, group.ts
    if group.storm:
        storm = await storms_store.storm(tx, group.storm)
        return (storm.channel, storm.ts) if storm.channel and storm.ts else Wait(SOON_SECONDS, NOT_YET)
    if group.has_card:
        return Wait(SOON_SECONDS, NOT_YET)
    channel = await channels.resolve(tx, group.channel_name)
    return (channel, None) if channel else Wait(CHANNEL_WAIT_SECONDS, "the channel for it cannot be used yet")


async def _in_its_thread(tx: Tx, number: int) -> _Place | Wait:
    run = await runs.get(tx, number)
    return (run.channel, run.root) if run.channel and run.root else Wait(SOON_SECONDS, NOT_YET)


async def _alerts_channel(deps: Deps, tx: Tx) -> _Place | Wait:
    channel = await channels.resolve(tx, deps.config.alerts_channel)
    return (channel, None) if channel else Wait(CHANNEL_WAIT_SECONDS, "the channel for it cannot be used yet")


class Beside(Post):
    """Where that place is gone, it is said in the alerts channel."""

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        is_gone = problem.error in CHANNEL_GONE or problem.error in NO_THREAD
        if not is_gone or delivery.payload.get("loose"):
            return await super().on_refused(deps, tx, delivery, problem)
        payload = {**delivery.payload, "loose": True}
        key = f"{KIND}:loose:{delivery.id}"
        await outbox.enqueue(deps, tx, NewDelivery(KIND, delivery.subject, POST, payload, dedupe_key=key))
        return Skip(f"{problem.error}: said in the alerts channel instead")


note = Beside(_render)
