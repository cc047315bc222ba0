"""What a step of a ladder says, from the state of this moment."""

from __future__ import annotations

from collections.abc import Sequence

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.escalation import escalation as rules
from bot.domain.escalation.escalation import Due
from bot.domain.incidents.incident import Incident
from bot.domain.people.access import USER, is_on_call
from bot.ports import Tx
from bot.services.escalation import status
from bot.services.workspace import oncall_now
from bot.store.escalation import escalations as store
from bot.store.escalation.escalations import Way
from bot.store.incidents import incidents as incidents_store
from bot.store.people import people as people_store
from bot.views import escalation as view
from bot.views.kit import links


async def told(deps: Deps, tx: Tx, way: Way, position: int, target: str) -> view.Told:
    group, incident = await status.about(tx, way)
    one: AlertGroup | Incident | None = group or incident
    service = deps.catalogue.service_or_default(way.service)
    severity = service.find_severity(one.severity) if one else None
    level = f"{severity.key} {severity.name}".strip() if severity else one.severity if one else ""
    roles = await incidents_store.roles_of(tx, incident.id) if incident else {}
    on_call = await _on_call(deps, tx, way, way.due(position))
    return view.Told(
        subject=way.subject,
        title=group.called if group else incident.title if incident else "",
        level=level,
        service=service.name,
        ladder=way.ladder,
        climb=way.climb,
        due=way.due(position),
        standing=await status.of(tx, way),
        now=deps.clock.now(),
        target=target,
        is_alert=group is not None,
        acknowledged_by=_whoever(group, incident),
        led_by=roles.get("commander", ""),
        begun_by=way.begun_by,
        ask=incident.declared_by if incident and incident.private else "",
        is_drill=bool(incident and incident.drill),
        link=_link(deps, group, incident),
        people=await _names(
            tx, way, [*roles.values(), *(one for some in on_call.values() for one in some)], group, incident
        ),
        on_call=on_call,
    )


async def _on_call(deps: Deps, tx: Tx, way: Way, due: Due) -> dict[str, tuple[str, ...]]:
    """Who that is now, where the catalogue knows. PagerDuty is not asked here."""
    named = {target.partition(":")[2] for target in due.step.notify}
    found = {}
    for entry in filter(is_on_call, named):
        who = (await oncall_now.opened(deps, tx, [entry], way.service, {})).who
        if who and all(map(USER.fullmatch, who)):
            found[entry] = who
    return found


async def message(deps: Deps, tx: Tx, way: Way, position: int, target: str) -> str:
    return view.message(await told(deps, tx, way, position, target))


async def mail(deps: Deps, tx: Tx, way: Way, position: int, target: str) -> tuple[str, str]:
    return view.mail(await told(deps, tx, way, position, target))


async def page(deps: Deps, tx: Tx, way: Way, position: int, target: str) -> tuple[str, str]:
    return view.page(await told(deps, tx, way, position, target))


async def following(deps: Deps, tx: Tx, way: Way | None) -> Due | None:
    """The step that goes out next if nothing more happens."""
    if way is None or way.ended_at:
        return None
    return rules.next_step(way.ladder, way.climb, await status.of(tx, way), deps.clock.now())


async def coming(deps: Deps, tx: Tx, of: AlertGroup | Incident) -> str:
    """The line of its card that says what comes next; on an incident's, also of its alerts' ladders."""
    found = await store.open_about(tx, of.id) if isinstance(of, Incident) else [await store.latest(tx, str(of))]
    due = [one for one in [await following(deps, tx, way) for way in found] if one]
    return view.coming(min(due, key=lambda one: one.due_at, default=None))


async def steps(deps: Deps, tx: Tx, subject: str) -> list[str]:
    """What became of each step of its newest climb."""
    way = await store.latest(tx, subject)
    if way is None:
        return []
    planned = rules.plan(way.ladder, way.climb, await status.of(tx, way), way.ended_at or deps.clock.now())
    kinds = {due.position: status.promises_of(way, due.position) for due in way.schedule}
    states = await store.promised(tx, way.subject, [kind for some in kinds.values() for kind in some])
    became = {position: [states[kind] for kind in some if kind in states] for position, some in kinds.items()}
    return view.steps(way.ladder, planned, became, status.ENDED.get(way.ended_why or "", ""))


def _whoever(group: AlertGroup | None, incident: Incident | None) -> str:
    """Who acknowledged either."""
    return next((one.acknowledged_by for one in (group, incident) if one and one.acknowledged_by), "")


def _link(deps: Deps, group: AlertGroup | None, incident: Incident | None) -> str | None:
    if group and group.ts:
        return links.permalink(deps, group.channel, group.ts)
    return links.permalink(deps, *incident.card) if incident and not incident.private else None


async def _names(
    tx: Tx, way: Way, people: Sequence[str], group: AlertGroup | None, incident: Incident | None
) -> dict[str, str]:
    named = [target.partition(":")[2] for due in way.schedule for target in due.step.notify]
    wanted = [*named, way.begun_by, _whoever(group, incident), *people, incident.declared_by if incident else ""]
    found = await people_store.find_all(tx, sorted({one for one in wanted if USER.fullmatch(one)}))
    return {person.id: person.name for person in found}
