"""Whom the steps of a run mean beyond Slack, and what their words belong to: worked out when the step is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.deps import Deps
from bot.domain.catalogue.service import Contact, Service
from bot.domain.incidents.incident import Incident
from bot.domain.people.recipients import Meant, Recipients
from bot.domain.runs.run import Run
from bot.engine.steps import StepRecipients
from bot.services.workspace import recipients
from bot.store.incidents import incidents as store
from bot.views.kit import links


def of_run(deps: Deps, run: Run, step: str) -> StepRecipients:
    async def look(to: str, contact: Mapping[str, Any] | None) -> Meant:
        return await _meant(deps, run, step, to, contact)

    return StepRecipients(look, run.service, deps.mailer, deps.pager)


def of_plan(deps: Deps, service: str, incident: Incident | None) -> StepRecipients:
    async def look(to: str, contact: Mapping[str, Any] | None) -> Meant:
        found = await _reach(deps, service, to, contact, await _roles(deps, incident))
        return Meant(found, "plan", on_behalf=_on_behalf(deps, service))

    return StepRecipients(look, service, deps.mailer, deps.pager)


async def _meant(deps: Deps, run: Run, step: str, to: str, contact: Mapping[str, Any] | None) -> Meant:
    incident = await _incident(deps, run)
    meant = Meant(
        reach=await _reach(deps, run.service, to, contact, await _roles(deps, incident)),
        thread=run.name.lower(),
        era=str(int(run.created_at.timestamp())),
        part=step,
        on_behalf=_on_behalf(deps, run.service),
        link=links.permalink(deps, run.channel, run.ts),
    )
    return _of_incident(meant, run, incident) if incident else meant


def _of_incident(meant: Meant, run: Run, incident: Incident) -> Meant:
    return replace(
        meant,
        thread=incident.name.lower(),
        era=str(int(incident.declared_at.timestamp())),
        part=f"{meant.thread}-{meant.part}",
        link=None if incident.private else meant.link,
        is_drill=incident.drill,
        is_private=incident.private,
    )


async def _reach(
    deps: Deps, service: str, to: str, contact: Mapping[str, Any] | None, roles: Mapping[str, str]
) -> Recipients:
    """A contact is who it was when the runbook was read: what was approved is what is done."""
    contacts = {to: _contact(contact)} if contact is not None else {}
    return await recipients.find(deps, service, [to], roles, contacts=contacts)


def _contact(pinned: Mapping[str, Any]) -> Contact:
    return Contact(
        email=tuple(pinned.get("email") or ()),
        who=tuple(pinned.get("who") or ()),
        pagerduty_service=pinned.get("pagerduty_service"),
    )


async def _incident(deps: Deps, run: Run) -> Incident | None:
    if run.incident is None:
        return None
    async with deps.database.reading() as tx:
        return await store.get(tx, run.incident)


async def _roles(deps: Deps, incident: Incident | None) -> Mapping[str, str]:
    if incident is None:
        return {}
    async with deps.database.reading() as tx:
        return await store.roles_of(tx, incident.id)


def _on_behalf(deps: Deps, service: str) -> str | None:
    known: Service = deps.catalogue.service_or_default(service)
    return next((one.pagerduty_service for one in known.contacts.values() if one.pagerduty_service), None)
