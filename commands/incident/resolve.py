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
from bot.services.incidents import cadence, queries as incident_queries, resolution
from bot.views import incident as view, incident_forms
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
    watch = sent.text("watch")
    incident = await resolution.resolve(
        deps,
        incident.id,
        sent.by,
        fix=readable(sent.text("fix")),
        impact=readable(sent.text("impact")),
        watch=timedelta(0) if watch == "none" else duration.parse(watch) if watch else None,
    )
    return _resolved(incident)


def _resolved(incident: Incident) -> Reply:
    ends = view.watched_until(incident)
    until = f" I watch until {clock(ends)}, then ask whether it holds." if ends else ""
    return Reply(f"{incident} is resolved; the post-mortem draft follows in its thread.{until}")


async def reopen(asked: Command | BlockAction, deps: Deps) -> Reply:
    incident = await resolution.reopen(deps, await _number(asked, deps), asked.by)
    return Reply(f"{incident} is open again. Next update {view.next_update(incident)}.")


async def close(asked: Command | BlockAction, deps: Deps) -> Reply:
    incident, is_new = await resolution.close(deps, await _number(asked, deps), asked.by)
    return Reply(f"{incident} is closed." if is_new else f"{incident} is closed already.")


async def _number(asked: Command | BlockAction, deps: Deps) -> int:
    if isinstance(asked, BlockAction):
        return (await incident_queries.by_subject(deps, asked.value, asked.by)).id
    incident, _ = await incident_queries.named(deps, asked.text, asked.where, asked.by)
    return incident.id
