"""Post-mortems: drafted when an incident is resolved, edited in Slack, due until somebody marks them done."""

from __future__ import annotations

from collections.abc import Mapping

from bot.deps import Deps
from bot.domain.incidents import incident as rules, postmortem as drafts
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.timer import Timer
from bot.domain.people.person import Actor
from bot.ports import Tx
from bot.queue import audit, commitments, timers
from bot.services.incidents import cadence, deliveries, queries, template_context, timeline
from bot.store.incidents import incidents as store, timeline as timeline_store

REMIND = "postmortem.remind"
GRACE_SECONDS = 3600


async def start(deps: Deps, tx: Tx, incident: Incident) -> Incident:
    await deliveries.say(deps, tx, incident, deliveries.PostPostmortem(), str(incident.resolved_at))
    owed = cadence.level(deps, incident).postmortem_due
    if owed is None or incident.postmortem_done_at:
        return incident
    incident = await store.change(tx, incident.id, postmortem_due_at=deps.clock.now() + owed)
    await _remind_next(deps, tx, incident)
    return incident


async def _remind_next(deps: Deps, tx: Tx, incident: Incident) -> None:
    if not incident.postmortem_due_at:
        return
    at = drafts.next_reminder(incident.postmortem_due_at, deps.clock.now())
    slot = f"{await timeline_store.last_entry_id(tx, incident.id)}:{at.isoformat()}"
    await cadence.schedule(tx, REMIND, incident, at, slot)
    await commitments.add(tx, subject=incident.name, due_at={"postmortem": at}, grace_seconds=GRACE_SECONDS)


async def withdraw(tx: Tx, incident: Incident) -> None:
    await timers.cancel(tx, subject=incident.name, kind=REMIND)
    await commitments.cancel(tx, subject=incident.name, kind="postmortem")
    await store.change(tx, incident.id, postmortem_due_at=None)


async def remind(deps: Deps, tx: Tx, timer: Timer) -> None:
    incident = await store.lock(tx, rules.number(timer.subject) or 0)
    if incident.postmortem_done_at or not incident.postmortem_due_at:
        return
    await commitments.meet(tx, subject=incident.name, kind="postmortem", at=deps.clock.now())
    await deliveries.say(deps, tx, incident, deliveries.PostmortemReminder(), str(timer.id))
    await _remind_next(deps, tx, incident)


async def text(deps: Deps, tx: Tx, incident: Incident) -> str:
    return drafts.with_edits(await template_context.draft(deps, tx, incident), _edits(incident))


def _edits(incident: Incident) -> dict[str, str]:
    return dict((incident.postmortem or {}).get("edits", {}))


async def read(deps: Deps, incident: Incident) -> str:
    async with deps.database.reading() as tx:
        return await text(deps, tx, await store.get(tx, incident.id))


async def edit(deps: Deps, number: int, bodies: Mapping[str, str], by: Actor) -> Incident:
    """`bodies` by heading. Text that equals the draft is not an edit; a changed draft is uploaded again."""
    async with queries.responding(deps, number, by) as (tx, incident):
        shown = {one.heading: one.body for one in drafts.sections(await text(deps, tx, incident))[1]}
        said = {head: drafts.written(body) for head, body in bodies.items()}
        changed = {head: body for head, body in said.items() if body != shown.get(head, "").strip()}
        if not changed:
            return incident
        edits = _edits(incident) | changed
        incident = await store.change(tx, number, postmortem={"edits": edits, "edited_by": by.id})
        await timeline.log(deps, tx, incident, by.id, "postmortem", "edited the post-mortem draft")
        await upload(deps, tx, incident)
        await audit.record(tx, deps.clock, by.id, "postmortem.edited", incident.name, sections=sorted(changed))
        return incident


async def upload(deps: Deps, tx: Tx, incident: Incident) -> None:
    await deliveries.enqueue(deps, tx, incident, deliveries.UploadPostmortem(), collapses=True)


async def done(deps: Deps, number: int, by: Actor) -> tuple[Incident, bool]:
    """Whether this marked it done. Raises Conflict while the incident is open."""
    async with queries.responding(deps, number, by) as (tx, incident):
        rules.must_be_resolved(incident)
        if incident.postmortem_done_at:
            return incident, False
        await timers.cancel(tx, subject=incident.name, kind=REMIND)
        await commitments.cancel(tx, subject=incident.name, kind="postmortem")
        incident = await store.change(tx, number, postmortem_done_at=deps.clock.now())
        await timeline.log(deps, tx, incident, by.id, "postmortem", "marked the post-mortem done")
        await deliveries.enqueue(deps, tx, incident, deliveries.EditPostmortem(), collapses=True)
        return incident, True
