"""One grouped query finds every rule of a span of time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Select,
    and_,
    case,
    cast,
    exists,
    extract,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.sql.functions import coalesce

from bot.domain.alerts.noisy_rules import FLAPPING_WITHIN, SOON, Rule
from bot.domain.people.person import BOT
from bot.ports import Tx
from bot.store.tables.alerts import alert_groups as groups
from bot.store.tables.incidents import incidents
from bot.store.tables.queue import timers
from bot.store.tables.runs import runs

AUTOMATION = "automation"
MOST_RULES = 500
_MILLISECOND = timedelta(milliseconds=1)
_DAY_MILLISECONDS = 86_400_000.0


async def rules(tx: Tx, since: datetime, until: datetime) -> list[Rule]:
    """Of the groups that opened from `since` until `until`. What belongs to a private incident is left out."""
    found = await tx.execute(_rules(tx.dialect.name, since, until))
    return [Rule(row[0], row[1], *(int(figure) for figure in row[2:])) for row in found]


def _rules(dialect: str, since: datetime, until: datetime) -> Select[Any]:
    opened = _returns(dialect, since, until).subquery()
    # How often a group returned until then: within the day that ends with its opening.
    in_a_day = func.sum(opened.c.returned).over(
        partition_by=opened.c.key, order_by=opened.c.at, range_=(-(FLAPPING_WITHIN // _MILLISECOND), 0)
    )
    each = select(opened, in_a_day.label("in_a_day")).subquery()
    fired = func.count().label("fired")
    sums = [func.sum(each.c[name]) for name in ("told", "total", "acted", "returned")]
    grouped = select(each.c.service, each.c.name, fired, *sums, func.max(each.c.in_a_day))
    return (
        grouped.group_by(each.c.service, each.c.name)
        .order_by(fired.desc(), each.c.service, each.c.name)
        .limit(MOST_RULES)
    )


def _returns(dialect: str, since: datetime, until: datetime) -> Select[Any]:
    before = func.lag(groups.c.resolved_at).over(partition_by=groups.c.key, order_by=groups.c.id)
    gap = _milliseconds(dialect, groups.c.opened_at) - _milliseconds(dialect, before)
    bothers = groups.c.maintenance.is_(None)  # while somebody works on it nobody is expected to act
    is_private = coalesce(incidents.c.private, literal(False))
    return (
        select(
            groups.c.key,
            groups.c.service,
            groups.c.name,
            groups.c.total,
            _milliseconds(dialect, groups.c.opened_at).label("at"),
            _one(and_(groups.c.has_card, bothers)).label("told"),
            _one(_was_acted_on()).label("acted"),
            _one(and_(gap.between(0, SOON // _MILLISECOND), bothers)).label("returned"),
        )
        .select_from(groups.outerjoin(incidents, incidents.c.id == groups.c.incident))
        .where(groups.c.opened_at >= since, groups.c.opened_at <= until, ~is_private)
    )


def _one(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _was_acted_on() -> ColumnElement[bool]:
    """By a person: the end of its alerts is no action."""
    by_person = runs.c.source != AUTOMATION
    started = exists().where(runs.c.alert_group == groups.c.id, by_person)
    in_incident = exists().where(runs.c.incident == groups.c.incident, by_person)
    return or_(
        groups.c.acknowledged_at.is_not(None),
        and_(groups.c.resolved_by.is_not(None), groups.c.resolved_by != BOT),
        and_(incidents.c.declared_by.is_not(None), incidents.c.declared_by != BOT),
        started,
        and_(groups.c.incident.is_not(None), in_incident),
    )


def _milliseconds(dialect: str, column: ColumnElement[Any]) -> ColumnElement[int]:
    """From an arbitrary start: only differences count."""
    days = func.julianday(column, type_=Float) * _DAY_MILLISECONDS
    seconds = cast(extract("epoch", column), Float) * 1000
    # Rounded: SQLite's days have an error of some microseconds.
    return cast(func.round(seconds if dialect == "postgresql" else days), BigInteger)


async def is_scheduled(tx: Tx, key: str) -> bool:
    return await tx.scalar(select(timers.c.id).where(timers.c.dedupe_key == key)) is not None
