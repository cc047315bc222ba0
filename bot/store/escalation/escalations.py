"""Statements about escalations. Each keeps the escalation policy as it was when it began, so that what was promised
stays so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, TextClause, and_, insert, or_, select, text, update

from bot.domain.catalogue.hours import Hours
from bot.domain.catalogue.policy import EscalationPolicy, EscalationStep, Unless
from bot.domain.escalation import escalation as rules
from bot.domain.escalation.escalation import EscalationStart, ScheduledStep
from bot.ports import Tx
from bot.store.db.rows import or_missing, read_all, read_first, read_one
from bot.store.tables.alerts import alert_groups
from bot.store.tables.escalation import escalations
from bot.store.tables.incidents import roles
from bot.store.tables.queue import commitments

_OPEN = text("escalations.ended_at is null")  # word for word the partial index


@dataclass(frozen=True)
class Escalation:
    id: int
    subject: str  # ALR-7 | INC-42
    alert_group: int | None
    incident: int | None
    service: str
    policy: EscalationPolicy
    start: EscalationStart
    begun_by: str
    reached: int | None = None
    ended_at: datetime | None = None
    ended_why: str | None = None

    @property
    def schedule(self) -> tuple[ScheduledStep, ...]:
        return rules.schedule(self.policy, self.start)

    def due(self, position: int) -> ScheduledStep:
        return next(due for due in self.schedule if due.position == position)

    def follows(self, service: str, policy: str) -> bool:
        return (self.service, self.policy.key) == (service, policy)


# --- an escalation policy as JSON ---


def _pinned(policy: EscalationPolicy) -> dict[str, Any]:
    return {"repeat": policy.repeat, "steps": [_pinned_step(step) for step in policy.steps]}


def _pinned_step(step: EscalationStep) -> dict[str, Any]:
    during = _pinned_hours(step.during) if step.during else None
    row = {"after": step.after.total_seconds(), "notify": list(step.notify), "unless": step.unless.value}
    return {**row, "during": during}


def _pinned_hours(hours: Hours) -> dict[str, Any]:
    opens, closes = hours.opens.total_seconds(), hours.closes.total_seconds()
    return {"name": hours.name, "zone": hours.zone, "opens": opens, "closes": closes, "days": sorted(hours.days)}


def _policy(key: str, pinned: dict[str, Any]) -> EscalationPolicy:
    return EscalationPolicy(key, tuple(_step(step) for step in pinned["steps"]), pinned["repeat"])


def _step(row: dict[str, Any]) -> EscalationStep:
    during = _hours(row["during"]) if row["during"] else None
    return EscalationStep(timedelta(seconds=row["after"]), tuple(row["notify"]), Unless(row["unless"]), during)


def _hours(row: dict[str, Any]) -> Hours:
    opens, closes = timedelta(seconds=row["opens"]), timedelta(seconds=row["closes"])
    return Hours(row["name"], row["zone"], opens, closes, frozenset(row["days"]))


# --- escalations ---


def _escalation(row: Row[Any]) -> Escalation:
    return Escalation(
        id=row.id,
        subject=row.subject,
        alert_group=row.alert_group,
        incident=row.incident,
        service=row.service,
        policy=_policy(row.policy, row.pinned),
        start=EscalationStart(row.begins_at, row.first, row.by_hand, row.number),
        begun_by=row.begun_by,
        reached=row.reached,
        ended_at=row.ended_at,
        ended_why=row.ended_why,
    )


async def add(
    tx: Tx,
    subject: str,
    policy: EscalationPolicy,
    start: EscalationStart,
    *,
    service: str,
    begun_by: str,
    alert_group: int | None = None,
    incident: int | None = None,
) -> Escalation:
    values = {
        "subject": subject,
        "alert_group": alert_group,
        "incident": incident,
        "service": service,
        "policy": policy.key,
        "pinned": _pinned(policy),
        "number": start.number,
        "begins_at": start.begins_at,
        "first": start.first,
        "by_hand": start.by_hand,
        "begun_by": begun_by,
    }
    return await read_one(tx, insert(escalations).returning(escalations), _escalation, values)


async def find(tx: Tx, number: int) -> Escalation | None:
    return await read_first(tx, select(escalations).where(escalations.c.id == number), _escalation)


async def get(tx: Tx, number: int) -> Escalation:
    """Raises Missing."""
    return or_missing(await find(tx, number), f"There is no escalation {number}.")


async def latest(tx: Tx, subject: str) -> Escalation | None:
    its = select(escalations).where(escalations.c.subject == subject)
    return await read_first(tx, its.order_by(escalations.c.number.desc()).limit(1), _escalation)


async def open_of(tx: Tx, subject: str) -> Escalation | None:
    found = await latest(tx, subject)
    return found if found and found.ended_at is None else None


def _about(incident: int) -> ColumnElement[bool]:
    mine = select(alert_groups.c.id).where(alert_groups.c.incident == incident).scalar_subquery()
    return or_(escalations.c.incident == incident, escalations.c.alert_group.in_(mine))


def _in_order(*where: ColumnElement[bool] | TextClause) -> Select[Any]:
    return select(escalations).where(*where).order_by(escalations.c.id)


async def open_about(tx: Tx, incident: int) -> list[Escalation]:
    return await read_all(tx, _in_order(_OPEN, _about(incident)), _escalation)


async def notified_by_another(tx: Tx, escalation: Escalation, incident: int, position: int) -> str | None:
    """Another subject of the incident, by the same policy, whose step of that position was sent."""
    same = and_(
        escalations.c.service == escalation.service,
        escalations.c.policy == escalation.policy.key,
        escalations.c.subject != escalation.subject,
    )
    row = (await tx.execute(_in_order(_about(incident), same, escalations.c.reached >= position).limit(1))).first()
    return str(row.subject) if row else None


async def end(tx: Tx, escalation: Escalation, *, at: datetime, why: str) -> bool:
    """False where it was over."""
    ended = update(escalations).where(escalations.c.id == escalation.id, _OPEN).values(ended_at=at, ended_why=why)
    return (await tx.execute(ended.returning(escalations.c.id))).first() is not None


async def mark_sent(tx: Tx, escalation: Escalation, position: int) -> None:
    higher = or_(escalations.c.reached.is_(None), escalations.c.reached < position)
    await tx.execute(update(escalations).where(escalations.c.id == escalation.id, higher).values(reached=position))


# --- what an escalation asks of others ---


async def commander_since(tx: Tx, incident: int) -> datetime | None:
    held = select(roles.c.since).where(roles.c.incident == incident, roles.c.role == "commander")
    return (await tx.execute(held)).scalar()


async def commitment_states(tx: Tx, subject: str, kinds: Collection[str]) -> dict[str, str]:
    mine = select(commitments.c.kind, commitments.c.state)
    rows = await tx.execute(mine.where(commitments.c.subject == subject, commitments.c.kind.in_(sorted(kinds))))
    return {row.kind: row.state for row in rows}


async def cancel_commitments(tx: Tx, subject: str, kinds: Collection[str], *, at: datetime) -> None:
    """Those that are late at `at` stay open."""
    if kinds:
        mine = update(commitments).where(commitments.c.subject == subject, commitments.c.kind.in_(sorted(kinds)))
        in_time = mine.where(commitments.c.state == "open", commitments.c.late_at >= at)
        await tx.execute(in_time.values(state="cancelled", settled_at=at))
