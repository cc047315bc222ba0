"""E-mail through the outbox: worded when it is sent, to whoever is meant at that moment; who is refused is noted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.deps import Deps
from bot.domain import incident as rules
from bot.domain.catalogue import Catalogue
from bot.domain.delivery import Call, Delivery, Parcel, Plan, Skip, Wait
from bot.domain.errors import Undeliverable
from bot.domain.incident import Incident
from bot.domain.mail import Mail, Sent, one_line
from bot.domain.person import BOT
from bot.domain.reach import Reach
from bot.ports import Tx
from bot.services import alarms, asides, audit, deliveries, notices, reaching, standing, telling
from bot.services.posting import Plain
from bot.store import incidents as store

KIND = "email"
DECLARED = "declared"
SOON_SECONDS = 0.5
LINK_WITHIN = timedelta(seconds=30)  # for want of a link, nobody hears of an incident much later
STILL_TRYING = 6  # attempts after which people are told that it has not gone out yet: about half a minute
NOBODY = "nobody of these has an address that may be written to"
NOT_SET_UP = "SMTP_SERVER is not set, so no e-mail goes out"
_PERSON = re.compile(r"\b([UW][A-Z0-9]{2,20})(?=: no address)", re.ASCII)
NEEDS_A_SERVER = (
    "SMTP_SERVER is not set, and the catalogue names people to tell by e-mail: none of them hears anything."
)


async def tell(
    deps: Deps, tx: Tx, incident: Incident, target: str, *, template: str = DECLARED, nth: int | None = None
) -> None:
    """`email:CONTACT` of its service or `email:WHO` reads of the incident, once for each template and `nth`: the
    update's number, or which resolution it is.

    Declaring is the first message of the thread, which all others answer.
    """
    part = "" if template == DECLARED else template if nth is None else f"{template}-{nth}"
    update = nth if template == "update" else None
    payload = {"to": [target.removeprefix("email:")], "template": template, "update": update, "part": part}
    key = f"{KIND}:{incident.name}:{part or template}:{target}"
    await deliveries.enqueue(deps, tx, Parcel(KIND, incident.name, KIND, payload, rank=incident.rank, dedupe_key=key))


async def keep_posted(deps: Deps, tx: Tx, incident: Incident, template: str, *, nth: int | None = None) -> None:
    """Whom its severity told by e-mail reads how it goes on: `update`, `resolved`, `reopened`. A private incident
    tells nobody.
    """
    severity = deps.catalogue.service_or_default(incident.service).find_severity(incident.severity)
    for target in severity.tell if severity and not incident.private else ():
        if target.startswith("email:"):
            await tell(deps, tx, incident, target, template=template, nth=nth)


async def write(
    deps: Deps,
    tx: Tx,
    subject: str,
    target: str,
    *,
    title: str,
    text: str,
    service: str,
    key: str,
    rank: int = 9,
    climb: int | None = None,
    position: int | None = None,
) -> None:
    """Words that stand already, about `subject` (`RUN-7`, `ALR-42`), to an `email:` target; at most one for the key.

    `climb` and `position` name the step of a ladder that asks for it: what stops the step stops the message, too.
    """
    payload: dict[str, Any] = {"to": [target.removeprefix("email:")], "title": title, "text": text, "service": service}
    if climb is not None:
        payload |= {"climb": climb, "position": position}
    parcel = Parcel(KIND, subject, KIND, payload, rank=rank, dedupe_key=f"{KIND}:{subject}:{key}:{target}")
    await deliveries.enqueue(deps, tx, parcel)


class EmailErrand(Plain):
    """One message. SMTP cannot be asked what became of it: after a lost answer it goes once more, with the same
    Message-ID, by which mail programs show the two as one.
    """

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        if said := await _stopped(deps, tx, delivery):
            return Skip(said)
        number = rules.number(delivery.subject)
        incident = await store.get(tx, number) if number else None
        if incident is None:
            return Call({**delivery.payload, "era": "", "roles": {}})
        if said := await _overtaken(tx, incident, delivery):
            return Skip(said)
        if _needs_its_link(deps, incident, delivery):
            return Wait(SOON_SECONDS, "its card, which the message links to, is being posted")
        words = await _words(deps, tx, incident, delivery)
        roles = await store.roles_of(tx, incident.id)
        era = str(int(incident.declared_at.timestamp()))
        return Call({"service": incident.service, **delivery.payload, **words, "era": era, "roles": roles})

    async def act(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        if deps.mailer is None:
            raise Undeliverable(NOT_SET_UP, permanent=True)
        meant = await reaching.reach(deps, arguments["service"], arguments["to"], arguments["roles"])
        if not meant.addresses:
            raise _nobody(meant)
        return _answer(await deps.mailer.send(_mail(deps, delivery, arguments, meant.addresses)), meant)

    async def settle(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        if answer["refused"]:
            await audit.record(tx, deps.clock, BOT, "email.refused", delivery.subject, refused=answer["refused"])
        if answer["told"]:
            await _say_who_did_not_get_it(deps, tx, delivery, answer["told"])
        if answer["later"]:
            payload = {"part": delivery.token, **delivery.payload, "to": answer["later"]}
            parcel = Parcel(delivery.kind, delivery.subject, delivery.method, payload, rank=delivery.rank)
            await deliveries.enqueue(deps, tx, parcel)

    async def refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        if problem.error == NOT_SET_UP:
            await notices.enqueue(deps, tx, deps.config.alerts_channel, NEEDS_A_SERVER, "email: no server")
        elif problem.permanent and problem.error != NOBODY:
            await _give_up(deps, tx, delivery, problem.error)
        elif not problem.permanent and delivery.attempts >= STILL_TRYING:
            text = (
                f"The e-mail about {delivery.subject} has not gone out yet: {_short(problem.error)}. It is tried again."
            )
            await asides.say(deps, tx, delivery.subject, text, "email late")
        if problem.permanent and problem.error != NOBODY and "climb" in delivery.payload:
            await _alarm(deps, tx, delivery, problem.error)
        return Skip(problem.error) if problem.error.startswith((NOBODY, NOT_SET_UP)) else None


def wanted_in_vain(deps: Deps) -> str | None:
    """For operators: that the catalogue wants e-mail and no server is set."""
    return NEEDS_A_SERVER if deps.mailer is None and _is_wanted(deps.catalogue) else None


def _is_wanted(catalogue: Catalogue) -> bool:
    targets = [target for one in catalogue.services.values() for level in one.severities for target in level.tell]
    ladders = [ladder for one in catalogue.services.values() for ladder in one.ladders.values()]
    targets += [target for ladder in ladders for step in ladder.steps for target in step.notify]
    steps = [step.kind.value for runbook in catalogue.runbooks.values() for step in runbook.steps]
    return KIND in steps or any(target.startswith("email:") for target in targets)


async def _stopped(deps: Deps, tx: Tx, delivery: Delivery) -> str | None:
    """Why the step of a ladder that asked for it is not wanted any more."""
    climb = delivery.payload.get("climb")
    return None if climb is None else await standing.stopped(deps, tx, climb, delivery.payload["position"])


async def _overtaken(tx: Tx, incident: Incident, delivery: Delivery) -> str | None:
    """Why nobody need read it any more. What a person wrote is always sent."""
    template, number = delivery.payload.get("template"), delivery.payload.get("update")
    if template == "resolved" and incident.is_open:
        return "it was reopened meanwhile"
    if template == "reopened" and not incident.is_open:
        return "it is resolved again"
    update = await store.get_update(tx, number) if number else None
    if update and update.author == BOT and await store.is_superseded(tx, update, delivery.id):
        return "a newer update says it"
    return None


def _needs_its_link(deps: Deps, incident: Incident, delivery: Delivery) -> bool:
    """Words that stand already have what they need."""
    is_young = deps.clock.now() - incident.declared_at < LINK_WITHIN
    return "title" not in delivery.payload and not incident.card[1] and is_young


async def _words(deps: Deps, tx: Tx, incident: Incident, delivery: Delivery) -> dict[str, str]:
    if "title" in delivery.payload:
        return {}
    number = delivery.payload.get("update")
    update = await store.get_update(tx, number) if number else None
    title, text = await telling.mail(deps, tx, delivery.payload["template"], incident, update)
    return {"title": title, "text": text}


def _mail(deps: Deps, delivery: Delivery, arguments: dict[str, Any], addresses: Sequence[str]) -> Mail:
    return Mail(
        to=tuple(addresses),
        subject=arguments["title"],
        text=arguments["text"],
        sent_at=datetime.fromtimestamp(deps.clock.wall(), UTC),
        thread=delivery.subject.lower(),
        era=arguments["era"],
        part=arguments.get("part", delivery.token),
    )


# --- who did not get it -----------------------------------------------------------------------------------------------


def _nobody(meant: Reach) -> Undeliverable:
    if meant.untold:
        return Undeliverable(f"Slack has not said how to reach {', '.join(meant.untold)}")
    missing = f": {', '.join(meant.missing)}" if meant.missing else ""
    return Undeliverable(f"{NOBODY}{missing}", permanent=True)


def _answer(sent: Sent, meant: Reach) -> dict[str, Any]:
    """`refused` is for the audit log, `told` for people: a placeholder is meant to be none."""
    for_good = [f"{no.address}: {_short(no.reason)}" for no in sent.refused if no.permanent and not no.is_placeholder]
    later = [no.address for no in sent.refused if not no.permanent]
    return {
        "refused": [*map(str, sent.refused), *meant.missing],
        "told": [*for_good, *meant.missing],
        "later": [*later, *meant.untold],
    }


async def _say_who_did_not_get_it(deps: Deps, tx: Tx, delivery: Delivery, told: Sequence[str]) -> None:
    """Once for these people: what follows in the thread would say the same again."""
    names = hashlib.sha256("\n".join(sorted(one.partition(":")[0] for one in told)).encode()).hexdigest()[:16]
    text = f"The e-mail about {delivery.subject} did not reach {_spoken(told)}. The others have it."
    people = [one.partition(":")[0] for one in told if _PERSON.match(one)]
    await asides.say(deps, tx, delivery.subject, text, f"email missed {names}", mentions=people)


async def _give_up(deps: Deps, tx: Tx, delivery: Delivery, error: str) -> None:
    to, why = ", ".join(delivery.payload["to"]), _PERSON.sub(r"<@\1>", _short(error))
    text = f"The e-mail about {delivery.subject} to {to} did not go out: {why}."
    people = _PERSON.findall(_short(error))
    await asides.say(deps, tx, delivery.subject, text, f"email given up {delivery.id}", mentions=people)


async def _alarm(deps: Deps, tx: Tx, delivery: Delivery, error: str) -> None:
    """A step of a ladder is a promise."""
    to = ", ".join(delivery.payload["to"])
    sentence = f"{delivery.subject}: the e-mail to {to} that its ladder promised did not go out: {_short(error)}."
    key = "email: no server" if error == NOT_SET_UP else f"email:{delivery.id}"
    await alarms.raise_later(deps, tx, subject=delivery.subject, sentence=deps.vault.masker.mask(sentence), key=key)


def _spoken(told: Sequence[str]) -> str:
    """`U0DAN: no address is known` as a mention; an address as it is."""
    pairs = [one.partition(": ") for one in told]
    return "; ".join(f"{f'<@{name}>' if name.isalnum() else name} ({why})" for name, _, why in pairs)


def _short(error: str) -> str:
    return one_line(error)[:300].rstrip(".")
