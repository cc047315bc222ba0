"""On-call as people see and change it: who has each level, taking it over, giving it back, and who hears of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.deps import Deps
from bot.domain import access, duration
from bot.domain import oncall as rules
from bot.domain.catalogue import Service
from bot.domain.delivery import Call, Delivery, Parcel, Plan, Skip, Wait
from bot.domain.errors import Conflict, Refused, Unclear, Undeliverable
from bot.domain.oncall import Level, Override
from bot.domain.person import Actor, Person
from bot.domain.timer import Timer
from bot.ports import Tx
from bot.services import audit, deliveries, duty, people, places, timers
from bot.services.duty import Holding
from bot.services.posting import PLACE_GONE, Message, Plain, Post
from bot.services.transactions import begin
from bot.store import oncall as store
from bot.store.locks import serialise
from bot.store.oncall import Taken
from bot.views import oncall as view
from bot.views.blocks import section
from bot.views.mrkdwn import mention, moment
from bot.views.oncall import Shift

OVER = "oncall.over"
LETTER, LINE, BACK = "oncall.letter", "oncall.line", "oncall.back"
POST = "chat.postMessage"
LONGEST, SHORTEST = timedelta(days=7), timedelta(minutes=1)
MOST_LETTERS = 20
PLACE_WAIT_SECONDS = 60.0


# --- looking ----------------------------------------------------------------------------------------------------------


async def shifts(deps: Deps, service: Service) -> list[Shift]:
    """Every level of the service as it is now. May ask PagerDuty."""
    told = await duty.ask(deps, [f"{access.ON_CALL}:{key}" for key in service.oncall], service.key)
    return [await _shift(deps, service, level, told) for level in service.oncall.values()]


async def _shift(deps: Deps, service: Service, level: Level, told: duty.Told) -> Shift:
    now = deps.clock.now()
    async with deps.database.reading() as tx:
        held = await duty.holding(deps, tx, service.key, level, told)
        overrides = await _overrides(tx, service.key, level.key, now)
    change = rules.next_change(level, now, overrides)
    if held.schedule is not None:
        return await _shift_there(deps, level, held, change)
    following = rules.on_call(level, change, overrides) if change else None
    return Shift(
        level=level.key,
        who=held.who,
        source=_source(level, held),
        until=change,
        then=following.who if following else (),
        then_by=following.schedule if following else None,
    )


async def _shift_there(deps: Deps, level: Level, held: Holding, change: datetime | None) -> Shift:
    """By PagerDuty; an override that begins before its shift ends comes first."""
    schedule, id_ = held.schedule or duty.Schedule(), held.by.schedule or ""
    ends = deps.clock.from_wall(schedule.until.timestamp()) if schedule.until else None
    following = None
    if schedule.until and schedule.is_fresh and (change is None or (ends and ends < change)):
        following = await duty.next_by(deps, id_, schedule.until)
    roster = schedule.roster
    return Shift(
        level=level.key,
        who=held.who,
        source=f"PagerDuty's schedule {id_}",
        strangers=schedule.strangers,
        until=min((one for one in (ends, change) if one), default=None),
        then=following.users if following else (),
        schedule=id_,
        is_told=roster is not None,
        is_set_up=deps.pager is not None and deps.pager.has_rest,
        said_at=deps.clock.from_wall(roster.seen_at) if roster and not schedule.is_fresh else None,
    )


def _source(level: Level, held: Holding) -> str:
    override = held.by.override
    if override:
        return "override in service.yml" if override in level.overrides else "override, made here"
    return "rotation" if level.rotations else "always"


async def _overrides(tx: Tx, service: str, level: str, since: datetime) -> list[Override]:
    return [one.override for one in await store.of_level(tx, service, level, since=since)]


# --- taking over ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Handover:
    """What it came to. `schedule`: PagerDuty's, which is unchanged."""

    taken: Taken
    relieved: tuple[str, ...]
    schedule: str | None


def lasting(word: str) -> timedelta:
    """`2h`. Raises Unclear with the rule."""
    found = duration.parse(word)
    if not SHORTEST <= found <= LONGEST:
        bounds = f"between {duration.words(SHORTEST)} and {duration.words(LONGEST)}"
        raise Unclear(f"“{word}” does not go: on-call is taken over for {bounds}. Write for example 2h or 1d.")
    return found


async def take(deps: Deps, service: Service, level: Level, person: Person, span: timedelta, by: Actor) -> Handover:
    """This person has the level for so long, whoever else would. Raises Refused, Conflict."""
    await people.must(deps, by.person, "respond")
    if not person.is_full_member:
        raise Refused(f"{mention(person.id)} cannot be on call: only full, active members of this workspace can.")
    told = await duty.ask(deps, [f"{access.ON_CALL}:{level.key}"], service.key)
    async with begin(deps, by) as tx:
        await _one_at_a_time(tx, service.key, level.key)
        now = deps.clock.now()
        before = await duty.holding(deps, tx, service.key, level, told)
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
    deps: Deps, tx: Tx, service: Service, level: Level, before: Holding, person: Person, until: datetime, by: Actor
) -> None:
    """Raises Conflict where they have it for so long anyway."""
    if before.who != (person.id,) or (before.schedule and before.schedule.strangers):
        return
    ends = await _has_it_until(deps, tx, service.key, level, before)
    if ends and ends < until:
        return
    who = "You are" if person.id == by.id else f"{mention(person.id)} is"
    when = f" until {moment(ends)}" if ends else ""
    raise Conflict(f"{who} on call for {view.where(service, level.key)}{when} already.")


async def _has_it_until(deps: Deps, tx: Tx, service: str, level: Level, held: Holding) -> datetime | None:
    now = deps.clock.now()
    change = rules.next_change(level, now, await _overrides(tx, service, level.key, now))
    there = held.schedule.until if held.schedule else None
    ends = deps.clock.from_wall(there.timestamp()) if there else None
    return min((one for one in (change, ends) if one), default=None)


async def _write_down(deps: Deps, tx: Tx, handover: Handover) -> None:
    """Its end is promised; the relieved, the new one and the channel hear of it."""
    made = handover.taken
    await timers.schedule(
        tx, kind=OVER, subject=made.subject, due_at=made.ends_at, dedupe_key=f"{OVER}:{made.id}",
        payload={"override": made.id},
    )  # fmt: skip
    await audit.record(
        tx, deps.clock, made.made_by, "oncall.taken", made.service, level=made.level, person=made.person,
        until=made.ends_at.isoformat(), relieved=list(handover.relieved),
    )  # fmt: skip
    for person in _persons(handover.relieved):
        await _write(deps, tx, made, "relieved", person)
    if made.person != made.made_by:
        await _write(deps, tx, made, "given", made.person)
    await deliveries.enqueue(deps, tx, _line(made, "taken", relieved=list(handover.relieved)))


def _persons(who: Sequence[str]) -> list[str]:
    """Those that are one person: nobody writes to all of a team."""
    return [entry for entry in who if access.USER.fullmatch(entry)][:MOST_LETTERS]


async def _write(deps: Deps, tx: Tx, about: Taken, what: str, to: str, **more: Any) -> None:
    payload = {"override": about.id, "what": what, "to": to, **more}
    key = f"{LETTER}:{about.id}:{what}:{to}"
    await deliveries.enqueue(deps, tx, Parcel(LETTER, about.subject, POST, payload, dedupe_key=key))


def _line(about: Taken, what: str, **more: Any) -> Parcel:
    payload = {"override": about.id, "what": what, **more}
    return Parcel(LINE, about.subject, POST, payload, dedupe_key=f"{LINE}:{about.id}:{what}")


# --- its end ----------------------------------------------------------------------------------------------------------


async def end(deps: Deps, by: Actor, service: str | None = None, level: str | None = None) -> list[Taken]:
    """Whatever this person took or gave is over now; of one service or level, where they are named. Raises Conflict."""
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
        await deliveries.enqueue(deps, tx, _back(one, ended_by=by.id))


async def over(deps: Deps, tx: Tx, timer: Timer) -> None:
    """Its time has come: who had it and who has it now hear of it, where it was not taken over from them before."""
    one = await store.get(tx, timer.payload["override"])
    if await _has_it(deps, tx, one, one.ends_at - timedelta(seconds=1)):
        await deliveries.enqueue(deps, tx, _back(one, ended_by=None))


def _back(one: Taken, *, ended_by: str | None) -> Parcel:
    """Who has it now is asked when it is sent, and may be PagerDuty's to say."""
    return Parcel(BACK, one.subject, "users.info", {"override": one.id, "by": ended_by}, dedupe_key=f"{BACK}:{one.id}")


async def _has_it(deps: Deps, tx: Tx, one: Taken, at: datetime) -> bool:
    """Whether this override is the one that counts then. A level that has left the catalogue has no other."""
    level = _level_of(deps, one)
    if level is None:
        return True
    overrides = await _overrides(tx, one.service, one.level, at)
    return rules.on_call(level, at, overrides).override == one.override


def _level_of(deps: Deps, one: Taken) -> Level | None:
    service = deps.catalogue.services.get(one.service)
    return service.oncall.get(one.level) if service else None


# --- who hears of it --------------------------------------------------------------------------------------------------


class GiveBack(Plain):
    """Who has it after an override: found when it is over, and told."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        one = await store.get(tx, delivery.payload["override"])
        return Call({"service": one.service, "level": one.level})

    async def act(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        if arguments["service"] not in deps.catalogue.services:
            return {"now": []}
        meant = await duty.look(deps, [f"{access.ON_CALL}:{arguments['level']}"], arguments["service"])
        return {"now": list(meant.who)}

    async def settle(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        one, now = await store.get(tx, delivery.payload["override"]), answer["now"]
        by = delivery.payload["by"]
        if by is not None:
            await deliveries.enqueue(deps, tx, _line(one, "ended", now=now, by=by))
        if one.person not in now and by != one.person:
            await _write(deps, tx, one, "over", one.person, now=now)
        for person in _persons(now):
            await _write(deps, tx, one, "again", person)


async def _letter(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    one = await store.get(tx, delivery.payload["override"])
    text = await _words(deps, tx, one, delivery.payload)
    return Message(delivery.payload["to"], text, [section(text)]) if text else Skip("it is over by now")


async def _words(deps: Deps, tx: Tx, one: Taken, payload: dict[str, Any]) -> str:
    """Empty where there is nothing to say any more."""
    place, now, what = _place(deps, one), deps.clock.now(), payload["what"]
    if what == "over":
        return view.over_letter(place, payload["now"])
    if what == "again":
        return await _again(deps, tx, one, payload["to"])
    if one.ends_at <= now:
        return ""
    if what == "given":
        return view.given_letter(place, one.ends_at, one.made_by)
    level = _level_of(deps, one)
    schedule = level.pagerduty_schedule if level else None
    return view.relieved_letter(place, one.person, one.ends_at, one.made_by, schedule)


async def _again(deps: Deps, tx: Tx, one: Taken, to: str) -> str:
    level, now, until = _level_of(deps, one), deps.clock.now(), None
    if level:
        until = rules.next_change(level, now, await _overrides(tx, one.service, one.level, now))
    if to == one.person:
        return view.still_letter(_place(deps, one), until)
    return view.again_letter(_place(deps, one), one.person, until)


def _place(deps: Deps, one: Taken) -> str:
    """`Payments (primary)`; of a service that has left the catalogue, its key."""
    service = deps.catalogue.services.get(one.service)
    return view.place(service.name if service else one.service, one.level)


async def _said(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    """One line in the channel of the service's alerts."""
    one, payload = await store.get(tx, delivery.payload["override"]), delivery.payload
    service = deps.catalogue.service_or_default(one.service)
    channel = await places.resolve(tx, service.alerts_channel or deps.config.alerts_channel)
    if not channel:
        return Wait(PLACE_WAIT_SECONDS, "that channel cannot be used yet")
    if payload["what"] == "ended":
        text = view.line_of_end(_place(deps, one), one.person, payload["by"], payload["now"])
    elif one.ends_at <= deps.clock.now():
        return Skip("it is over by now")
    else:
        text = view.line(_place(deps, one), one.person, one.ends_at, payload["relieved"], one.made_by)
    return Message(channel, text, [section(text)])


class Letter(Post):
    """To a person. Whom the file names and Slack does not know is not waited for."""

    async def refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        return Skip(problem.error) if problem.permanent or problem.error in PLACE_GONE else None


letter = Letter(_letter)
line = Post(_said)
