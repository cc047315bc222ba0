"""E-mail about an incident: who its severity notifies reads how it goes on."""

from __future__ import annotations

from datetime import timedelta

from bot.deps import Deps
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.delivery import Delivery, NewDelivery, Skip, Wait
from bot.domain.people.person import BOT
from bot.ports import Tx
from bot.queue import outbox
from bot.services.incidents import template_context
from bot.services.messaging.email import KIND, EmailHandler
from bot.store.incidents import updates as updates_store

DECLARED = "declared"
SOON_SECONDS = 0.5
LINK_WITHIN = timedelta(seconds=30)  # for want of a link, nobody hears of an incident much later


async def keep_posted(deps: Deps, tx: Tx, incident: Incident, template: str, *, nth: int | None = None) -> None:
    """Whom its severity told by e-mail reads how it goes on: `update`, `resolved`, `reopened`. A private incident
    tells nobody.
    """
    severity = deps.catalogue.service_or_default(incident.service).find_severity(incident.severity)
    for target in severity.notify if severity and not incident.private else ():
        if target.startswith("email:"):
            await send(deps, tx, incident, target, template=template, nth=nth)


async def send(
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
    await outbox.enqueue(deps, tx, NewDelivery(KIND, incident.name, KIND, payload, rank=incident.rank, dedupe_key=key))


class IncidentEmail(EmailHandler):
    """Worded by its template when it is sent, unless its words stand already."""

    async def words(self, deps: Deps, tx: Tx, incident: Incident, delivery: Delivery) -> dict[str, str] | Skip | Wait:
        if said := await _overtaken(tx, incident, delivery):
            return Skip(said)
        if "title" in delivery.payload:
            return {}
        if not incident.card[1] and deps.clock.now() - incident.declared_at < LINK_WITHIN:
            return Wait(SOON_SECONDS, "its card, which the message links to, is being posted")
        number = delivery.payload.get("update")
        update = await updates_store.get_update(tx, number) if number else None
        title, text = await template_context.mail(deps, tx, delivery.payload["template"], incident, update)
        return {"title": title, "text": text}


async def _overtaken(tx: Tx, incident: Incident, delivery: Delivery) -> str | None:
    """Why nobody need read it any more. What a person wrote is always sent."""
    template, number = delivery.payload.get("template"), delivery.payload.get("update")
    if template == "resolved" and incident.is_open:
        return "it was reopened meanwhile"
    if template == "reopened" and not incident.is_open:
        return "it is resolved again"
    update = await updates_store.get_update(tx, number) if number else None
    if update and update.author == BOT and await updates_store.is_superseded(tx, update, delivery.id):
        return "a newer update says it"
    return None
