"""E-mail through the outbox: worded when it is sent, to whoever is meant at that moment; who is refused is noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.deps import Deps
from bot.domain import incident as rules
from bot.domain.delivery import Call, Delivery, Parcel, Plan, Skip, Wait
from bot.domain.errors import Refused, Undeliverable
from bot.domain.incident import Incident
from bot.domain.mail import Mail, is_address
from bot.domain.person import BOT, Kind
from bot.ports import Tx
from bot.services import audit, deliveries, people, telling
from bot.services.posting import Plain
from bot.store import incidents as store

KIND = "email"
DECLARED = "declared"
SOON_SECONDS = 0.5
LINK_WITHIN = timedelta(seconds=30)  # for want of a link, nobody hears of an incident much later
NOBODY = "nobody of these has an address that may be written to"
NOT_SET_UP = "SMTP_SERVER is not set, so no e-mail goes out"


async def tell(
    deps: Deps, tx: Tx, incident: Incident, target: str, *, template: str = DECLARED, update: int | None = None
) -> None:
    """`email:CONTACT` of its service or `email:WHO` reads of the incident, once for each template and update.

    Declaring is the first message of the thread, which all others answer.
    """
    part = "" if template == DECLARED else template if update is None else f"{template}-{update}"
    payload = {"to": [target.removeprefix("email:")], "template": template, "update": update, "part": part}
    key = f"{KIND}:{incident.name}:{part or template}:{target}"
    await deliveries.enqueue(deps, tx, Parcel(KIND, incident.name, KIND, payload, rank=incident.rank, dedupe_key=key))


async def keep_posted(deps: Deps, tx: Tx, incident: Incident, template: str, *, update: int | None = None) -> None:
    """Whom its severity told by e-mail reads how it goes on: `update`, `resolved`. A private incident tells nobody."""
    severity = deps.catalogue.service_or_default(incident.service).find_severity(incident.severity)
    for target in severity.tell if severity and not incident.private else ():
        if target.startswith("email:"):
            await tell(deps, tx, incident, target, template=template, update=update)


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
) -> None:
    """Words that stand already, about `subject` (`RUN-7`, `ALR-42`), to an `email:` target; at most one for the key."""
    payload = {"to": [target.removeprefix("email:")], "title": title, "text": text, "service": service}
    parcel = Parcel(KIND, subject, KIND, payload, rank=rank, dedupe_key=f"{KIND}:{subject}:{key}:{target}")
    await deliveries.enqueue(deps, tx, parcel)


class EmailErrand(Plain):
    """One message. SMTP cannot be asked what became of it: after a lost answer it goes once more, with the same
    Message-ID, by which mail programs show the two as one.
    """

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        number = rules.number(delivery.subject)
        incident = await store.get(tx, number) if number else None
        if incident is None:
            return Call({**delivery.payload, "era": "", "roles": {}})
        if not incident.card[1] and deps.clock.now() - incident.declared_at < LINK_WITHIN:
            return Wait(SOON_SECONDS, "its card, which the message links to, is being posted")
        words = await _words(deps, tx, incident, delivery)
        roles = await store.roles_of(tx, incident.id)
        era = str(int(incident.declared_at.timestamp()))
        return Call({"service": incident.service, **delivery.payload, **words, "era": era, "roles": roles})

    async def act(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        if deps.mailer is None:
            raise Undeliverable(NOT_SET_UP, permanent=True)
        meant = await _meant(deps, arguments["service"], arguments["to"], arguments["roles"])
        if not meant.addresses:
            raise meant.nobody()
        sent = await deps.mailer.send(_mail(deps, delivery, arguments, meant.addresses))
        later = [no.address for no in sent.refused if not no.permanent]
        return {"refused": [*map(str, sent.refused), *meant.missing()], "later": [*later, *meant.untold]}

    async def settle(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        if answer["refused"]:
            await audit.record(tx, deps.clock, BOT, "email.refused", delivery.subject, refused=answer["refused"])
        if answer["later"]:
            payload = {"part": delivery.token, **delivery.payload, "to": answer["later"]}
            await deliveries.enqueue(deps, tx, Parcel(KIND, delivery.subject, KIND, payload, rank=delivery.rank))

    async def refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        return Skip(problem.error) if problem.error in (NOBODY, NOT_SET_UP) else None


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


# --- to whom ---


@dataclass(frozen=True)
class _Meant:
    """`addresses` to write to; people without one; and people of whom Slack, which is away, has not told us."""

    addresses: list[str]
    unreachable: list[str]
    untold: list[str]

    def missing(self) -> list[str]:
        return [f"{person}: no address is known" for person in self.unreachable]

    def nobody(self) -> Undeliverable:
        if self.untold:
            return Undeliverable(f"Slack has not said how to reach {', '.join(self.untold)}")
        return Undeliverable(NOBODY, permanent=True)


async def _meant(deps: Deps, service: str, to: Sequence[str], roles: Mapping[str, str]) -> _Meant:
    contacts = deps.catalogue.service_or_default(service).contacts
    named = [contacts[one] for one in to if one in contacts]
    written = [one for one in to if is_address(one)] + [address for contact in named for address in contact.addresses]
    who = [one for one in to if one not in contacts and not is_address(one)]
    who += [one for contact in named for one in contact.who]
    found = {person: await _address(deps, person) for person in await people.expand(deps, who, roles)}
    return _Meant(
        addresses=[*written, *filter(None, found.values())],
        unreachable=[person for person, address in found.items() if address == ""],
        untold=[person for person, address in found.items() if address is None],
    )


async def _address(deps: Deps, person: str) -> str | None:
    """Empty where there is none to write to; None where Slack cannot be asked now."""
    try:
        known = await people.find(deps, person)
        if not known.email:
            known = await people.find(deps, person, must_be_fresh=True)
    except Refused:
        return ""
    except Undeliverable:
        return None
    return "" if known.kind is Kind.DEACTIVATED else known.email or ""
