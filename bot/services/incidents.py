"""Incidents: declared, acknowledged, changed, looked at. Every public verb is one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.asks import Where
from bot.deps import Deps
from bot.domain import access
from bot.domain import incident as rules
from bot.domain.catalogue import Severity, listing
from bot.domain.delivery import Parcel
from bot.domain.draft import Draft, readable
from bot.domain.errors import Missing, Refused, Repeated, Unclear, Undeliverable
from bot.domain.incident import Entry, Home, Incident, Status
from bot.domain.person import Actor, Kind, Person
from bot.ports import Tx
from bot.services import (
    audit,
    cadence,
    cards,
    deliveries,
    escalations,
    mailing,
    pages,
    people,
    places,
    requests,
    timers,
)
from bot.services.transactions import begin
from bot.store import alerts as alerts_store
from bot.store import incidents as store
from bot.store.locks import serialise
from bot.views import incident as view

ACKNOWLEDGED = "incident.acknowledged"
REPEAT_SECONDS = 60.0  # wall time in which the same words are the same incident


# --- declaring ---


async def declare(deps: Deps, draft: Draft, by: Actor) -> tuple[Incident, bool]:
    """The incident, and whether it is new: the same request, or the same words within 60 s, declare it once.

    Raises Refused, Unclear (no title).
    """
    if not draft.title:
        raise Unclear("Say what is wrong: `/incident declare P1 checkout is down`.")
    await people.must(deps, by.person, "declare")
    try:
        async with begin(deps, by) as tx:
            incident, is_new = await declare_in(deps, tx, draft, draft.title, by)
            if is_new:
                await escalations.begin(deps, tx, incident)
            await requests.answered(tx, by.key, subject=incident.name, answer=None)
            return incident, is_new
    except Repeated as repeated:
        return await _by_name(deps, repeated.subject), False


async def declare_in(deps: Deps, tx: Tx, draft: Draft, title: str, by: Actor) -> tuple[Incident, bool]:
    """Within somebody's transaction. False: it was declared a moment ago, in the same words by the same actor."""
    await serialise(tx, f"declare:{by.id}:{draft.service.key}")
    since = deps.clock.wall() - REPEAT_SECONDS
    same = await store.declared_just_now(tx, by.id, draft.service.key, title, since)
    if same:
        return same, False
    incident = await store.add(tx, _birth(deps, draft, title, by))
    entry = await log(deps, tx, incident, by.id, "declared", f"declared {draft.severity.key}: {title}")
    if incident.next_update_at:
        await cadence.arm(deps, tx, incident, incident.next_update_at, entry)
    await _open_its_place(deps, tx, incident)
    await _tell(deps, tx, incident, draft.severity)
    await audit.record(tx, deps.clock, by.id, "incident.declared", incident.name, severity=incident.severity)
    return incident, True


def _birth(deps: Deps, draft: Draft, title: str, by: Actor) -> dict[str, Any]:
    now = deps.clock.now()
    has_channel = draft.severity.channel or draft.private  # a thread in #incidents would not be private
    return {
        "title": title,
        "service": draft.service.key,
        "severity": draft.severity.key,
        "rank": draft.severity.rank,
        "status": Status.INVESTIGATING.value,
        "private": draft.private,
        "drill": draft.drill,
        "source": by.source,
        "source_channel": draft.source_channel,
        "source_ts": draft.source_ts,
        "impact": draft.impact,
        "declared_by": by.id,
        "declared_at": now,
        "declared_wall": deps.clock.wall(),
        "detected_at": now,
        "next_update_at": now + draft.severity.update_every if draft.severity.update_every else None,
        "home": (Home.CHANNEL if has_channel else Home.THREAD).value,
    }


async def _open_its_place(deps: Deps, tx: Tx, incident: Incident) -> None:
    """Create the channel and announce it at the same time: the first of the two round trips."""
    if incident.home is Home.CHANNEL:
        await deliveries.enqueue(deps, tx, channel_parcel(incident))
    if not incident.private:
        announced_in = await places.resolve(tx, cards.announce_setting(deps, incident))
        await deliveries.enqueue(deps, tx, card_parcel(incident, cards.ANNOUNCE, announced_in))


def channel_parcel(incident: Incident) -> Parcel:
    return Parcel("channel.open", incident.name, "conversations.create", rank=incident.rank)


def invitation(incident: Incident, who: list[str]) -> Parcel:
    """`who` as in the catalogue: people, groups, teams, roles."""
    return Parcel("channel.invite", incident.name, "conversations.invite", payload={"who": who}, rank=incident.rank)


def card_parcel(incident: Incident, face: str, channel: str | None) -> Parcel:
    """With its channel known, it queues at that channel's gate from the beginning."""
    return Parcel(
        kind="card.post",
        subject=incident.name,
        method="chat.postMessage",
        payload={"face": face},
        gate=channel,
        rank=incident.rank,
        dedupe_key=cards.posting(incident, face),
    )


async def _tell(deps: Deps, tx: Tx, incident: Incident, severity: Severity) -> None:
    """The targets the severity names at declare, but pages. A private incident tells nobody."""
    if incident.private:
        return
    for target in severity.tell:
        if target.startswith(("slack:", "dm:", "email:")):
            await tell(deps, tx, incident, target)


async def tell(deps: Deps, tx: Tx, incident: Incident, target: str) -> None:
    """`slack:#channel`, `dm:U…`, or `dm:` and a team, group or role, whose people are looked up when it is sent; and
    `email:`, which looks up all of them then.
    """
    if target.startswith("email:"):
        await mailing.tell(deps, tx, incident, target)
        return
    who = target.removeprefix("dm:")
    if target == who or access.USER.fullmatch(who):
        await cards.say(deps, tx, incident, "told", target, target=target)
        return
    parcel = Parcel("told.who", incident.name, "users.info", payload={"who": who}, rank=incident.rank)
    await deliveries.enqueue(deps, tx, parcel)


# --- looking ---


async def named(deps: Deps, text: str, where: Where, by: Actor) -> tuple[Incident, str]:
    """The incident that the words name first (`INC-42 …`), or in whose channel or thread they were said; and the rest.

    Raises Missing for one that does not exist or may not be seen, Unclear with the open ones where none is meant.
    """
    first, _, rest = text.strip().partition(" ")
    number = rules.number(first)
    if number is not None:
        return await visible(deps, number, by), rest.strip()
    here = await living_here(deps, where)
    if here:
        return here, text.strip()
    raise Unclear(await _which_one(deps, by))


async def living_here(deps: Deps, where: Where) -> Incident | None:
    """The incident whose channel or thread this is."""
    if not where.channel:
        return None
    async with deps.database.reading() as tx:
        return await store.living_in(tx, where.channel, where.thread or where.ts)


async def _which_one(deps: Deps, by: Actor) -> str:
    there = await open_incidents(deps, by)
    if not there:
        return "There is no open incident here. Declare one: `/incident declare P1 checkout is down`."
    names = listing([f"{one} ({one.short_title})" for one in there[:5]], "or")
    return f"Which one? Name it first: {names}."


async def visible(deps: Deps, number: int, by: Actor) -> Incident:
    """The incident, if this person may see it. Raises Missing alike for a hidden one and one that is not there."""
    async with deps.database.reading() as tx:
        incident = await store.get(tx, number)
        held = await store.roles_of(tx, number) if incident.private else {}
    # Whoever types or clicks in a private channel is a member of it.
    is_inside = by.channel is not None and by.channel == incident.channel
    if is_inside or may_see(incident, by.person, held) or await _administers(deps, by.person):
        return incident
    raise Missing(f"There is no INC-{number}. `/incident list all` shows what there is.")


def may_see(incident: Incident, person: Person, held: Mapping[str, str]) -> bool:
    """A private incident is seen by who declared it or holds a role in it; administrators see all."""
    return not incident.private or incident.declared_by == person.id or person.id in held.values()


async def _administers(deps: Deps, person: Person) -> bool:
    try:
        await people.must(deps, person, "admin")
    except Refused:
        return False
    return True


async def by_subject(deps: Deps, subject: str, by: Actor) -> Incident:
    """A button's value, `INC-42` or `INC-42:commander`, as an incident. Raises Missing."""
    number = rules.number(subject.partition(":")[0])
    if number is None:
        raise Missing("That button belongs to nothing I know. `/incident list` shows what is open.")
    return await visible(deps, number, by)


async def _by_name(deps: Deps, name: str | None) -> Incident:
    async with deps.database.reading() as tx:
        return await store.get(tx, rules.number(name or "") or 0)


async def open_incidents(deps: Deps, by: Actor, *, limit: int = 20) -> list[Incident]:
    """Worst first; private ones only to those who may see them."""
    async with deps.database.reading() as tx:
        found, held = await _with_roles(tx, await store.open_ones(tx, limit))
    return await _seen(deps, found, held, by)


async def listed(deps: Deps, which: str, by: Actor) -> list[Incident]:
    """`open`, `all` or `mine`. Raises Unclear."""
    queries = {"open": store.open_ones, "all": store.newest}
    async with deps.database.reading() as tx:
        if which == "mine":
            return await store.of_person(tx, by.id)
        if which not in queries:
            raise Unclear("Use `/incident list open`, `list all` or `list mine`.")
        found, held = await _with_roles(tx, await queries[which](tx))
    return await _seen(deps, found, held, by)


async def _with_roles(tx: Tx, found: list[Incident]) -> tuple[list[Incident], dict[int, dict[str, str]]]:
    private = [one.id for one in found if one.private]
    return found, await store.roles_of_many(tx, private) if private else {}


async def _seen(deps: Deps, found: list[Incident], held: Mapping[int, Mapping[str, str]], by: Actor) -> list[Incident]:
    seen = [one for one in found if may_see(one, by.person, held.get(one.id, {}))]
    return found if len(seen) < len(found) and await _administers(deps, by.person) else seen


async def roles_of(deps: Deps, incident: Incident) -> dict[str, str]:
    async with deps.database.reading() as tx:
        return await store.roles_of(tx, incident.id)


async def timeline(deps: Deps, incident: Incident) -> list[Entry]:
    async with deps.database.reading() as tx:
        return await store.timeline_of(tx, incident.id)


async def card(deps: Deps, number: int) -> view.Card:
    """What its card shows, for an answer of its own."""
    async with deps.database.reading() as tx:
        incident = await store.get(tx, number)
        return await cards.shown(deps, tx, incident, is_home=True)


@dataclass(frozen=True)
class Waiting:
    """What waits for one person: incidents they lead, post-mortems they owe."""

    leading: list[Incident]
    postmortems: list[Incident]


async def waiting_for(deps: Deps, by: Actor) -> Waiting:
    async with deps.database.reading() as tx:
        mine = [one for one in await store.of_person(tx, by.id) if one.is_open]
        held = await store.roles_of_many(tx, [one.id for one in mine])
        leading = [one for one in mine if held[one.id].get("commander") == by.id]
        return Waiting(leading, await store.postmortems_due(tx, by.id))


# --- changing ---


async def may_respond(deps: Deps, incident: Incident, by: Actor) -> None:
    """Raises Refused. Looks at the incident's roles, since `respond` may name one."""
    await people.must(deps, by.person, "respond", roles=await roles_of(deps, incident))


async def acknowledge(deps: Deps, number: int, by: Actor) -> tuple[Incident, bool]:
    """The incident, and whether this person was the first."""
    await may_respond(deps, await visible(deps, number, by), by)
    async with begin(deps, by) as tx:
        incident = await store.lock(tx, number)
        rules.must_be_open(incident)
        return await acknowledge_in(deps, tx, incident, by)


async def acknowledge_in(deps: Deps, tx: Tx, incident: Incident, by: Actor) -> tuple[Incident, bool]:
    """Within somebody's transaction, which holds the incident."""
    if incident.acknowledged_at:
        return incident, False
    incident = await noticed(deps, tx, incident, by, deps.clock.now())
    await cards.refresh(deps, tx, incident)
    return incident, True


async def noticed(deps: Deps, tx: Tx, incident: Incident, by: Actor, at: datetime) -> Incident:
    """Somebody is on it: acknowledging, taking a role, writing an update and resolving all say so."""
    if incident.acknowledged_at:
        return incident
    await log(deps, tx, incident, by.id, "acknowledged", "acknowledged", told=True)
    await audit.record(tx, deps.clock, by.id, "incident.acknowledged", incident.name)
    incident = await store.change(tx, incident.id, acknowledged_at=at, acknowledged_by=by.id)
    await escalations.acknowledged(deps, tx, incident, by)
    await pages.acknowledged(deps, tx, incident.name, by.id)
    await _be_on_its_alerts(tx, incident, by, at)
    return incident


async def _be_on_its_alerts(tx: Tx, incident: Incident, by: Actor, at: datetime) -> None:
    """A moment later, since whoever changes an alert holds it before its incident. Its ladder has stopped already."""
    if any(not group.acknowledged_at for group in await alerts_store.of_incident(tx, incident.id)):
        await timers.schedule(
            tx,
            kind=ACKNOWLEDGED,
            subject=incident.name,
            due_at=at,
            dedupe_key=f"{ACKNOWLEDGED}:{incident.id}:{at.isoformat()}",
            payload={"incident": incident.id, "by": by.id},
        )


async def unnoticed(deps: Deps, tx: Tx, incident: Incident, by: Actor, alert: str) -> Incident:
    """Whoever was on its alert is not any more, so nobody is on it until somebody says so again."""
    await log(deps, tx, incident, by.id, "acknowledged", f"took back the acknowledgement of {alert}", told=True)
    await audit.record(tx, deps.clock, by.id, "incident.unacknowledged", incident.name)
    incident = await store.change(tx, incident.id, acknowledged_at=None, acknowledged_by=None)
    await cards.refresh(deps, tx, incident)
    return incident


async def set_severity(deps: Deps, number: int, word: str, by: Actor) -> tuple[Incident, bool]:
    """Any level of its service, by key or alias. The next update is promised anew. Raises Unclear with the list."""
    incident = await visible(deps, number, by)
    severity = deps.catalogue.service_or_default(incident.service).severity(word)
    await may_respond(deps, incident, by)
    async with begin(deps, by) as tx:
        incident = await store.lock(tx, number)
        rules.must_be_open(incident)
        if incident.severity == severity.key:
            return incident, False
        text = f"changed severity from {incident.severity} to {severity.key}"
        entry = await log(deps, tx, incident, by.id, "severity", text, told=True)
        incident = await store.change(tx, number, severity=severity.key, rank=severity.rank)
        due = rules.next_update(incident, severity, deps.clock.now())
        incident = await cadence.promise(deps, tx, incident, due, entry)
        incident = await _live_up_to(deps, tx, incident, severity)
        await escalations.severity_changed(deps, tx, incident)
        await cards.refresh(deps, tx, incident)
        await audit.record(tx, deps.clock, by.id, "incident.severity", incident.name, to=severity.key)
        return incident, True


async def _live_up_to(deps: Deps, tx: Tx, incident: Incident, severity: Severity) -> Incident:
    """What the new level asks for at declare: a channel of its own, people in it, others told. Nothing twice."""
    await _tell(deps, tx, incident, severity)
    if incident.home is Home.THREAD and severity.channel and not incident.channel:
        incident = await store.change(tx, incident.id, home=Home.CHANNEL.value)
        await deliveries.enqueue(deps, tx, channel_parcel(incident))
    elif incident.channel and severity.invite and not incident.private:
        await deliveries.enqueue(deps, tx, invitation(incident, list(severity.invite)))
    return incident


async def set_status(deps: Deps, number: int, status: Status, by: Actor) -> tuple[Incident, bool]:
    """Any working status; resolving has a verb of its own."""
    await may_respond(deps, await visible(deps, number, by), by)
    async with begin(deps, by) as tx:
        incident = await store.lock(tx, number)
        rules.must_be_open(incident)
        if incident.status is status:
            return incident, False
        incident = await change_status(deps, tx, incident, status, by)
        await cards.refresh(deps, tx, incident)
        return incident, True


async def change_status(
    deps: Deps, tx: Tx, incident: Incident, status: Status, by: Actor, at: datetime | None = None
) -> Incident:
    """Within somebody's transaction. The first status that means the harm has stopped is the moment of mitigation."""
    text = f"changed status from {incident.status} to {status}"
    await log(deps, tx, incident, by.id, "status", text, told=True)
    await audit.record(tx, deps.clock, by.id, "incident.status", incident.name, to=status.value)
    changes: dict[str, Any] = {"status": status.value}
    if status in rules.MITIGATED and not incident.mitigated_at:
        changes["mitigated_at"] = at or deps.clock.now()
    return await store.change(tx, incident.id, **changes)


async def note(deps: Deps, number: int, text: str, by: Actor) -> Incident:
    """A remark for the timeline and the next update; also after the end. Raises Unclear when empty."""
    if not text.strip():
        raise Unclear("Say what to note: `/incident note rolled back to 1.41`.")
    incident = await visible(deps, number, by)
    await may_respond(deps, incident, by)
    async with begin(deps, by) as tx:
        incident = await store.lock(tx, number)
        await log(deps, tx, incident, by.id, "note", text.strip()[:3000], told=True)
        await pages.noted(deps, tx, incident.name, text.strip(), by.id)
        return incident


async def mark(deps: Deps, incident: Incident, message: str, source: str, kind: str, author: str, by: Actor) -> bool:
    """A message put on the timeline by `pin`, `message` (the shortcut) or `reaction:pushpin`; `source` is `channel:ts`.

    False: it was there. One that was taken off before any update named it comes back as news.
    """
    await may_respond(deps, incident, by)
    hand = _hand(kind, by)
    async with begin(deps, by) as tx:
        await store.lock(tx, incident.id)
        there = await store.marked(tx, incident.id, source)
        if there and (there.removed_at is None or await store.was_told(tx, there)):
            await store.set_marks(tx, there, {*there.marks, hand}, removed_at=None)
            return False
        if there:
            await store.let_go(tx, there)
        text = message.strip()[:3000] or "a message without text"
        await store.log(
            tx,
            incident.id,
            at=_moment_of(deps, source),
            kind=kind.partition(":")[0],
            actor=author or by.id,
            text=text,
            told=True,
            source_ts=source,
            detail={"by": by.id, "marks": [hand]},
        )
        return True


async def unmark(deps: Deps, incident: Incident, source: str, kind: str, by: Actor) -> bool:
    """One mark was taken away; with the last one the message is off the timeline. False: it was off, or stays."""
    await may_respond(deps, incident, by)
    async with begin(deps, by) as tx:
        await store.lock(tx, incident.id)
        there = await store.marked(tx, incident.id, source)
        if there is None or there.removed_at:
            return False
        left = set(there.marks) - {_hand(kind, by)}
        await store.set_marks(tx, there, left, removed_at=None if left else deps.clock.now())
        return not left


def _hand(kind: str, by: Actor) -> str:
    """Whose mark it is: everybody has reactions of their own; a message has one pin, which anybody may take away."""
    return f"{kind}:{by.id}" if kind.startswith("reaction") else kind


async def marked_by_event(deps: Deps, channel: str, ts: str, by: Actor, *, kind: str, added: bool) -> None:
    """A pin or the pushpin on a message of an incident's place. Slack does not say what it says: it is read first."""
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
    """One message, in the channel or in a thread, whose first message comes along whatever is asked for."""
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


async def log(deps: Deps, tx: Tx, incident: Incident, actor: str, kind: str, text: str, *, told: bool = False) -> int:
    return await store.log(tx, incident.id, at=deps.clock.now(), kind=kind, actor=actor, text=text, told=told)
