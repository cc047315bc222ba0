"""Steps of escalation policies that did not go out are reported: by the second channel, by e-mail, in Slack."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.errors import Missing
from bot.domain.outgoing.delivery import NewDelivery
from bot.ports import Tx
from bot.queue import operator_alarm, outbox
from bot.services import subjects
from bot.services.messaging import email
from bot.services.messaging.email import WrittenEmail
from bot.services.messaging.operator_notices import OperatorNotice
from bot.store.escalation import escalations as store
from bot.store.escalation.escalations import Escalation
from bot.store.queue.commitments import Commitment
from bot.views import escalation as view

FAMILY = "escalation"
SAID_EACH = 5  # of what one look finds; the rest is counted


async def report(deps: Deps, tx: Tx, missed: list[Commitment]) -> None:
    """The first SAID_EACH in a sentence each: after an outage of Slack's there may be hundreds."""
    for commitment in missed[:SAID_EACH]:
        escalation, sentence = await _worded(tx, commitment)
        await _say(deps, tx, commitment, escalation, sentence)
    rest = len(missed) - SAID_EACH
    if rest > 0:
        last = missed[-1]
        sentence = f"{rest} more steps of escalation policies did not go out in time. `tocsin audit export` lists them."
        await _say(deps, tx, last, (await _worded(tx, last))[0], sentence)


async def _worded(tx: Tx, commitment: Commitment) -> tuple[Escalation | None, str]:
    """By the policy as it was at the commitment, whatever became of the catalogue."""
    due = f"{commitment.due_at:%Y-%m-%d %H:%M} UTC"
    _, escalation_id, position, number = (int(part) if part.isdigit() else 0 for part in commitment.kind.split(":"))
    try:
        escalation = await store.get(tx, escalation_id)
        target = escalation.policy.step(position).notify[number]
    except (Missing, IndexError):
        return None, f"{commitment.subject}: a step of its escalation policy was due at {due} and did not go out."
    return escalation, view.missed(commitment.subject, escalation.policy.key, position, target, due)


async def _say(deps: Deps, tx: Tx, commitment: Commitment, escalation: Escalation | None, sentence: str) -> None:
    key = f"commitment:{commitment.id}"
    await operator_alarm.raise_later(deps, tx, subject=commitment.subject, sentence=sentence, key=key)
    if escalation and await _is_private(tx, escalation):
        return  # the operators' own channel is enough: nobody outside of it is to know that there is one
    notice = OperatorNotice(deps.config.alerts_channel, sentence)
    await outbox.enqueue(deps, tx, NewDelivery(notice, commitment.subject, dedupe_key=key))
    if escalation and deps.mailer:
        await _write(deps, tx, escalation, sentence, key)


async def _write(deps: Deps, tx: Tx, escalation: Escalation, sentence: str, key: str) -> None:
    subject, service = escalation.subject, escalation.service
    title = f"[{subject}] A step of the escalation policy “{escalation.policy.key}” did not go out"
    for target in _written_to(deps, escalation):
        mail = WrittenEmail(to=[target.removeprefix("email:")], service=service, title=title, text=sentence)
        await email.write(deps, tx, subject, mail, key, rank=0)


async def _is_private(tx: Tx, escalation: Escalation) -> bool:
    incident = (await subjects.load(tx, escalation.subject)).incident
    return bool(incident and incident.private)


def _written_to(deps: Deps, escalation: Escalation) -> list[str]:
    named = [target for step in escalation.policy.steps for target in step.notify if target.startswith("email:")]
    contacts = deps.catalogue.service_or_default(escalation.service).contacts
    return list(dict.fromkeys(named)) or [f"email:{key}" for key, contact in contacts.items() if contact.addresses]
