from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Unpack

from sqlalchemy import Integer, Row, and_, bindparam, insert, or_, select, text, update

from bot.domain.incidents.incident import Incident, IncidentChanges, IncidentMessages, NewIncident, Placement, Status
from bot.ports import Tx
from bot.store.db.dialect import insert_into
from bot.store.db.rows import or_missing, read_all, read_first, read_one
from bot.store.tables.incidents import incidents, roles

_FIELDS = list(incidents.c)
_SELECT = select(*_FIELDS)
_SLACK = [field.name for field in fields(IncidentMessages)]
# Asked for every message and card: made once, since making a statement costs more than asking it.
NUMBER = bindparam("number", type_=Integer)
_ADD = insert(incidents).returning(*_FIELDS)
_SAME_WORDS = (
    _SELECT.where(
        incidents.c.declared_by == bindparam("person"),
        incidents.c.service == bindparam("named"),
        incidents.c.declared_wall > bindparam("since_wall"),
        incidents.c.title == bindparam("words"),
    )
    .order_by(incidents.c.id.desc())
    .limit(1)
)
_ONE = _SELECT.where(incidents.c.id == NUMBER)
_ONE_LOCKED = _ONE.with_for_update()
_ROLES = select(roles.c.role, roles.c.person).where(roles.c.incident == NUMBER)
_OPEN = text("incidents.status not in ('resolved','closed')")  # word for word the partial index


def _incident(row: Row[Any]) -> Incident:
    values = {**row._mapping, "status": Status(row.status), "placement": Placement(row.placement)}
    slack = IncidentMessages(**{name: values.pop(name) for name in _SLACK})
    return Incident(**values, slack=slack)


# --- incidents ---


async def add(tx: Tx, new: NewIncident) -> Incident:
    values = {**vars(new), **vars(new.slack)}
    del values["slack"]
    return _incident((await tx.execute(_ADD, values)).one())


async def find(tx: Tx, number: int) -> Incident | None:
    return await read_first(tx, _ONE, _incident, {"number": number})


async def get(tx: Tx, number: int) -> Incident:
    """Raises Missing."""
    return _there(await find(tx, number), number)


async def lock(tx: Tx, number: int) -> Incident:
    """Whatever is written about an incident is written in one order. Raises Missing."""
    return _there(await read_first(tx, _ONE_LOCKED, _incident, {"number": number}), number)


def _there(found: Incident | None, number: int) -> Incident:
    return or_missing(found, f"There is no INC-{number}. `/incident list all` shows what there is.")


async def change(tx: Tx, number: int, **values: Unpack[IncidentChanges]) -> Incident:
    changed = update(incidents).where(incidents.c.id == number).values(values).returning(*_FIELDS)
    return await read_one(tx, changed, _incident)


async def living_in(tx: Tx, channel: str, thread: str | None) -> Incident | None:
    mine = incidents.c.channel == channel
    if thread:
        mine = or_(mine, and_(incidents.c.announce_channel == channel, incidents.c.announce_ts == thread))
    return await read_first(tx, _SELECT.where(mine).order_by(incidents.c.id.desc()).limit(1), _incident)


async def declared_just_now(tx: Tx, person: str, service: str, title: str, since_wall: float) -> Incident | None:
    """`since_wall`: epoch seconds."""
    asked = {"person": person, "named": service, "words": title, "since_wall": since_wall}
    return await read_first(tx, _SAME_WORDS, _incident, asked)


async def open_ones(tx: Tx, limit: int = 20) -> list[Incident]:
    return await read_all(tx, _SELECT.where(_OPEN).order_by(incidents.c.rank, incidents.c.id).limit(limit), _incident)


async def open_of_service(tx: Tx, service: str) -> list[Incident]:
    return await read_all(tx, _SELECT.where(_OPEN, incidents.c.service == service).order_by(incidents.c.id), _incident)


async def newest(tx: Tx, limit: int = 20) -> list[Incident]:
    return await read_all(tx, _SELECT.order_by(incidents.c.id.desc()).limit(limit), _incident)


async def of_person(tx: Tx, person: str, limit: int = 20) -> list[Incident]:
    not_closed = incidents.c.status != Status.CLOSED.value
    # Two short looks at an index each: one condition for both would read every incident there is.
    declared = (
        select(incidents.c.id)
        .where(incidents.c.declared_by == person, not_closed)
        .order_by(incidents.c.id.desc())
        .limit(limit)
    )
    holding = select(roles.c.incident).where(roles.c.person == person)
    mine = or_(incidents.c.id.in_(declared.scalar_subquery()), incidents.c.id.in_(holding))
    newest = _SELECT.where(mine, not_closed).order_by(incidents.c.id.desc()).limit(limit)
    return await read_all(tx, newest, _incident)


async def postmortems_due(tx: Tx, person: str, limit: int = 10) -> list[Incident]:
    commanding = select(roles.c.incident).where(roles.c.person == person, roles.c.role == "commander")
    owed = _SELECT.where(
        incidents.c.postmortem_due_at.is_not(None),
        incidents.c.postmortem_done_at.is_(None),
        or_(incidents.c.id.in_(commanding), incidents.c.declared_by == person),
    )
    return await read_all(tx, owed.order_by(incidents.c.postmortem_due_at).limit(limit), _incident)


async def search(tx: Tx, filters: Mapping[str, Sequence[str]], limit: int = 100) -> list[Incident]:
    """`filters`: column name to the values allowed. Private incidents never."""
    wanted = (incidents.c[name].in_(list(values)) for name, values in filters.items())
    public = _SELECT.where(*wanted, incidents.c.private.is_(False))
    return await read_all(tx, public.order_by(incidents.c.id.desc()).limit(limit), _incident)


# --- roles ---


async def roles_of(tx: Tx, number: int) -> dict[str, str]:
    held: dict[str, str] = {row.role: row.person for row in await tx.execute(_ROLES, {"number": number})}
    return {role: held[role] for role in ("commander", "comms", "ops", "scribe") if role in held}


async def roles_of_many(tx: Tx, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {number: {} for number in numbers}
    for row in await tx.execute(select(roles).where(roles.c.incident.in_(list(numbers)))):
        found[row.incident][row.role] = row.person
    return found


async def take_role(tx: Tx, number: int, role: str, person: str, at: datetime) -> bool:
    """False where somebody holds it already."""
    taking = insert_into(tx, roles).values(incident=number, role=role, person=person, since=at)
    # Not rowcount: what an INSERT reports there depends on the driver.
    return await tx.scalar(taking.on_conflict_do_nothing().returning(roles.c.person)) is not None


async def give_role(tx: Tx, number: int, role: str, person: str, at: datetime) -> None:
    if not await take_role(tx, number, role, person, at):
        held = and_(roles.c.incident == number, roles.c.role == role)
        await tx.execute(update(roles).where(held).values(person=person, since=at))
