from __future__ import annotations

from datetime import datetime

from bot.deps import Deps
from bot.domain.catalogue.levels import Level, Override
from bot.domain.catalogue.service import Service
from bot.domain.oncall import oncall as rules
from bot.domain.people import access
from bot.ports import Tx
from bot.services.workspace import oncall_now
from bot.services.workspace.oncall_now import OnCallNow
from bot.store.people import oncall as store
from bot.store.people.oncall import Taken
from bot.views.oncall import Shift


async def shifts(deps: Deps, service: Service) -> list[Shift]:
    """May ask PagerDuty."""
    told = await oncall_now.ask(deps, [f"{access.ON_CALL}:{key}" for key in service.oncall], service.key)
    return [await _shift(deps, service, level, told) for level in service.oncall.values()]


async def _shift(deps: Deps, service: Service, level: Level, told: oncall_now.ScheduleAnswers) -> Shift:
    now = deps.clock.now()
    async with deps.database.reading() as tx:
        held = await oncall_now.holding(deps, tx, service.key, level, told)
        overrides = await overrides_of(tx, service.key, level.key, now)
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


async def _shift_there(deps: Deps, level: Level, held: OnCallNow, change: datetime | None) -> Shift:
    """An override that begins before PagerDuty's shift ends comes first."""
    schedule, id_ = held.schedule or oncall_now.Schedule(), held.by.schedule or ""
    ends = deps.clock.from_wall(schedule.until.timestamp()) if schedule.until else None
    following = None
    if schedule.until and schedule.is_fresh and (change is None or (ends and ends < change)):
        following = await oncall_now.next_by(deps, id_, schedule.until)
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


def _source(level: Level, held: OnCallNow) -> str:
    override = held.by.override
    if override:
        return "override in service.yml" if override in level.overrides else "override, made here"
    return "rotation" if level.rotations else "always"


async def overrides_of(tx: Tx, service: str, level: str, since: datetime) -> list[Override]:
    return [one.override for one in await store.of_level(tx, service, level, since=since)]


def level_of(deps: Deps, one: Taken) -> Level | None:
    service = deps.catalogue.services.get(one.service)
    return service.oncall.get(one.level) if service else None
