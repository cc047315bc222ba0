"""E-mail about an incident to the addresses of its severity's `notify`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bot.deps import Deps
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.delivery import Delivery, NewDelivery, Skip, Wait
from bot.domain.people.person import BOT
from bot.ports import Tx
from bot.queue import outbox
from bot.services.incidents import template_context
from bot.services.messaging.email import METHOD, Email, EmailHandler, Words, dedupe_key
from bot.store.incidents import updates as updates_store

DECLARED = "declared"
SOON_SECONDS = 0.5
LINK_WITHIN = timedelta(seconds=30)  # without a link, nobody hears of an incident much later


@dataclass(frozen=True, kw_only=True)
class IncidentEmail(Email, kind="incident.email", method=METHOD):
    """Worded by its template when it is sent. `update` is the number of the update it carries."""

    template: str
    update: int | None


async def keep_posted(deps: Deps, tx: Tx, incident: Incident, template: str, *, nth: int | None = None) -> None:
    """None of a private incident."""
    severity = deps.catalogue.service_or_default(incident.service).find_severity(incident.severity)
    for target in severity.notify if severity and not incident.private else ():
        if target.startswith("email:"):
            await send(deps, tx, incident, target, template=template, nth=nth)


async def send(
    deps: Deps, tx: Tx, incident: Incident, target: str, *, template: str = DECLARED, nth: int | None = None
) -> None:
    """Once for each template and `nth`: the update's number, or which resolution.

    The declaration is the first message of the thread, which all others answer.
    """
    part = "" if template == DECLARED else template if nth is None else f"{template}-{nth}"
    email = IncidentEmail(
        to=[target.removeprefix("email:")],
        service=incident.service,
        part=part,
        template=template,
        update=nth if template == "update" else None,
    )
    key = dedupe_key(incident.name, part or template, target)
    await outbox.enqueue(deps, tx, NewDelivery(email, incident.name, rank=incident.rank, dedupe_key=key))


class IncidentEmailHandler(EmailHandler[IncidentEmail]):
    async def words(
        self, deps: Deps, tx: Tx, delivery: Delivery[IncidentEmail], incident: Incident | None
    ) -> Words | Skip | Wait:
        if incident is None:
            return Skip(f"{delivery.subject} is no incident")
        if said := await _overtaken(tx, incident, delivery):
            return Skip(said)
        if not incident.card[1] and deps.clock.now() - incident.declared_at < LINK_WITHIN:
            return Wait(SOON_SECONDS, "its card, which the message links to, is being posted")
        number = delivery.payload.update
        update = await updates_store.get_update(tx, number) if number else None
        return await template_context.mail(deps, tx, delivery.payload.template, incident, update)


async def _overtaken(tx: Tx, incident: Incident, delivery: Delivery[IncidentEmail]) -> str | None:
    """What a person wrote is always sent."""
    template, number = delivery.payload.template, delivery.payload.update
    if template == "resolved" and incident.is_open:
        return "it was reopened meanwhile"
    if template == "reopened" and not incident.is_open:
        return "it is resolved again"
    update = await updates_store.get_update(tx, number) if number else None
    if update and update.author == BOT and await updates_store.is_superseded(tx, update, delivery.id):
        return "a newer update says it"
    return None
