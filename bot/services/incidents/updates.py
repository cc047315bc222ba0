"""Updates on time, by a person or by the bot. Each renews the commitment to the next."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.deps import Deps
from bot.domain.errors import Conflict, Repeated, Unclear
from bot.domain.incidents import incident as rules
from bot.domain.incidents.incident import Incident, Status
from bot.domain.outgoing.timer import Timer
from bot.domain.people.person import BOT, Actor
from bot.domain.text import duration
from bot.ports import Tx
from bot.queue import audit, commitments, unit_of_work
from bot.services.incidents import cadence, deliveries, email, lifecycle, queries, timeline
from bot.services.messaging import refresh
from bot.store.incidents import incidents as store, timeline as timeline_store, updates as updates_store
from bot.store.queue import requests as kept
from bot.views import incident as view

LIMIT = 2900
SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(hours=24)


async def post(
    deps: Deps,
    number: int,
    text: str,
    by: Actor,
    *,
    status: Status | None = None,
    next_update: timedelta | None = None,
    none_after: bool = False,
) -> Incident:
    """`next_update` is the wait for the one after; `none_after` promises none."""
    if not text.strip():
        raise Unclear("Say what is new: `/incident update traffic is back to normal`.")
    if len(text) > LIMIT:
        raise Unclear(f"That update has {len(text)} characters; {LIMIT} fit. Shorten it and send it again.")
    async with queries.responding(deps, number, by) as (tx, incident):
        rules.must_be_open(incident)
        if status and status is not incident.status:
            incident = await lifecycle.change_status(deps, tx, incident, status, by)
        incident = await lifecycle.noticed(deps, tx, incident, by, deps.clock.now())
        due = None if none_after else cadence.next_due(deps, incident, next_update)
        return await _write(deps, tx, incident, text.strip(), by.id, due)


async def _write(deps: Deps, tx: Tx, incident: Incident, text: str, author: str, due: datetime | None) -> Incident:
    last = await updates_store.last_update(tx, incident.id)
    now = deps.clock.now()
    if last and last.author == BOT:  # nobody waits for one that Slack has not taken: the newer one replaces it
        await commitments.cancel(tx, subject=message_of(incident.name, last.id), kind="message", at=now)
    row = {
        "incident": incident.id,
        "at": now,
        "author": author,
        "text": text,
        "since": last.through if last else 0,
        "through": await timeline_store.last_entry_id(tx, incident.id),
        "next_update_at": due,
    }
    update = await updates_store.add_update(tx, row)
    said = text or "posted an update from what is known"
    entry = await timeline.log(deps, tx, incident, author, "update", said)
    incident = await store.change(tx, incident.id, last_update_at=now)
    incident = await cadence.commit(deps, tx, incident, due, entry)
    await commitments.add(
        tx,
        subject=message_of(incident.name, update.id),
        due_at={"message": now},
        grace_seconds=cadence.grace_seconds(deps),
    )
    await deliveries.say(deps, tx, incident, deliveries.PostUpdate(update.id), str(update.id))
    await email.keep_posted(deps, tx, incident, "update", nth=update.id)
    await refresh.incident(deps, tx, incident)
    return incident


def message_of(incident: str, update: int) -> str:
    return f"{incident} update {update}"


# --- the time has come ---


async def due(deps: Deps, tx: Tx, timer: Timer) -> None:
    incident = await _still_due(tx, timer)
    if incident:
        await _write(deps, tx, incident, "", BOT, cadence.next_due(deps, incident))


async def remind(deps: Deps, tx: Tx, timer: Timer) -> None:
    incident = await _still_due(tx, timer)
    if incident:
        await deliveries.say(deps, tx, incident, deliveries.Reminder(timer.payload["due"]), str(timer.id))


async def _still_due(tx: Tx, timer: Timer) -> Incident | None:
    incident = await store.lock(tx, rules.number(timer.subject) or 0)
    is_due = incident.next_update_at == datetime.fromisoformat(timer.payload["due"])
    return incident if incident.is_open and is_due else None


# --- the cadence ---


async def set_cadence(deps: Deps, number: int, every: timedelta | None, by: Actor) -> Incident:
    """None stops its reminders and automatic updates."""
    if every is not None and not SHORTEST <= every <= LONGEST:
        raise Unclear("Updates can be promised every 1 min to every 24 h: `/incident remind 15m`.")
    async with queries.responding(deps, number, by) as (tx, incident):
        rules.must_be_open(incident)
        text = f"set updates to every {duration.brief(every)}" if every else "turned promised updates off"
        seconds = int(every.total_seconds()) if every else 0
        entry = await timeline.record(deps, tx, incident, by.id, "cadence", text, every_seconds=seconds)
        incident = await store.change(tx, number, cadence_seconds=seconds)
        incident = await cadence.commit(deps, tx, incident, cadence.next_due(deps, incident), entry)
        await refresh.incident(deps, tx, incident)
        return incident


async def snooze(deps: Deps, number: int, by: Actor, wait: timedelta, *, reminder: str | None = None) -> Incident:
    """Raises Unclear where no update is promised.

    `reminder` is the message whose button was pressed, `channel:ts`: it snoozes once, no matter who presses it, and
    only the commitment it was about. Raises Conflict.
    """
    if not SHORTEST <= wait <= LONGEST:
        raise Unclear("Snooze by 1 min to 24 h: `/incident remind snooze 10m`.")
    async with queries.responding(deps, number, by) as (tx, incident):
        rules.must_be_open(incident)
        if reminder and not await _first_press(deps, tx, f"snooze:{reminder}"):
            raise Conflict(f"That reminder was snoozed already. To snooze again: `/incident remind {incident} snooze`.")
        if not incident.next_update_at:
            raise Unclear(f"No update of {incident} is promised. `/incident remind 15m` promises one.")
        if reminder and await _is_past(tx, reminder, incident.next_update_at):
            raise Conflict(
                f"That reminder is past: the next update of {incident} is promised {view.next_update(incident)}. "
                f"To move it: `/incident remind {incident} snooze`."
            )
        text = f"snoozed the next update by {duration.brief(wait)}"
        entry = await timeline.log(deps, tx, incident, by.id, "cadence", text)
        later = max(incident.next_update_at, deps.clock.now()) + wait
        incident = await cadence.commit(deps, tx, incident, later, entry)
        await audit.record(tx, deps.clock, by.id, "incident.snoozed", incident.name, until=later.isoformat())
        await refresh.incident(deps, tx, incident)
        return incident


async def _first_press(deps: Deps, tx: Tx, once: str) -> bool:
    try:
        await unit_of_work.once(deps, tx, once)
    except Repeated:
        return False
    return True


async def reminded(deps: Deps, tx: Tx, incident: str, reminder: str, due: str) -> None:
    key = f"reminder:{reminder}"
    if await _first_press(deps, tx, key):
        await unit_of_work.answered(tx, key, subject=incident, answer={"due": due})


async def _is_past(tx: Tx, reminder: str, due: datetime) -> bool:
    """One that was not kept is believed."""
    about = await kept.find(tx, f"reminder:{reminder}")
    return about is not None and about.answer is not None and datetime.fromisoformat(about.answer["due"]) != due
