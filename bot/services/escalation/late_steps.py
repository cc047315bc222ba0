"""A step of a ladder that did not go out says so itself: by the second channel, by e-mail, and among the alerts."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.errors import Missing
from bot.domain.outgoing.delivery import POST, Parcel
from bot.ports import Tx
from bot.queue import operator_alarm, outbox
from bot.services.escalation import status
from bot.services.messaging import email, operator_notices
from bot.store.escalation import escalations as store
from bot.store.escalation.escalations import Way
from bot.store.queue.commitments import Promise
from bot.views import escalation as view

FAMILY = "ladder"
SAID_EACH = 5  # of what one look finds; the rest is counted


async def report(deps: Deps, tx: Tx, missed: list[Promise]) -> None:
    """Each in a sentence. Where many were missed at once, as when Slack was away, those after the first are counted."""
    for promise in missed[:SAID_EACH]:
        way, sentence = await _worded(tx, promise)
        await _say(deps, tx, promise, way, sentence)
    rest = len(missed) - SAID_EACH
    if rest > 0:
        last = missed[-1]
        sentence = f"{rest} more steps of ladders did not go out in time. `tocsin audit export` lists them."
        await _say(deps, tx, last, (await _worded(tx, last))[0], sentence)


async def _worded(tx: Tx, promise: Promise) -> tuple[Way | None, str]:
    """By the ladder as it was when this was promised, whatever became of the timer's row and of the catalogue."""
    due = f"{promise.due_at:%Y-%m-%d %H:%M} UTC"
    _, climb, position, number = (int(part) if part.isdigit() else 0 for part in promise.kind.split(":"))
    try:
        way = await store.get(tx, climb)
        target = way.ladder.step(position).notify[number]
    except (Missing, IndexError):
        return None, f"{promise.subject}: a step of its ladder was due at {due} and did not go out."
    return way, view.missed(promise.subject, way.ladder.key, position, target, due)


async def _say(deps: Deps, tx: Tx, promise: Promise, way: Way | None, sentence: str) -> None:
    key = f"promise:{promise.id}"
    await operator_alarm.raise_later(deps, tx, subject=promise.subject, sentence=sentence, key=key)
    if way and await _is_private(tx, way):
        return  # the operators' own channel is enough: nobody outside of it is to know that there is one
    payload = {"setting": deps.config.alerts_channel, "text": sentence}
    await outbox.enqueue(deps, tx, Parcel(operator_notices.KIND, promise.subject, POST, payload, dedupe_key=key))
    for target in _written_to(deps, way) if way and deps.mailer else ():
        title = f"[{promise.subject}] A step of the ladder “{way.ladder.key}” did not go out" if way else sentence
        await email.write(
            deps,
            tx,
            promise.subject,
            target,
            title=title,
            text=sentence,
            service=way.service if way else deps.catalogue.default_service,
            key=key,
            rank=0,
        )


async def _is_private(tx: Tx, way: Way) -> bool:
    _, incident = await status.about(tx, way)
    return bool(incident and incident.private)


def _written_to(deps: Deps, way: Way) -> list[str]:
    """The ladder's own `email:` targets; without any, the contacts of its service."""
    named = [target for step in way.ladder.steps for target in step.notify if target.startswith("email:")]
    contacts = deps.catalogue.service_or_default(way.service).contacts
    return list(dict.fromkeys(named)) or [f"email:{key}" for key, contact in contacts.items() if contact.addresses]
