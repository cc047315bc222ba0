"""Who is on call at this moment: by an override made in Slack or in the file, a rotation, a list, or PagerDuty.

PagerDuty is asked outside any transaction, and its answer is kept. What is decided with it is decided inside one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot import telemetry
from bot.deps import Deps
from bot.domain.catalogue.levels import Level
from bot.domain.errors import Undeliverable
from bot.domain.escalation.page import OnCall as OnPager
from bot.domain.oncall import oncall as rules
from bot.domain.oncall.oncall import OnCall
from bot.domain.people import access
from bot.ports import Pager, Tx
from bot.store.people import oncall as store, people as people_store
from bot.store.people.oncall import Roster
from bot.telemetry import Event

STRICT_SECONDS = 60.0  # how old PagerDuty's answer may be where it decides what somebody may do
FRESH_SECONDS = 300.0
AWAY_SECONDS = 30.0  # for so long a schedule that was not told is not asked for again, but where it decides


@dataclass(frozen=True)
class Schedule:
    """What PagerDuty said of one of its schedules; without a roster it has never answered.

    `accounts`: addresses in lower case -> who has them in Slack.
    """

    roster: Roster | None = None
    is_fresh: bool = False
    accounts: Mapping[str, str] = field(default_factory=dict)

    @property
    def people(self) -> tuple[OnPager, ...]:
        return self.roster.people if self.roster else ()

    @property
    def users(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(filter(None, map(self._account, self.people))))

    @property
    def strangers(self) -> tuple[str, ...]:
        return tuple(person.name for person in self.people if not self._account(person))

    @property
    def until(self) -> datetime | None:
        return min((person.until for person in self.people if person.until), default=None)

    def _account(self, person: OnPager) -> str | None:
        return self.accounts.get((person.email or "").lower())


ScheduleAnswers = Mapping[str, Schedule]  # by PagerDuty's id


@dataclass(frozen=True)
class OnCallNow:
    """Who has a level at a moment: `who` is people, user groups and teams. `schedule`: as PagerDuty says."""

    who: tuple[str, ...]
    by: OnCall
    schedule: Schedule | None = None


@dataclass(frozen=True)
class ResolvedList:
    """A `who` list with people in place of `oncall`; and the levels of which PagerDuty did not tell in time."""

    who: tuple[str, ...]
    unavailable: tuple[str, ...] = ()


async def look(deps: Deps, who: Sequence[str], service: str | None, *, strictly: bool = False) -> ResolvedList:
    """May ask PagerDuty: call it outside a transaction.

    `service` None: nobody is on call. `strictly`: what is older than a minute is not known. Otherwise the last that
    PagerDuty said counts, as long as it cannot be asked.
    """
    if service is None or not any(map(access.is_on_call, who)):
        return ResolvedList(tuple(who))
    told = await ask(deps, who, service, strictly=strictly)
    async with deps.database.reading() as tx:
        return await opened(deps, tx, who, service, told, strictly=strictly)


async def ask(deps: Deps, who: Sequence[str], service: str, *, strictly: bool = False) -> ScheduleAnswers:
    """Outside a transaction, before the list can be applied."""
    wanted = []
    async with deps.database.reading() as tx:
        for level in levels_in(deps, who, service):
            held = await _on_call(deps, tx, service, level, deps.clock.now(), strictly=strictly)
            wanted += [held.schedule] if held.schedule else []
    return {schedule: await _schedule(deps, schedule, strictly=strictly) for schedule in dict.fromkeys(wanted)}


async def opened(
    deps: Deps, tx: Tx, who: Sequence[str], service: str, told: ScheduleAnswers, *, strictly: bool = False
) -> ResolvedList:
    holders, unavailable = {}, []
    for entry in filter(access.is_on_call, who):
        level = deps.catalogue.service_or_default(service).level(entry)
        if level is None:
            continue
        held = await holding(deps, tx, service, level, told, strictly=strictly)
        if strictly and held.schedule and not held.schedule.is_fresh:
            unavailable.append(entry)
        else:
            holders[entry] = held.who
    return ResolvedList(access.with_on_call(who, holders), tuple(unavailable))


async def holding(
    deps: Deps,
    tx: Tx,
    service: str,
    level: Level,
    told: ScheduleAnswers,
    *,
    at: datetime | None = None,
    strictly: bool = False,
) -> OnCallNow:
    """Of PagerDuty only now is known."""
    held = await _on_call(deps, tx, service, level, at or deps.clock.now(), strictly=strictly)
    if held.schedule is None:
        return OnCallNow(held.who, held)
    schedule = told.get(held.schedule, Schedule())
    return OnCallNow(schedule.users, held, schedule)


async def _on_call(deps: Deps, tx: Tx, service: str, level: Level, at: datetime, *, strictly: bool = False) -> OnCall:
    taken = await store.of_level(tx, service_key(deps, service), level.key, since=at)
    if strictly and taken:
        trusted = await _trusted(deps, tx, service)
        taken = [one for one in taken if trusted is None or one.person in trusted]
    return rules.on_call(level, at, [one.override for one in taken])


async def _trusted(deps: Deps, tx: Tx, service: str) -> set[str] | None:
    """Who may decide as the one on call after an override made in Slack; None: everybody.

    Taking over needs no more than `respond`, so it alone makes nobody an approver: the files must put them on call
    sometime, or let them approve.
    """
    entries = access.flattened(deps.catalogue, trusted_entries(deps, service))
    if "everyone" in entries:
        return None
    groups = [entry for entry in entries if access.GROUP.fullmatch(entry)]
    fresh = await people_store.group_members(tx, groups, since=deps.clock.wall() - STRICT_SECONDS)
    members = (member for group in fresh.values() for member in group)
    return {*(entry for entry in entries if access.USER.fullmatch(entry)), *members}


def trusted_entries(deps: Deps, service: str) -> list[str]:
    levels = deps.catalogue.service_or_default(service).oncall.values()
    rotating = [person for level in levels for rotation in level.rotations for person in rotation.people]
    return [*rotating, *(entry for level in levels for entry in level.who), *deps.catalogue.access.approve]


def service_key(deps: Deps, service: str) -> str:
    return deps.catalogue.service_or_default(service).key


def levels_in(deps: Deps, who: Sequence[str], service: str) -> list[Level]:
    level = deps.catalogue.service_or_default(service).level
    return list(filter(None, map(level, filter(access.is_on_call, who))))


def everybody(deps: Deps, who: Sequence[str], service: str) -> list[str]:
    return [*who, *(entry for level in levels_in(deps, who, service) for entry in level.who)]


async def last_known(deps: Deps, tx: Tx, who: Sequence[str], service: str) -> dict[str, tuple[str, ...]]:
    """Without asking PagerDuty: good enough to be shown."""
    found = {}
    for entry in filter(access.is_on_call, who):
        level = deps.catalogue.service_or_default(service).level(entry)
        held = await _on_call(deps, tx, service, level, deps.clock.now()) if level else None
        if held and held.schedule:
            roster = await store.roster(tx, held.schedule)
            found[entry] = Schedule(roster, False, await _accounts(tx, roster)).users
        elif held:
            found[entry] = held.who
    return found


# --- PagerDuty --------------------------------------------------------------------------------------------------------


async def _schedule(deps: Deps, schedule: str, *, strictly: bool) -> Schedule:
    kept = await _kept(deps, schedule)
    if kept is None or not kept.holds(deps.clock.wall(), seconds=STRICT_SECONDS if strictly else FRESH_SECONDS):
        asked = await _ask(deps, schedule, strictly=strictly)
        return await _matched(deps, asked or kept, is_fresh=asked is not None)
    return await _matched(deps, kept, is_fresh=True)


async def _kept(deps: Deps, schedule: str) -> Roster | None:
    async with deps.database.reading() as tx:
        return await store.roster(tx, schedule)


async def _matched(deps: Deps, roster: Roster | None, *, is_fresh: bool) -> Schedule:
    async with deps.database.reading() as tx:
        return Schedule(roster, is_fresh, await _accounts(tx, roster))


async def _accounts(tx: Tx, roster: Roster | None) -> dict[str, str]:
    addresses = [person.email for person in roster.people if person.email] if roster else []
    return await people_store.by_email(tx, addresses)


async def _ask(deps: Deps, schedule: str, *, strictly: bool) -> Roster | None:
    """None where PagerDuty does not tell now. Several that ask at the same time make one call."""
    known = deps.caches
    is_away = deps.clock.wall() - known.unanswered.get(schedule, 0.0) < AWAY_SECONDS
    if deps.pager is None or (is_away and not strictly):
        return None
    if schedule not in known.asking:
        known.asking[schedule] = asyncio.create_task(_fetch(deps, deps.pager, schedule))
        known.asking[schedule].add_done_callback(lambda _: known.asking.pop(schedule, None))
    found: Roster | None = await asyncio.shield(known.asking[schedule])
    return found


async def _fetch(deps: Deps, pager: Pager, schedule: str) -> Roster | None:
    wall, unanswered = deps.clock.wall(), deps.caches.unanswered
    kept = await _kept(deps, schedule)
    if kept and kept.holds(wall, seconds=STRICT_SECONDS):
        return kept  # somebody else's answer was written down after this one had looked
    try:
        found = Roster(_without_ended(await pager.on_call(schedule), wall), wall)
    except Undeliverable as problem:
        unanswered[schedule] = deps.clock.wall()
        telemetry.get_logger().warning(Event.PAGER_SILENT, schedule=schedule, error=problem.error)
        return None
    unanswered.pop(schedule, None)
    async with deps.database.transaction() as tx:
        await store.save_roster(tx, schedule, found.people, seen_at=wall)
    return found


def _without_ended(people: Sequence[OnPager], wall: float) -> tuple[OnPager, ...]:
    """At a handover PagerDuty names both people."""
    there = tuple(person for person in people if person.until is None or person.until.timestamp() > wall)
    return there or tuple(people)


async def next_by(deps: Deps, schedule: str, at: datetime) -> Schedule | None:
    """None where PagerDuty does not answer."""
    if deps.pager is None:
        return None
    try:
        return await _matched(deps, Roster(await deps.pager.on_call(schedule, at), deps.clock.wall()), is_fresh=True)
    except Undeliverable:
        return None
