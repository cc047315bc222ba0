"""Statements about alert groups, the alerts in them, and storms of groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, case, func, insert, select, text, update

from bot.domain.alerts.alert import Links, Status
from bot.domain.alerts.group import AlertGroup, LastKnown, Single
from bot.domain.errors import Missing
from bot.ports import Tx
from bot.store.db.dialect import insert_into
from bot.store.tables.alerts import alert_groups as groups
from bot.store.tables.alerts import alert_marks as marks
from bot.store.tables.alerts import alerts
from bot.store.tables.incidents import incidents

OPEN = text("alert_groups.status = 'firing'")  # word for word the partial index


def group(row: Row[Any]) -> AlertGroup:
    values = dict(row._mapping)
    values["status"] = Status(values["status"])
    values["labels"] = tuple((name, value) for name, value in values["labels"])
    values["why"], values["noticed"] = tuple(values["why"]), tuple(values["noticed"])
    return AlertGroup(**values)


# --- groups -----------------------------------------------------------------------------------------------------------


async def find(tx: Tx, number: int) -> AlertGroup | None:
    row = (await tx.execute(select(groups).where(groups.c.id == number))).one_or_none()
    return group(row) if row else None


async def get(tx: Tx, number: int) -> AlertGroup:
    """Raises Missing."""
    return _there(await find(tx, number), number)


async def lock(tx: Tx, number: int) -> AlertGroup:
    """The group, held until the transaction ends. Raises Missing."""
    row = (await tx.execute(select(groups).where(groups.c.id == number).with_for_update())).one_or_none()
    return _there(group(row) if row else None, number)


def _there(found: AlertGroup | None, number: int) -> AlertGroup:
    if found is None:
        raise Missing(f"There is no ALR-{number}. The cards in the alerts channel name those that there are.")
    return found


async def at_place(tx: Tx, channel: str, ts: str) -> AlertGroup | None:
    """The group whose card this message is."""
    here = select(groups).where(groups.c.channel == channel, groups.c.ts == ts)
    row = (await tx.execute(here)).one_or_none()
    return group(row) if row else None


async def open_of(tx: Tx, keys: Collection[str]) -> dict[str, AlertGroup]:
    """The open groups of these keys, held until the transaction ends."""
    mine = select(groups).where(OPEN, groups.c.key.in_(sorted(keys))).order_by(groups.c.id).with_for_update()
    return {row.key: group(row) for row in await tx.execute(mine)}


async def locked(tx: Tx, numbers: Collection[int]) -> dict[int, AlertGroup]:
    mine = select(groups).where(groups.c.id.in_(sorted(numbers))).order_by(groups.c.id).with_for_update()
    return {row.id: group(row) for row in await tx.execute(mine)} if numbers else {}


async def nobody_on(tx: Tx, now: datetime, limit: int) -> list[AlertGroup]:
    """Open groups with a card that nobody acknowledged, silenced or has in maintenance: the worst first."""
    is_awake = groups.c.silenced_until.is_(None) | (groups.c.silenced_until <= now)
    free = select(groups).where(OPEN, groups.c.has_card, groups.c.acknowledged_at.is_(None), is_awake)
    rows = await tx.execute(
        free.where(groups.c.maintenance.is_(None)).order_by(groups.c.rank, groups.c.id).limit(limit)
    )
    return [group(row) for row in rows]


async def silenced_alone(tx: Tx, now: datetime, limit: int) -> list[AlertGroup]:
    """Open groups that are silenced by themselves, not by a silence with matchers: who wakes first stands first."""
    alone = select(groups).where(OPEN, groups.c.silence.is_(None), groups.c.silenced_until > now)
    rows = await tx.execute(alone.order_by(groups.c.silenced_until, groups.c.id).limit(limit))
    return [group(row) for row in rows]


async def latest(tx: Tx, key: str) -> AlertGroup | None:
    """The newest group of that key, open or not."""
    row = (
        await tx.execute(select(groups).where(groups.c.key == key).order_by(groups.c.id.desc()).limit(1))
    ).one_or_none()
    return group(row) if row else None


async def add(tx: Tx, values: Mapping[str, Any]) -> AlertGroup:
    return group((await tx.execute(insert(groups).returning(groups), dict(values))).one())


async def change(tx: Tx, number: int, **values: Any) -> AlertGroup:
    changed = update(groups).where(groups.c.id == number).values(**values).returning(groups)
    return group((await tx.execute(changed)).one())


_COUNTED = (
    update(groups)
    .where(groups.c.id == bindparam("number"))
    .values(firing=bindparam("new_firing"), total=bindparam("new_total"), left_out=bindparam("new_left_out"))
)


async def keep_counts(tx: Tx, counted: Collection[AlertGroup]) -> None:
    """How many alerts of each fire, how many there are, how many were left out."""
    rows = [
        {"number": one.id, "new_firing": one.firing, "new_total": one.total, "new_left_out": one.left_out}
        for one in counted
    ]
    if rows:
        await tx.execute(_COUNTED, rows)


async def of_incident(tx: Tx, incident: int) -> list[AlertGroup]:
    """Those that belong to it and fire still."""
    mine = select(groups).where(OPEN, groups.c.incident == incident).order_by(groups.c.id)
    return [group(row) for row in await tx.execute(mine)]


async def belonging(tx: Tx, incident: int, limit: int) -> list[AlertGroup]:
    """Those that belong to it, also after their end: those that fire still stand first."""
    is_over = case((groups.c.status == Status.FIRING.value, 0), else_=1)
    mine = select(groups).where(groups.c.incident == incident).order_by(is_over, groups.c.id).limit(limit)
    return [group(row) for row in await tx.execute(mine)]


async def open_incident_of(tx: Tx, key: str) -> int | None:
    """The newest incident of groups of that key, while it is worked on."""
    declared = select(groups.c.incident).where(groups.c.key == key, groups.c.incident.is_not(None))
    newest = declared.order_by(groups.c.id.desc()).limit(1)
    working = select(incidents.c.id).where(
        incidents.c.id == newest.scalar_subquery(), incidents.c.status.not_in(("resolved", "closed"))
    )
    return (await tx.execute(working)).scalar()


# --- alerts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """An alert that we have, with what judging the next message about it needs."""

    id: int
    group: int | None
    in_open_group: bool
    known: LastKnown
    labels: Mapping[str, str]


_KEPT: Select[Any] = (
    select(
        marks.c.fingerprint.label("mark"),
        alerts.c.id,
        alerts.c.alert_group,
        alerts.c.status,
        alerts.c.starts_at,
        alerts.c.said_at,
        alerts.c.settled_wall,
        alerts.c.labels,
        groups.c.status.label("group_status"),
    )
    .select_from(
        marks.join(alerts, alerts.c.id == marks.c.alert).outerjoin(groups, groups.c.id == alerts.c.alert_group)
    )
    .where(marks.c.fingerprint.in_(bindparam("wanted", expanding=True)))
)


async def kept(tx: Tx, fingerprints: Collection[str]) -> dict[str, Kept]:
    """The newest alert of each of these fingerprints, its own or one that it also goes by."""
    rows = await tx.execute(_KEPT, {"wanted": sorted(fingerprints)})
    return {row.mark: _kept(row) for row in rows}


def _kept(row: Row[Any]) -> Kept:
    known = LastKnown(Status(row.status), row.starts_at, row.said_at, row.settled_wall)
    return Kept(row.id, row.alert_group, row.group_status == Status.FIRING.value, known, row.labels)


_ADD = insert(alerts).returning(alerts.c.id, sort_by_parameter_order=True)


async def add_all(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Their ids, in the same order."""
    return list((await tx.execute(_ADD, list(rows))).scalars()) if rows else []


CHANGING = (
    *("alert_group", "status", "name", "labels", "annotations", "links", "extra"),
    *("starts_at", "ends_at", "said_at", "last_at", "resolved_at", "settled_wall"),
)
_CHANGE = (
    update(alerts)
    .where(alerts.c.id == bindparam("number"))
    .values({name: bindparam(f"new_{name}") for name in CHANGING} | {"times": alerts.c.times + bindparam("more")})
)


async def change_all(tx: Tx, rows: Mapping[int, Mapping[str, Any]]) -> None:
    """`rows`: id -> new values of CHANGING, and `more`, how many messages spoke of it."""
    if rows:
        await tx.execute(
            _CHANGE,
            [
                {"number": number, "more": row["more"], **{f"new_{name}": row[name] for name in CHANGING}}
                for number, row in sorted(rows.items())
            ],
        )


async def heard_again(tx: Tx, times: Mapping[int, int], at: datetime) -> None:
    """Messages that changed nothing: only that they came is kept."""
    if times:
        again = update(alerts).where(alerts.c.id == bindparam("number"))
        again = again.values(times=alerts.c.times + bindparam("more"), last_at=at)
        await tx.execute(again, [{"number": number, "more": more} for number, more in sorted(times.items())])


async def mark(tx: Tx, names: Mapping[str, int]) -> None:
    """These fingerprints mean these alerts from now on."""
    if names:
        rows = [{"fingerprint": name, "alert": number} for name, number in sorted(names.items())]
        statement = insert_into(tx, marks)
        upsert = statement.on_conflict_do_update(
            index_elements=[marks.c.fingerprint], set_={"alert": statement.excluded.alert}
        )
        await tx.execute(upsert, rows)


@dataclass(frozen=True)
class Count:
    firing: int
    total: int


async def counts(tx: Tx, numbers: Collection[int]) -> dict[int, Count]:
    fires = func.sum(case((alerts.c.status == Status.FIRING.value, 1), else_=0))
    mine = select(alerts.c.alert_group, fires.label("firing"), func.count().label("total"))
    rows = await tx.execute(mine.where(alerts.c.alert_group.in_(sorted(numbers))).group_by(alerts.c.alert_group))
    return {row.alert_group: Count(int(row.firing), int(row.total)) for row in rows}


async def end_all(tx: Tx, group: int, *, at: datetime, wall: float) -> None:
    """Somebody resolved the group: its alerts are over too, until their sender says otherwise."""
    firing = update(alerts).where(alerts.c.alert_group == group, alerts.c.status == Status.FIRING.value)
    await tx.execute(firing.values(status=Status.RESOLVED.value, resolved_at=at, settled_wall=wall))


async def singles(tx: Tx, group: int, limit: int) -> list[Single]:
    """The alerts of a group: those that fire first, then the newest."""
    over = case((alerts.c.status == Status.FIRING.value, 0), else_=1)
    mine = select(alerts).where(alerts.c.alert_group == group).order_by(over, alerts.c.id.desc()).limit(limit)
    return [_single(row) for row in await tx.execute(mine)]


def _single(row: Row[Any]) -> Single:
    return Single(
        id=row.id,
        fingerprint=row.fingerprint,
        status=Status(row.status),
        name=row.name,
        labels=row.labels,
        annotations=row.annotations,
        links=Links(**row.links),
        source=row.source,
        starts_at=row.starts_at,
        resolved_at=row.resolved_at,
        extra=row.extra,
    )


# --- storms -----------------------------------------------------------------------------------------------------------
