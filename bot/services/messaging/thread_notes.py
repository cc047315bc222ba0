"""A line beside its subject: in an incident's place, under an alert's card, in a run's thread."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Delivery, Movable, NewDelivery
from bot.ports import Tx
from bot.queue import outbox
from bot.services import subjects
from bot.services.messaging.slack_errors import CHANNEL_GONE, THREAD_GONE
from bot.services.messaging.slack_post import MovablePost, Rendered, at
from bot.views.kit.mrkdwn import escape, mention

LIMIT = 2_900

_SUBJECT = re.compile(r"(ALR|INC|RUN)-\d")


@dataclass(frozen=True)
class ThreadNote(Movable, kind="thread_note"):
    """`<@U…>` in `text` is a mention of `mentions` alone: the rest may be anybody's words."""

    text: str
    mentions: list[str]


async def say(deps: Deps, tx: Tx, subject: str, text: str, key: str, *, mentions: Sequence[str] = ()) -> None:
    """At most one note for the key."""
    note = ThreadNote(deps.secrets.masker.mask(text)[:LIMIT], list(mentions))
    await outbox.enqueue(deps, tx, NewDelivery(note, subject, dedupe_key=f"{note.kind}:{subject}:{key}"[:255]))


class ThreadNoteHandler(MovablePost[ThreadNote]):
    """Says the note in the alerts channel where the subject's place is gone."""

    instead = "said in the alerts channel instead"

    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[ThreadNote]) -> Rendered:
        if _SUBJECT.match(delivery.subject) and not delivery.payload.elsewhere:
            place = await subjects.thread(tx, await subjects.load(tx, delivery.subject))
        else:
            place = await subjects.channel_named(tx, deps.config.alerts_channel)
        return at(place, _shown(delivery.payload.text, delivery.payload.mentions))

    async def is_lost(self, tx: Tx, delivery: Delivery[ThreadNote], problem: Undeliverable) -> bool:
        return problem.error in CHANNEL_GONE or problem.error in THREAD_GONE


def _shown(text: str, mentions: Sequence[str]) -> str:
    shown = str(escape(text))
    for person in mentions:
        shown = shown.replace(str(escape(f"<@{person}>")), str(mention(person)))
    return shown
