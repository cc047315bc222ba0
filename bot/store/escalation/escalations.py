"""Statements about climbs. Each keeps the ladder as it was when it began, so that what was promised stays so."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, TextClause, and_, insert, or_, select, text, update

from bot.domain.catalogue.hours import Hours
from bot.domain.catalogue.policy import Ladder, LadderStep, Unless
from bot.domain.errors import Missing
from bot.domain.escalation import escalation as rules
from bot.domain.escalation.escalation import Climb, Due
from bot.ports import Tx
from bot.store.tables.alerts import alert_groups
from bot.store.tables.escalation import climbs
from bot.store.tables.incidents import roles
from bot.store.tables.queue import promises

_OPEN = text("climbs.ended_at is null")  # word for word the partial index


@dataclass(frozen=True)
class Way:
    """A climb as stored: whose, up which ladder, and how far it came."""

    id: int
    subject: str  # ALR-7 | INC-42
    alert_group: int | None
    incident: int | None
    service: str
    ladder: Ladder
    climb: Climb
    begun_by: str
    reached: int | None = None
    ended_at: datetime | None = None
    ended_why: str | None = None

    @property
    def schedule(self) -> tuple[Due, ...]:
        return rules.schedule(self.ladder, self.climb)

    def due(self, position: int) -> Due:
        return next(due for due in self.schedule if due.position == position)

    def climbs(self, service: str, ladder: str) -> bool:
        return (self.service, self.ladder.key) == (service, ladder)


# --- a ladder as JSON ---


def _pinned(ladder: Ladder) -> dict[str, Any]:
    return {"repeat": ladder.repeat, "steps": [_pinned_step(step) for step in ladder.steps]}


def _pinned_step(step: LadderStep) -> dict[str, Any]:
    during = _pinned_hours(step.during) if step.during else None
    row = {"after": step.after.total_seconds(), "notify": list(step.notify), "unless": step.unless.value}
    return {**row, "during": during}


def _pinned_hours(hours: Hours) -> dict[str, Any]:
    opens, closes = hours.opens.total_seconds(), hours.closes.total_seconds()
    return {"name": hours.name, "zone": hours.zone, "opens": opens, "closes": closes, "days": sorted(hours.days)}


def _ladder(key: str, pinned: dict[str, Any]) -> Ladder:
    return Ladder(key, tuple(_step(step) for step in pinned["steps"]), pinned["repeat"])


def _step(row: dict[str, Any]) -> LadderStep:
    during = _hours(row["during"]) if row["during"] else None
    return LadderStep(timedelta(seconds=row["after"]), tuple(row["notify"]), Unless(row["unless"]), during)


def _hours(row: dict[str, Any]) -> Hours:
    opens, closes = timedelta(seconds=row["opens"]), timedelta(seconds=row["closes"])
    return Hours(row["name"], row["zone"], opens, closes, frozenset(row["days"]))


# --- climbs ---


def _way(row: Row[Any]) -> Way:
    return Way(
        id=row.id,
        subject=row.subject,
        alert_group=row.alert_group,
        incident=row.incident,
        service=row.service,
        ladder=_ladder(row.ladder, row.pinned),
        climb=Climb(row.begins_at, row.first, row.by_hand, row.number),
        begun_by=row.begun_by,
        reached=row.reached,
        ended_at=row.ended_at,
        ended_why=row.ended_why,
    )


async def add(
    tx: Tx,
    subject: str,
    ladder: Ladder,
    climb: Climb,
    *,
    service: str,
    begun_by: str,
    alert_group: int | None = None,
    incident: int | None = None,
) -> Way:
    values = {
        "subject": subject,
        "alert_group": alert_group,
        "incident": incident,
        "service": service,
        "ladder": ladder.key,
        "pinned": _pinned(ladder),
        "number": climb.number,
        "begins_at": climb.begins_at,
        "first": climb.first,
        "by_hand": climb.by_hand,
        "begun_by": begun_by,
    }
    return _way((await tx.execute(insert(climbs).returning(climbs), values)).one())


async def find(tx: Tx, number: int) -> Way | None:
    row = (await tx.execute(select(climbs).where(climbs.c.id == number))).one_or_none()
    return _way(row) if row else None


async def get(tx: Tx, number: int) -> Way:
    """Raises Missing."""
    found = await find(tx, number)
    if found is None:
        raise Missing(f"There is no climb {number}.")
    return found


async def latest(tx: Tx, subject: str) -> Way | None:
    """The newest climb, open or not."""
    newest = select(climbs).where(climbs.c.subject == subject).order_by(climbs.c.number.desc()).limit(1)
    row = (await tx.execute(newest)).one_or_none()
    return _way(row) if row else None


async def open_of(tx: Tx, subject: str) -> Way | None:
    found = await latest(tx, subject)
    return found if found and found.ended_at is None else None


def _about(incident: int) -> ColumnElement[bool]:
    """Its own climbs, and those of its alert groups."""
    mine = select(alert_groups.c.id).where(alert_groups.c.incident == incident).scalar_subquery()
    return or_(climbs.c.incident == incident, climbs.c.alert_group.in_(mine))


def _in_order(*where: ColumnElement[bool] | TextClause) -> Select[Any]:
    return select(climbs).where(*where).order_by(climbs.c.id)


async def open_about(tx: Tx, incident: int) -> list[Way]:
    """Every open climb that an incident has a part in."""
    return [_way(row) for row in await tx.execute(_in_order(_OPEN, _about(incident)))]


async def told_by_another(tx: Tx, way: Way, incident: int, position: int) -> str | None:
    """The other climber of the same incident up the same ladder whose step of that position went out."""
    same = and_(climbs.c.service == way.service, climbs.c.ladder == way.ladder.key, climbs.c.subject != way.subject)
    row = (await tx.execute(_in_order(_about(incident), same, climbs.c.reached >= position).limit(1))).first()
    return str(row.subject) if row else None


async def end(tx: Tx, way: Way, *, at: datetime, why: str) -> bool:
    """False where it had ended already."""
    ended = update(climbs).where(climbs.c.id == way.id, _OPEN).values(ended_at=at, ended_why=why)
    return (await tx.execute(ended.returning(climbs.c.id))).first() is not None


async def went_out(tx: Tx, way: Way, position: int) -> None:
    higher = or_(climbs.c.reached.is_(None), climbs.c.reached < position)
    await tx.execute(update(climbs).where(climbs.c.id == way.id, higher).values(reached=position))


# --- what stands beside them ---


async def commander_since(tx: Tx, incident: int) -> datetime | None:
    held = select(roles.c.since).where(roles.c.incident == incident, roles.c.role == "commander")
    since: datetime | None = await tx.scalar(held)
    return since


async def promised(tx: Tx, subject: str, kinds: Collection[str]) -> dict[str, str]:
    """What became of these promises, by their kind: open, kept, released or missed."""
    mine = select(promises.c.kind, promises.c.state)
    rows = await tx.execute(mine.where(promises.c.subject == subject, promises.c.kind.in_(sorted(kinds))))
    return {row.kind: row.state for row in rows}


async def release(tx: Tx, subject: str, kinds: Collection[str], *, at: datetime) -> None:
    """Of these promises, those that are still in time."""
    if kinds:
        mine = update(promises).where(promises.c.subject == subject, promises.c.kind.in_(sorted(kinds)))
        in_time = mine.where(promises.c.state == "open", promises.c.late_at >= at)
        await tx.execute(in_time.values(state="released", settled_at=at))
