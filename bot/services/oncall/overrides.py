"""On-call as people see and change it: who has each level, taking it over, giving it back, and who hears of that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.deps import Deps
from bot.domain.catalogue.levels import Level
from bot.domain.catalogue.service import Service
from bot.domain.errors import Conflict, Refused, Unclear
from bot.domain.oncall import oncall as rules
from bot.domain.outgoing.timer import Timer
from bot.domain.people import access
from bot.domain.people.person import Actor, Person
from bot.domain.text import duration
from bot.ports import Tx
from bot.queue import audit, timers
from bot.queue.unit_of_work import begin
from bot.services.oncall.messages import OncallLine, OncallMessage, announce, give_back, persons, write
from bot.services.oncall.shifts import level_of, overrides_of
from bot.services.workspace import oncall_now, permissions
from bot.services.workspace.oncall_now import OnCallNow
from bot.store.db.locks import serialise
from bot.store.people import oncall as store
from bot.store.people.oncall import Taken
from bot.views import oncall as view
from bot.views.kit.mrkdwn import mention, moment

OVER = "oncall.over"
LONGEST, SHORTEST = timedelta(days=7), timedelta(minutes=1)


# --- taking over ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Handover:
    """`schedule`: PagerDuty's, which is unchanged."""

    taken: Taken
    relieved: tuple[str, ...]
    schedule: str | None


def lasting(word: str) -> timedelta:
    """Raises Unclear with the rule."""
    found = duration.parse(word)
    if not SHORTEST <= found <= LONGEST:
        bounds = f"between {duration.words(SHORTEST)} and {duration.words(LONGEST)}"
        raise Unclear(f"“{word}” does not go: on-call is taken over for {bounds}. Write for example 2h or 1d.")
    return found


async def take(deps: Deps, service: Service, level: Level, person: Person, span: timedelta, by: Actor) -> Handover:
    """In place of all others. Raises Refused, Conflict."""
    await permissions.must(deps, by.person, "respond")
    if not person.is_full_member:
        raise Refused(f"{mention(person.id)} cannot be on call: only full, active members of this workspace can.")
    told = await oncall_now.ask(deps, [f"{access.ON_CALL}:{level.key}"], service.key)
    async with begin(deps, by) as tx:
        await _one_at_a_time(tx, service.key, level.key)
        now = deps.clock.now()
        before = await oncall_now.holding(deps, tx, service.key, level, told)
        await _must_change(deps, tx, service, level, before, person, now + span, by)
        made = await store.add(
            tx, service=service.key, level=level.key, person=person.id, made_by=by.id, made_at=now, begins_at=now,
            ends_at=now + span,
        )  # fmt: skip
        relieved = tuple(entry for entry in before.who if entry != person.id)
        handover = Handover(made, relieved, level.pagerduty_schedule)
        await _write_down(deps, tx, handover)
        return handover


async def _one_at_a_time(tx: Tx, service: str, level: str) -> None:
    await serialise(tx, f"oncall:{service}:{level}")


async def _must_change(
    deps: Deps, tx: Tx, service: Service, level: Level, before: OnCallNow, person: Person, until: datetime, by: Actor
) -> None:
    """Raises Conflict where the person has the level for so long anyway."""
    if before.who != (person.id,) or (before.schedule and before.schedule.strangers):
        return
    ends = await _has_it_until(deps, tx, service.key, level, before)
    if ends and ends < until:
        return
    who = "You are" if person.id == by.id else f"{mention(person.id)} is"
    when = f" until {moment(ends)}" if ends else ""
    raise Conflict(f"{who} on call for {view.where(service, level.key)}{when} already.")


async def _has_it_until(deps: Deps, tx: Tx, service: str, level: Level, held: OnCallNow) -> datetime | None:
    now = deps.clock.now()
    change = rules.next_change(level, now, await overrides_of(tx, service, level.key, now))
    there = held.schedule.until if held.schedule else None
    ends = deps.clock.from_wall(there.timestamp()) if there else None
    return min((one for one in (change, ends) if one), default=None)


async def _write_down(deps: Deps, tx: Tx, handover: Handover) -> None:
    made = handover.taken
    await timers.schedule(
        tx, kind=OVER, subject=made.subject, due_at=made.ends_at, dedupe_key=f"{OVER}:{made.id}",
        payload={"override": made.id},
    )  # fmt: skip
    await audit.record(
        tx, deps.clock, made.made_by, "oncall.taken", made.service, level=made.level, person=made.person,
        until=made.ends_at.isoformat(), relieved=list(handover.relieved),
    )  # fmt: skip
    for person in persons(handover.relieved):
        await write(deps, tx, made, OncallMessage(made.id, "relieved", person))
    if made.person != made.made_by:
        await write(deps, tx, made, OncallMessage(made.id, "given", made.person))
    await announce(deps, tx, made, OncallLine(made.id, "taken", relieved=list(handover.relieved)))


# --- its end ----------------------------------------------------------------------------------------------------------


async def end(deps: Deps, by: Actor, service: str | None = None, level: str | None = None) -> list[Taken]:
    """Of one service or level, where they are named. Raises Conflict."""
    async with begin(deps, by) as tx:
        found = await store.of_person(tx, by.id, now=deps.clock.now())
        mine = [one for one in found if service in (None, one.service) and level in (None, one.level)]
        if not mine:
            raise Conflict("You have taken nothing over there. `/incident oncall` shows who is on call.")
        for one in mine:
            await _end(deps, tx, one, by)
        return mine


async def _end(deps: Deps, tx: Tx, one: Taken, by: Actor) -> None:
    await _one_at_a_time(tx, one.service, one.level)
    now = deps.clock.now()
    had_it = await _has_it(deps, tx, one, now)
    if not await store.end(tx, one.id, at=now):
        return
    await timers.cancel(tx, subject=one.subject, kind=OVER)
    await audit.record(tx, deps.clock, by.id, "oncall.ended", one.service, level=one.level, person=one.person)
    if had_it:
        await give_back(deps, tx, one, ended_by=by.id)


async def over(deps: Deps, tx: Tx, timer: Timer) -> None:
    """Those who had and have it hear of it, unless it was taken over meanwhile."""
    one = await store.get(tx, timer.payload["override"])
    if await _has_it(deps, tx, one, one.ends_at - timedelta(seconds=1)):
        await give_back(deps, tx, one, ended_by=None)


async def _has_it(deps: Deps, tx: Tx, one: Taken, at: datetime) -> bool:
    level = level_of(deps, one)
    if level is None:
        return True
    overrides = await overrides_of(tx, one.service, one.level, at)
    return rules.on_call(level, at, overrides).override == one.override
