"""An incident's timeline: notes, marked messages, and a line for every change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Unclear, Undeliverable
from bot.domain.incidents.draft import readable
from bot.domain.incidents.incident import Entry, Incident
from bot.domain.people.person import Actor, Kind
from bot.interactions import Where
from bot.ports import Tx
from bot.queue import audit
from bot.queue.unit_of_work import begin
from bot.services.escalation import pages
from bot.services.incidents.queries import living_here, may_respond, responding
from bot.store.incidents import incidents as store, timeline as timeline_store


async def entries(deps: Deps, incident: Incident) -> list[Entry]:
    async with deps.database.reading() as tx:
        return await timeline_store.timeline_of(tx, incident.id)


async def note(deps: Deps, number: int, text: str, by: Actor) -> Incident:
    """Open or closed. Raises Unclear when empty."""
    if not text.strip():
        raise Unclear("Say what to note: `/incident note rolled back to 1.41`.")
    async with responding(deps, number, by) as (tx, incident):
        await log(deps, tx, incident, by.id, "note", text.strip()[:3000], told=True)
        await pages.noted(deps, tx, incident.name, text.strip(), by.id)
        return incident


async def mark(deps: Deps, incident: Incident, message: str, source: str, kind: str, author: str, by: Actor) -> bool:
    """Whether it is new, by `pin`, `message` (the shortcut) or `reaction:pushpin`; `source` is `channel:ts`.

    A message that was taken off before any update named it comes back as new.
    """
    await may_respond(deps, incident, by)
    hand = _hand(kind, by)
    async with begin(deps, by) as tx:
        await store.lock(tx, incident.id)
        there = await timeline_store.marked(tx, incident.id, source)
        if there and (there.removed_at is None or await timeline_store.was_told(tx, there)):
            await timeline_store.set_marks(tx, there, {*there.marks, hand}, removed_at=None)
            return False
        if there:
            await timeline_store.let_go(tx, there)
        await timeline_store.log(
            tx,
            incident.id,
            at=_moment_of(deps, source),
            kind=kind.partition(":")[0],
            actor=author or by.id,
            text=message.strip()[:3000] or "a message without text",
            told=True,
            source_ts=source,
            detail={"by": by.id, "marks": [hand]},
        )
        return True


async def unmark(deps: Deps, incident: Incident, source: str, kind: str, by: Actor) -> bool:
    """Whether the message is off the timeline: it goes with its last mark."""
    await may_respond(deps, incident, by)
    async with begin(deps, by) as tx:
        await store.lock(tx, incident.id)
        there = await timeline_store.marked(tx, incident.id, source)
        if there is None or there.removed_at:
            return False
        left = set(there.marks) - {_hand(kind, by)}
        await timeline_store.set_marks(tx, there, left, removed_at=None if left else deps.clock.now())
        return not left


def _hand(kind: str, by: Actor) -> str:
    return f"{kind}:{by.id}" if kind.startswith("reaction") else kind


async def marked_by_event(deps: Deps, channel: str, ts: str, by: Actor, *, kind: str, added: bool) -> None:
    if by.person.kind is Kind.BOT:
        return
    message = await _read_message(deps, channel, ts) or {}
    incident = await living_here(deps, Where(channel=channel, thread=message.get("thread_ts"), ts=ts))
    if incident is None:
        return
    source, by = f"{channel}:{ts}", replace(by, channel=channel)
    if added:
        text = readable(str(message.get("text") or ""))
        await mark(deps, incident, text, source, kind, str(message.get("user") or by.id), by)
    else:
        await unmark(deps, incident, source, kind, by)


async def _read_message(deps: Deps, channel: str, ts: str) -> dict[str, Any] | None:
    """Slack returns a thread's first message beside the one asked for."""
    wanted = {"channel": channel, "ts": ts, "oldest": ts, "latest": ts, "inclusive": True, "limit": 10}
    try:
        page = await deps.chat.call("conversations.replies", wanted)
    except Undeliverable as problem:
        if not problem.permanent:
            raise
        return None  # deleted, or not ours to read
    return next((one for one in page.get("messages", []) if one.get("ts") == ts), None)


def _moment_of(deps: Deps, source: str) -> datetime:
    return deps.clock.from_wall(float(source.partition(":")[2]))


async def record(
    deps: Deps, tx: Tx, incident: Incident, by: str, kind: str, text: str, *, told: bool = False, **detail: Any
) -> int:
    await audit.record(tx, deps.clock, by, f"incident.{kind}", incident.name, **detail)
    return await log(deps, tx, incident, by, kind, text, told=told)


async def log(deps: Deps, tx: Tx, incident: Incident, actor: str, kind: str, text: str, *, told: bool = False) -> int:
    return await timeline_store.log(tx, incident.id, at=deps.clock.now(), kind=kind, actor=actor, text=text, told=told)
