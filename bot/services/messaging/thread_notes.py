"""A line beside what it is about: where an incident lives, under an alert's card, in a run's thread."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Delivery, NewDelivery, Skip, Wait
from bot.ports import Tx
from bot.queue import outbox
from bot.services import subjects
from bot.services.messaging.slack_errors import CHANNEL_GONE, THREAD_GONE
from bot.services.messaging.slack_post import Message, Post
from bot.services.subjects import Place
from bot.views.kit.blocks import section
from bot.views.kit.mrkdwn import escape, mention

KIND = "thread_note"
POST = "chat.postMessage"
LIMIT = 2_900

_SUBJECT = re.compile(r"(ALR|INC|RUN)-\d")


async def say(deps: Deps, tx: Tx, subject: str, text: str, key: str, *, mentions: Sequence[str] = ()) -> None:
    """Beside `INC-42`, `ALR-7` or `RUN-3`, at most once for the key. `<@U…>` is a mention of these people alone: the
    rest may be anybody's words.
    """
    payload = {"text": deps.secrets.masker.mask(text)[:LIMIT], "mentions": list(mentions)}
    new = NewDelivery(KIND, subject, POST, payload, dedupe_key=f"{KIND}:{subject}:{key}"[:255])
    await outbox.enqueue(deps, tx, new)


async def _render(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    place = await _beside(deps, tx, "" if delivery.payload.get("loose") else delivery.subject)
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


async def _beside(deps: Deps, tx: Tx, subject: str) -> Place | Wait:
    if _SUBJECT.match(subject):
        return await subjects.thread(tx, await subjects.load(tx, subject))
    return await subjects.channel_named(tx, deps.config.alerts_channel)


class Beside(Post):
    """Where that place is gone, it is said in the alerts channel."""

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        is_gone = problem.error in CHANNEL_GONE or problem.error in THREAD_GONE
        if not is_gone or delivery.payload.get("loose"):
            return await super().on_refused(deps, tx, delivery, problem)
        payload = {**delivery.payload, "loose": True}
        key = f"{KIND}:loose:{delivery.id}"
        await outbox.enqueue(deps, tx, NewDelivery(KIND, delivery.subject, POST, payload, dedupe_key=key))
        return Skip(f"{problem.error}: said in the alerts channel instead")


note = Beside(_render)
