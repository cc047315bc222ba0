"""E-mail through the outbox: worded and addressed when it is sent; refused addresses are noted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from bot.deps import Deps
from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.errors import Undeliverable
from bot.domain.incidents import incident as rules
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.delivery import Call, Delivery, Fate, NewDelivery, Plan, Skip, Wait
from bot.domain.outgoing.mail import Mail, Sent, one_line
from bot.domain.outgoing.step_target import OfStep, StepTarget
from bot.domain.people.person import BOT
from bot.domain.people.recipients import Recipients
from bot.ports import Mailer, Tx
from bot.queue import audit, operator_alarm, outbox
from bot.queue.handler import DeliveryHandler
from bot.services.messaging import operator_notices, thread_notes
from bot.services.workspace import recipients
from bot.store.incidents import incidents as store

METHOD = "email"
STILL_TRYING = 6  # attempts after which people are told that it has not gone out yet: about half a minute
NOBODY = "nobody of these has an address that may be written to"
NOT_SET_UP = "SMTP_SERVER is not set, so no e-mail goes out"
_PERSON = re.compile(r"\b([UW][A-Z0-9]{2,20})(?=: no address)", re.ASCII)
NEEDS_A_SERVER = (
    "SMTP_SERVER is not set, and the catalogue names people to tell by e-mail: none of them hears anything."
)


@dataclass(frozen=True, kw_only=True)
class Email(OfStep):
    """`to` are contacts of `service`, `who` entries and addresses. `part` names the message within its thread; None:
    its delivery does. An escalation policy promises the e-mail of its `step`.
    """

    to: list[str]
    service: str
    part: str | None = None
    step: StepTarget | None = None


@dataclass(frozen=True, kw_only=True)
class WrittenEmail(Email, kind="email", method=METHOD):
    """An e-mail worded when it was enqueued."""

    title: str
    text: str


async def write(deps: Deps, tx: Tx, subject: str, email: WrittenEmail, key: str, *, rank: int = 9) -> None:
    """At most once for the key and the addressees."""
    key = dedupe_key(subject, key, f"email:{','.join(email.to)}")
    await outbox.enqueue(deps, tx, NewDelivery(email, subject, rank=rank, dedupe_key=key))


def dedupe_key(subject: str, key: str, target: str) -> str:
    return f"{METHOD}:{subject}:{key}:{target}"


E = TypeVar("E", bound=Email)
Words = tuple[str, str]  # title and text


class EmailHandler(DeliveryHandler[E]):
    """One message. SMTP cannot be asked for a lost answer: the message goes once more with the same Message-ID, by
    which mail programs show the two as one.
    """

    async def words(self, deps: Deps, tx: Tx, delivery: Delivery[E], incident: Incident | None) -> Words | Skip | Wait:
        raise NotImplementedError

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[E]) -> Plan:
        number = rules.number(delivery.subject)
        incident = await store.get(tx, number) if number else None
        words = await self.words(deps, tx, delivery, incident)
        if not isinstance(words, tuple):
            return words
        if incident is None:
            return Call({"words": words, "era": "", "roles": {}})
        era = str(int(incident.declared_at.timestamp()))
        return Call({"words": words, "era": era, "roles": await store.roles_of(tx, incident.id)})

    async def look_up(self, deps: Deps, delivery: Delivery[E], arguments: dict[str, Any]) -> dict[str, Any]:
        _mailer(deps)
        email = delivery.payload
        return {**arguments, "meant": await recipients.find(deps, email.service, email.to, arguments["roles"])}

    async def send(self, deps: Deps, delivery: Delivery[E], arguments: dict[str, Any]) -> dict[str, Any]:
        meant: Recipients = arguments["meant"]
        if not meant.addresses:
            raise _nobody(meant)
        title, text = arguments["words"]
        mail = Mail(
            to=tuple(meant.addresses),
            subject=title,
            text=text,
            sent_at=datetime.fromtimestamp(deps.clock.wall(), UTC),
            thread=delivery.subject.lower(),
            era=arguments["era"],
            part=_part(delivery),
        )
        return _answer(await _mailer(deps).send(mail), meant)

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[E], answer: dict[str, Any]) -> None:
        if answer["refused"]:
            await audit.record(tx, deps.clock, BOT, "email.refused", delivery.subject, refused=answer["refused"])
        if answer["told"]:
            await _say_who_did_not_get_it(deps, tx, delivery, answer["told"])
        if answer["later"]:
            rest = replace(delivery.payload, to=answer["later"], part=_part(delivery))
            await outbox.enqueue(deps, tx, NewDelivery(rest, delivery.subject, rank=delivery.rank))

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[E], problem: Undeliverable) -> Fate:
        if problem.error == NOT_SET_UP:
            await operator_notices.enqueue(deps, tx, deps.config.alerts_channel, NEEDS_A_SERVER, "email: no server")
        elif problem.permanent and problem.error != NOBODY:
            await _give_up(deps, tx, delivery, problem.error)
        elif not problem.permanent and delivery.attempts >= STILL_TRYING:
            text = (
                f"The e-mail about {delivery.subject} has not gone out yet: {_short(problem.error)}. It is tried again."
            )
            await thread_notes.say(deps, tx, delivery.subject, text, "email late")
        if problem.permanent and problem.error != NOBODY and delivery.payload.step:
            await _alarm(deps, tx, delivery, problem.error)
        return Skip(problem.error) if problem.error.startswith((NOBODY, NOT_SET_UP)) else None


class WrittenEmailHandler(EmailHandler[WrittenEmail]):
    async def words(
        self, deps: Deps, tx: Tx, delivery: Delivery[WrittenEmail], incident: Incident | None
    ) -> Words | Skip | Wait:
        return delivery.payload.title, delivery.payload.text


def _mailer(deps: Deps) -> Mailer:
    if deps.mailer is None:
        raise Undeliverable(NOT_SET_UP, permanent=True)
    return deps.mailer


def _part(delivery: Delivery[E]) -> str:
    return delivery.token if delivery.payload.part is None else delivery.payload.part


def wanted_in_vain(deps: Deps) -> str | None:
    return NEEDS_A_SERVER if deps.mailer is None and _is_wanted(deps.catalogue) else None


def _is_wanted(catalogue: Catalogue) -> bool:
    services = catalogue.services.values()
    told = [level.notify for one in services for level in one.severities]
    told += [step.notify for one in services for policy in one.escalation_policies.values() for step in policy.steps]
    is_step = any(step.kind.value == METHOD for runbook in catalogue.runbooks.values() for step in runbook.steps)
    return is_step or any(target.startswith("email:") for targets in told for target in targets)


# --- who did not get it -----------------------------------------------------------------------------------------------


def _nobody(meant: Recipients) -> Undeliverable:
    if meant.unavailable:
        return Undeliverable(f"Slack has not said how to reach {', '.join(meant.unavailable)}")
    missing = f": {', '.join(meant.missing)}" if meant.missing else ""
    return Undeliverable(f"{NOBODY}{missing}", permanent=True)


def _answer(sent: Sent, meant: Recipients) -> dict[str, Any]:
    """`refused` is for the audit log, `told` for people: a placeholder's address is in the first alone."""
    for_good = [f"{no.address}: {_short(no.reason)}" for no in sent.refused if no.permanent and not no.is_placeholder]
    later = [no.address for no in sent.refused if not no.permanent]
    return {
        "refused": [*map(str, sent.refused), *meant.missing],
        "told": [*for_good, *meant.missing],
        "later": [*later, *meant.unavailable],
    }


async def _say_who_did_not_get_it(deps: Deps, tx: Tx, delivery: Delivery[E], told: Sequence[str]) -> None:
    """Once for these people: later messages of the thread would repeat it."""
    names = hashlib.sha256("\n".join(sorted(one.partition(":")[0] for one in told)).encode()).hexdigest()[:16]
    text = f"The e-mail about {delivery.subject} did not reach {_spoken(told)}. The others have it."
    people = [one.partition(":")[0] for one in told if _PERSON.match(one)]
    await thread_notes.say(deps, tx, delivery.subject, text, f"email missed {names}", mentions=people)


async def _give_up(deps: Deps, tx: Tx, delivery: Delivery[E], error: str) -> None:
    to, why = ", ".join(delivery.payload.to), _PERSON.sub(r"<@\1>", _short(error))
    text = f"The e-mail about {delivery.subject} to {to} did not go out: {why}."
    people = _PERSON.findall(_short(error))
    await thread_notes.say(deps, tx, delivery.subject, text, f"email given up {delivery.id}", mentions=people)


async def _alarm(deps: Deps, tx: Tx, delivery: Delivery[E], error: str) -> None:
    to, key = ", ".join(delivery.payload.to), "email: no server" if error == NOT_SET_UP else f"email:{delivery.id}"
    text = (
        f"{delivery.subject}: the e-mail to {to} that its escalation policy promised did not go out: {_short(error)}."
    )
    sentence = deps.secrets.masker.mask(text)
    await operator_alarm.raise_later(deps, tx, subject=delivery.subject, sentence=sentence, key=key)


def _spoken(told: Sequence[str]) -> str:
    pairs = [one.partition(": ") for one in told]
    return "; ".join(f"{f'<@{name}>' if name.isalnum() else name} ({why})" for name, _, why in pairs)


def _short(error: str) -> str:
    return one_line(error)[:300].rstrip(".")
