"""Named statements about incidents, their roles, timeline and updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Unpack

from sqlalchemy import Integer, Row, Select, and_, bindparam, func, insert, or_, select, text, update

from bot.domain.errors import Missing
from bot.domain.incidents.incident import Incident, IncidentChanges, IncidentMessages, NewIncident, Placement, Status
from bot.ports import Tx
from bot.store.db.dialect import insert_into, state_is
from bot.store.tables.incidents import incidents, roles
from bot.store.tables.queue import deliveries

_FIELDS = list(incidents.c)
_SLACK = [field.name for field in fields(IncidentMessages)]
# Asked for every message and card: made once, since making a statement costs more than asking it.
NUMBER = bindparam("number", type_=Integer)
_ADD = insert(incidents).returning(*_FIELDS)
_SAME_WORDS = (
    select(*_FIELDS)
    .where(
        incidents.c.declared_by == bindparam("person"),
        incidents.c.service == bindparam("named"),
        incidents.c.declared_wall > bindparam("since_wall"),
        incidents.c.title == bindparam("words"),
    )
    .order_by(incidents.c.id.desc())
    .limit(1)
)
_ONE = select(*_FIELDS).where(incidents.c.id == NUMBER)
_ONE_LOCKED = _ONE.with_for_update()
_ROLES = select(roles.c.role, roles.c.person).where(roles.c.incident == NUMBER)
_OPEN = text("incidents.status not in ('resolved','closed')")  # word for word the partial index


def _incident(row: Row[Any]) -> Incident:
    values = dict(row._mapping)
    values["status"] = Status(values["status"])
    values["placement"] = Placement(values["placement"])
    values["slack"] = IncidentMessages(**{name: values.pop(name) for name in _SLACK})
    return Incident(**values)


# --- incidents ---


async def add(tx: Tx, new: NewIncident) -> Incident:
    values = {**vars(new), **vars(new.slack)}
    del values["slack"]
    return _incident((await tx.execute(_ADD, values)).one())


async def find(tx: Tx, number: int) -> Incident | None:
    row = (await tx.execute(_ONE, {"number": number})).one_or_none()
    return _incident(row) if row else None


async def get(tx: Tx, number: int) -> Incident:
    """Raises Missing."""
    found = await find(tx, number)
    if found is None:
        raise Missing(f"There is no INC-{number}. `/incident list all` shows what there is.")
    return found


async def lock(tx: Tx, number: int) -> Incident:
    """The incident, held until the transaction ends: whatever is written about it is written in one order."""
    row = (await tx.execute(_ONE_LOCKED, {"number": number})).one_or_none()
    if row is None:
        raise Missing(f"There is no INC-{number}. `/incident list all` shows what there is.")
    return _incident(row)


async def change(tx: Tx, number: int, **values: Unpack[IncidentChanges]) -> Incident:
    changed = update(incidents).where(incidents.c.id == number).values(values).returning(*_FIELDS)
    return _incident((await tx.execute(changed)).one())


async def living_in(tx: Tx, channel: str, thread: str | None) -> Incident | None:
    """The newest incident whose channel this is, or under whose card this thread hangs."""
    mine = incidents.c.channel == channel
    if thread:
        mine = or_(mine, and_(incidents.c.announce_channel == channel, incidents.c.announce_ts == thread))
    row = (await tx.execute(select(*_FIELDS).where(mine).order_by(incidents.c.id.desc()).limit(1))).one_or_none()
    return _incident(row) if row else None


async def declared_just_now(tx: Tx, person: str, service: str, title: str, since_wall: float) -> Incident | None:
    """The same person's incident of the same title and service, declared after `since_wall` (epoch seconds)."""
    asked = {"person": person, "named": service, "words": title, "since_wall": since_wall}
    row = (await tx.execute(_SAME_WORDS, asked)).one_or_none()
    return _incident(row) if row else None


async def open_ones(tx: Tx, limit: int = 20) -> list[Incident]:
    """Worst first, then oldest."""
    query = select(*_FIELDS).where(_OPEN).order_by(incidents.c.rank, incidents.c.id).limit(limit)
    return [_incident(row) for row in await tx.execute(query)]


async def open_of_service(tx: Tx, service: str) -> list[Incident]:
    query = select(*_FIELDS).where(_OPEN, incidents.c.service == service).order_by(incidents.c.id)
    return [_incident(row) for row in await tx.execute(query)]


async def count_open(tx: Tx) -> int:
    return (await tx.execute(select(func.count()).select_from(incidents).where(_OPEN))).scalar_one()


async def newest(tx: Tx, limit: int = 20) -> list[Incident]:
    query = select(*_FIELDS).order_by(incidents.c.id.desc()).limit(limit)
    return [_incident(row) for row in await tx.execute(query)]


async def of_person(tx: Tx, person: str, limit: int = 20) -> list[Incident]:
    """Not closed ones in which the person declared or holds a role, newest first."""
    not_closed = incidents.c.status != Status.CLOSED.value
    # Two short looks at an index each: one condition for both would read every incident there is.
    declared = select(incidents.c.id).where(incidents.c.declared_by == person, not_closed)
    declared = declared.order_by(incidents.c.id.desc()).limit(limit)
    holding = select(roles.c.incident).where(roles.c.person == person)
    mine = or_(incidents.c.id.in_(declared.scalar_subquery()), incidents.c.id.in_(holding))
    query = select(*_FIELDS).where(mine, not_closed).order_by(incidents.c.id.desc()).limit(limit)
    return [_incident(row) for row in await tx.execute(query)]


async def postmortems_due(tx: Tx, person: str, limit: int = 10) -> list[Incident]:
    """Resolved incidents whose post-mortem this person, as commander or declarer, still owes."""
    commanding = select(roles.c.incident).where(roles.c.person == person, roles.c.role == "commander")
    query = (
        select(*_FIELDS)
        .where(
            incidents.c.postmortem_due_at.is_not(None),
            incidents.c.postmortem_done_at.is_(None),
            or_(incidents.c.id.in_(commanding), incidents.c.declared_by == person),
        )
        .order_by(incidents.c.postmortem_due_at)
        .limit(limit)
    )
    return [_incident(row) for row in await tx.execute(query)]


def _search(filters: Mapping[str, Sequence[str]]) -> Select[Any]:
    query = select(*_FIELDS)
    for name, wanted in filters.items():
        query = query.where(incidents.c[name].in_(list(wanted)))
    return query.order_by(incidents.c.id.desc())


async def search(tx: Tx, filters: Mapping[str, Sequence[str]], limit: int = 100) -> list[Incident]:
    """By column name to the values allowed, newest first; private ones never."""
    query = _search(filters).where(incidents.c.private.is_(False)).limit(limit)
    return [_incident(row) for row in await tx.execute(query)]


# --- roles ---


async def roles_of(tx: Tx, number: int) -> dict[str, str]:
    """role -> person"""
    held: dict[str, str] = {row.role: row.person for row in await tx.execute(_ROLES, {"number": number})}
    return {role: held[role] for role in ("commander", "comms", "ops", "scribe") if role in held}


async def roles_of_many(tx: Tx, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {number: {} for number in numbers}
    for row in await tx.execute(select(roles).where(roles.c.incident.in_(list(numbers)))):
        found[row.incident][row.role] = row.person
    return found


async def take_role(tx: Tx, number: int, role: str, person: str, at: datetime) -> bool:
    """True for whoever was first; the one who holds it stays."""
    statement = insert_into(tx, roles).values(incident=number, role=role, person=person, since=at)
    # Not rowcount: what an INSERT reports there depends on the driver.
    written = await tx.execute(statement.on_conflict_do_nothing().returning(roles.c.person))
    return written.one_or_none() is not None


async def give_role(tx: Tx, number: int, role: str, person: str, at: datetime) -> None:
    """Whoever held it, now it is this person's."""
    if not await take_role(tx, number, role, person, at):
        held = and_(roles.c.incident == number, roles.c.role == role)
        await tx.execute(update(roles).where(held).values(person=person, since=at))


# --- cards ---


async def is_refused(tx: Tx, dedupe_key: str) -> bool:
    """Whether the delivery of that key was given up."""
    query = select(deliveries.c.id).where(deliveries.c.dedupe_key == dedupe_key, state_is(deliveries, "failed"))
    return (await tx.execute(query)).first() is not None


# --- timeline ---


# --- updates ---
