"""Incidents are declared once, however often somebody asks."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.errors import Repeated, Unclear
from bot.domain.incidents import incident as rules
from bot.domain.incidents.draft import Draft
from bot.domain.incidents.incident import Incident, IncidentMessages, NewIncident, Placement
from bot.domain.people.person import Actor
from bot.ports import Tx
from bot.queue import audit, timers, unit_of_work
from bot.queue.unit_of_work import begin
from bot.services.escalation import status
from bot.services.incidents import cadence, deliveries
from bot.services.incidents.timeline import log
from bot.services.messaging import refresh
from bot.services.workspace import channels, permissions
from bot.store.db.locks import serialise
from bot.store.incidents import incidents as store

REPEAT_SECONDS = 60.0  # wall time in which the same words are the same incident


async def declare(deps: Deps, draft: Draft, by: Actor) -> tuple[Incident, bool]:
    """Whether it is new: the same request, or the same words within 60 s, declare it once.

    Raises Refused, Unclear (no title).
    """
    if not draft.title:
        raise Unclear("Say what is wrong: `/incident declare P1 checkout is down`.")
    await permissions.must(deps, by.person, "declare")
    try:
        async with begin(deps, by) as tx:
            incident, is_new = await declare_in(deps, tx, draft, draft.title, by)
            if is_new and draft.severity.escalation_policy:
                await timers.plant(tx, status.BEGIN, incident.name, incident.declared_at)
            await unit_of_work.answered(tx, by.key, subject=incident.name, answer=None)
            return incident, is_new
    except Repeated as repeated:
        async with deps.database.reading() as tx:
            return await store.get(tx, rules.number(repeated.subject or "") or 0), False


async def declare_in(deps: Deps, tx: Tx, draft: Draft, title: str, by: Actor) -> tuple[Incident, bool]:
    """False for the same words by the same actor within REPEAT_SECONDS."""
    await serialise(tx, f"declare:{by.id}:{draft.service.key}")
    same = await store.declared_just_now(tx, by.id, draft.service.key, title, deps.clock.wall() - REPEAT_SECONDS)
    if same:
        return same, False
    incident = await store.add(tx, _new(deps, draft, title, by))
    entry = await log(deps, tx, incident, by.id, "declared", f"declared {draft.severity.key}: {title}")
    if incident.next_update_at:
        await cadence.arm(deps, tx, incident, incident.next_update_at, entry)
    # The first of two round trips: the channel is made and announced at the same time.
    if incident.placement is Placement.CHANNEL:
        await deliveries.enqueue(deps, tx, incident, deliveries.OpenChannel())
    if not incident.private:
        announced_in = await channels.resolve(tx, deliveries.announce_setting(deps, incident))
        await deliveries.post_card(deps, tx, incident, refresh.ANNOUNCE, announced_in)
    await deliveries.tell_all(deps, tx, incident, draft.severity)
    await audit.record(tx, deps.clock, by.id, "incident.declared", incident.name, severity=incident.severity)
    return incident, True


def _new(deps: Deps, draft: Draft, title: str, by: Actor) -> NewIncident:
    now, severity = deps.clock.now(), draft.severity
    has_channel = severity.channel or draft.private  # a thread in #incidents would not be private
    return NewIncident(
        title=title,
        service=draft.service.key,
        severity=severity.key,
        rank=severity.rank,
        private=draft.private,
        drill=draft.drill,
        source=by.source,
        impact=draft.impact,
        declared_by=by.id,
        declared_at=now,
        declared_wall=deps.clock.wall(),
        detected_at=now,
        next_update_at=now + severity.update_every if severity.update_every else None,
        placement=Placement.CHANNEL if has_channel else Placement.THREAD,
        slack=IncidentMessages(source_channel=draft.source_channel, source_ts=draft.source_ts),
    )
