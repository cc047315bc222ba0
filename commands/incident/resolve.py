"""/incident resolve [INC-n|ALR-n] [what fixed it] · reopen · close"""

from __future__ import annotations

from datetime import timedelta

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.errors import Unclear
from bot.domain.incidents import incident as rules
from bot.domain.incidents.draft import readable
from bot.domain.incidents.incident import Incident
from bot.domain.people.person import Actor
from bot.domain.text import duration
from bot.interactions import BlockAction, Command, Modal, Reply, Submission
from bot.services.alerts import operations as alert_operations
from bot.services.incidents import cadence, resolution
from bot.services.incidents import queries as incident_queries
from bot.views import incident as view
from bot.views import incident_forms
from bot.views.kit.mrkdwn import clock
from commands.alert import card


async def on_command(command: Command, deps: Deps) -> Reply | Modal:
    group, rest = await alert_operations.named(deps, command.text, command.where)
    if group:
        return await _alert(deps, group, rest, command.by)
    incident, text = await incident_queries.named(deps, command.text, command.where, command.by)
    return await of(deps, incident, text, command.by)


async def _alert(deps: Deps, group: AlertGroup, text: str, by: Actor) -> Reply:
    if text:
        raise Unclear(f"What fixed it is kept with incidents only. To end the alert: `/incident resolve {group}`.")
    return await card.resolved(deps, group.id, by)


async def of(deps: Deps, incident: Incident, text: str, by: Actor) -> Reply | Modal:
    if not text:
        return _modal(deps, incident)
    return _resolved(await resolution.resolve(deps, incident.id, by, fix=readable(text)))


def _modal(deps: Deps, incident: Incident) -> Modal:
    rules.must_be_open(incident)
    watch = cadence.level(deps, incident).watch
    return Modal(incident_forms.resolve(incident, watch), ("Resolve", "incident.resolve", incident.name))


async def on_click(click: BlockAction, deps: Deps) -> Modal:
    return _modal(deps, await incident_queries.by_subject(deps, click.value, click.by))


async def on_submit(sent: Submission, deps: Deps) -> Reply:
    incident = await incident_queries.by_subject(deps, sent.metadata, sent.by)
    watch = str(sent.values.get("watch") or "")
    incident = await resolution.resolve(
        deps,
        incident.id,
        sent.by,
        fix=readable(str(sent.values.get("fix") or "")),
        impact=readable(str(sent.values.get("impact") or "")),
        watch=timedelta(0) if watch == "none" else duration.parse(watch) if watch else None,
    )
    return _resolved(incident)


def _resolved(incident: Incident) -> Reply:
    ends = view.watched_until(incident)
    until = f" I watch until {clock(ends)}, then ask whether it holds." if ends else ""
    return Reply(f"{incident} is resolved; the post-mortem draft follows in its thread.{until}")


async def reopen(command: Command, deps: Deps) -> Reply:
    incident, _ = await incident_queries.named(deps, command.text, command.where, command.by)
    return await _reopen(deps, incident, command.by)


async def on_reopen(click: BlockAction, deps: Deps) -> Reply:
    return await _reopen(deps, await incident_queries.by_subject(deps, click.value, click.by), click.by)


async def _reopen(deps: Deps, incident: Incident, by: Actor) -> Reply:
    incident = await resolution.reopen(deps, incident.id, by)
    return Reply(f"{incident} is open again. Next update {view.next_update(incident)}.")


async def close(command: Command, deps: Deps) -> Reply:
    incident, _ = await incident_queries.named(deps, command.text, command.where, command.by)
    return await _close(deps, incident, command.by)


async def on_confirm(click: BlockAction, deps: Deps) -> Reply:
    return await _close(deps, await incident_queries.by_subject(deps, click.value, click.by), click.by)


async def _close(deps: Deps, incident: Incident, by: Actor) -> Reply:
    incident, is_new = await resolution.close(deps, incident.id, by)
    return Reply(f"{incident} is closed." if is_new else f"{incident} is closed already.")
