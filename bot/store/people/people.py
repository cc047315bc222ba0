from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Table, bindparam, func, select

from bot.domain.people.person import Kind, Person
from bot.ports import Tx
from bot.store.db.dialect import insert_into
from bot.store.db.rows import read_all, read_first, reader
from bot.store.tables.people import groups, people


@dataclass(frozen=True)
class KnownPerson:
    """`seen_at`: when Slack last described the person, in epoch seconds of wall time."""

    person: Person
    seen_at: float


_person = reader(Person, kind=Kind)
_ONE = select(people).where(people.c.id == bindparam("person"))


async def find(tx: Tx, person: str) -> KnownPerson | None:
    return await read_first(tx, _ONE, _known, {"person": person})


async def find_all(tx: Tx, ids: Sequence[str]) -> list[Person]:
    return await read_all(tx, select(people).where(people.c.id.in_(ids)), _person)


async def by_email(tx: Tx, addresses: Sequence[str]) -> dict[str, str]:
    """By address in lower case, members only; of several with one address, the last seen."""
    wanted = {address.lower() for address in addresses}
    members = select(people.c.id, people.c.email).where(
        func.lower(people.c.email).in_(wanted), people.c.kind == Kind.MEMBER.value
    )
    rows = await tx.execute(members.order_by(people.c.seen_at, people.c.id)) if wanted else ()
    return {row.email.lower(): row.id for row in rows}


async def save(tx: Tx, persons: Sequence[Person], *, team: str | None, seen_at: float) -> None:
    rows = [
        {
            "id": person.id,
            "team": team,
            "name": person.name,
            "email": person.email,
            "tz": person.tz,
            "kind": person.kind.value,
            "seen_at": seen_at,
        }
        for person in persons
    ]
    await upsert(tx, people, "id", rows)


async def group_members(tx: Tx, ids: Sequence[str], *, since: float = 0.0) -> dict[str, frozenset[str]]:
    """Where they were read at or after `since` (epoch seconds)."""
    fresh = select(groups.c.id, groups.c.members).where(groups.c.id.in_(ids), groups.c.seen_at >= since)
    return {group: frozenset(members) for group, members in await tx.execute(fresh)}


async def save_group(tx: Tx, group: str, members: Sequence[str], *, seen_at: float) -> None:
    await upsert(tx, groups, "id", [{"id": group, "members": sorted(members), "seen_at": seen_at}])


async def upsert(tx: Tx, table: Table, key: str, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = insert_into(tx, table)
    changes = {name: statement.excluded[name] for name in rows[0] if name != key}
    await tx.execute(statement.on_conflict_do_update(index_elements=[key], set_=changes), list(rows))


def _known(row: Row[Any]) -> KnownPerson:
    return KnownPerson(_person(row), row.seen_at)
