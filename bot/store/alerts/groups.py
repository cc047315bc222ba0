from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Unpack

from sqlalchemy import ColumnElement, Row, Select, bindparam, case, func, insert, select, text, update

from bot.domain.alerts.alert import Links, Status
from bot.domain.alerts.group import AlertGroup, AlertGroupChanges, Kept, LastKnown, NewAlertGroup, Single
from bot.domain.alerts.grouping import Entry, OwnSilence
from bot.ports import Tx
from bot.store.db.dialect import Insert, Inserting
from bot.store.db.rows import or_missing, read_all, read_first, read_one, reader
from bot.store.tables.alerts import alert_groups as groups, alert_marks as marks, alerts
from bot.store.tables.incidents import incidents

OPEN = text("alert_groups.status = 'firing'")  # word for word the partial index


def _labels(kept: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in kept)


group = reader(AlertGroup, status=Status, labels=_labels, why=tuple, noticed=tuple)


# --- groups -----------------------------------------------------------------------------------------------------------


async def find(tx: Tx, number: int) -> AlertGroup | None:
    return await read_first(tx, select(groups).where(groups.c.id == number), group)


async def get(tx: Tx, number: int) -> AlertGroup:
    """Raises Missing."""
    return _there(await find(tx, number), number)


async def lock(tx: Tx, number: int) -> AlertGroup:
    its = select(groups).where(groups.c.id == number).with_for_update()
    return _there(await read_first(tx, its, group), number)


def _there(found: AlertGroup | None, number: int) -> AlertGroup:
    return or_missing(found, f"There is no ALR-{number}. The cards in the alerts channel name those that there are.")


async def at_place(tx: Tx, channel: str, ts: str) -> AlertGroup | None:
    return await read_first(tx, select(groups).where(groups.c.channel == channel, groups.c.ts == ts), group)


async def open_of(tx: Tx, keys: Collection[str]) -> dict[str, AlertGroup]:
    mine = select(groups).where(OPEN, groups.c.key.in_(sorted(keys))).order_by(groups.c.id).with_for_update()
    return {one.key: one for one in await read_all(tx, mine, group)}


async def locked(tx: Tx, numbers: Collection[int]) -> dict[int, AlertGroup]:
    mine = select(groups).where(groups.c.id.in_(sorted(numbers))).order_by(groups.c.id).with_for_update()
    return {one.id: one for one in await read_all(tx, mine, group)} if numbers else {}


async def nobody_on(tx: Tx, now: datetime, limit: int) -> list[AlertGroup]:
    return await unattended(tx, now, limit, groups.c.has_card, groups.c.maintenance.is_(None))


async def unattended(tx: Tx, now: datetime, limit: int, *among: ColumnElement[bool]) -> list[AlertGroup]:
    is_awake = groups.c.silenced_until.is_(None) | (groups.c.silenced_until <= now)
    free = select(groups).where(OPEN, groups.c.acknowledged_at.is_(None), is_awake, *among)
    return await read_all(tx, free.order_by(groups.c.rank, groups.c.id).limit(limit), group)


async def silenced_alone(tx: Tx, now: datetime, limit: int) -> list[AlertGroup]:
    alone = select(groups).where(OPEN, groups.c.silence.is_(None), groups.c.silenced_until > now)
    return await read_all(tx, alone.order_by(groups.c.silenced_until, groups.c.id).limit(limit), group)


async def own_silences(tx: Tx, keys: Collection[str], now: datetime) -> dict[str, OwnSilence]:
    """By key. Of several groups of a key the newest counts, open or not."""
    newest = select(func.max(groups.c.id)).where(groups.c.key.in_(sorted(keys))).group_by(groups.c.key)
    own = select(groups.c.key, groups.c.silenced_until, groups.c.silenced_by).where(groups.c.id.in_(newest))
    rows = await tx.execute(own.where(groups.c.silenced_until > now, groups.c.silence.is_(None)))
    return {row.key: OwnSilence(row.silenced_until, row.silenced_by) for row in rows}


# What is added is told apart by what it says: SQLite takes row by row what is to come back in order.
_ADD = insert(groups).returning(groups.c.key, groups.c.id)


async def add_all(tx: Tx, new: Sequence[NewAlertGroup]) -> list[AlertGroup]:
    if not new:
        return []
    rows = await tx.execute(_ADD, [{**vars(one), "status": one.status.value} for one in new])
    number = {row.key: row.id for row in rows}
    return [AlertGroup(id=number[one.key], **vars(one)) for one in new]


async def change(tx: Tx, number: int, **values: Unpack[AlertGroupChanges]) -> AlertGroup:
    changed = update(groups).where(groups.c.id == number).values(values).returning(groups)
    return await read_one(tx, changed, group)


_CHANGING = (
    *("since", "severity", "rank", "why", "escalation_policy", "has_card"),
    *("status", "resolved_at", "resolved_by", "firing", "total", "left_out"),
)
_CHANGE = (
    update(groups)
    .where(groups.c.id == bindparam("number"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGING})
)


async def change_all(tx: Tx, changed: Collection[AlertGroup]) -> None:
    rows = [{"number": one.id, **{f"new_{name}": getattr(one, name) for name in _CHANGING}} for one in changed]
    if rows:
        await tx.execute(_CHANGE, rows)


async def of_incident(tx: Tx, incident: int) -> list[AlertGroup]:
    mine = select(groups).where(OPEN, groups.c.incident == incident).order_by(groups.c.id)
    return await read_all(tx, mine, group)


async def belonging(tx: Tx, incident: int, limit: int) -> list[AlertGroup]:
    is_over = case((groups.c.status == Status.FIRING.value, 0), else_=1)
    mine = select(groups).where(groups.c.incident == incident).order_by(is_over, groups.c.id).limit(limit)
    return await read_all(tx, mine, group)


async def open_numbers(tx: Tx, *among: ColumnElement[bool]) -> list[int]:
    mine = select(groups.c.id).where(OPEN, *among).order_by(groups.c.rank, groups.c.id)
    return list((await tx.execute(mine)).scalars())


async def open_incident_of(tx: Tx, key: str) -> int | None:
    """None where the key's newest incident is over, even if an older one is open."""
    declared = select(groups.c.incident).where(groups.c.key == key, groups.c.incident.is_not(None))
    newest = declared.order_by(groups.c.id.desc()).limit(1)
    working = select(incidents.c.id).where(
        incidents.c.id == newest.scalar_subquery(), incidents.c.status.not_in(("resolved", "closed"))
    )
    return (await tx.execute(working)).scalar()


# --- alerts -----------------------------------------------------------------------------------------------------------


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
    """By fingerprint: the newest alert that has it, as its own or as a mark."""
    return {row.mark: _kept(row) for row in await tx.execute(_KEPT, {"wanted": sorted(fingerprints)})}


def _kept(row: Row[Any]) -> Kept:
    known = LastKnown(Status(row.status), row.starts_at, row.said_at, row.settled_wall)
    return Kept(row.id, row.alert_group, row.group_status == Status.FIRING.value, known, row.labels)


async def keep(tx: Tx, entries: Sequence[Entry], homes: Mapping[str, int], now: datetime) -> None:
    """`homes`: the group of a key."""
    new = [entry for entry in entries if entry.kept is None]
    added_rows = await tx.execute(_ADD_ALERTS, [_row(one, homes, now) for one in new]) if new else ()
    added = {row.fingerprint: row.id for row in added_rows}
    said = [(entry.kept.id if entry.kept else added[entry.alert.fingerprint], entry) for entry in entries]
    old = [(number, entry) for number, entry in said if entry.kept]
    if changed := [_changed(number, _row(entry, homes, now)) for number, entry in old if entry.is_changed]:
        await tx.execute(_CHANGE_ALERTS, changed)
    if again := [{"number": number, "more": one.times, "at": now} for number, one in old if not one.is_changed]:
        await tx.execute(_HEARD_AGAIN, again)
    if marked := {name: number for number, entry in said for name in entry.marks}:
        rows = [{"fingerprint": name, "alert": number} for name, number in sorted(marked.items())]
        await tx.execute(_MARK.on(tx), rows)


_ADD_ALERTS = insert(alerts).returning(alerts.c.fingerprint, alerts.c.id)
_KEEPING = (
    *("alert_group", "status", "name", "labels", "annotations", "links", "extra"),
    *("starts_at", "ends_at", "said_at", "last_at", "resolved_at", "settled_wall"),
)
_HERE = update(alerts).where(alerts.c.id == bindparam("number"))
_MORE = {"times": alerts.c.times + bindparam("more")}
_CHANGE_ALERTS = _HERE.values({name: bindparam(f"new_{name}") for name in _KEEPING} | _MORE)
_HEARD_AGAIN = _HERE.values(_MORE | {"last_at": bindparam("at")})


def _or_mark(statement: Insert) -> Any:
    return statement.on_conflict_do_update(
        index_elements=[marks.c.fingerprint], set_={"alert": statement.excluded.alert}
    )


_MARK = Inserting(marks, _or_mark)


def _row(entry: Entry, homes: Mapping[str, int], now: datetime) -> dict[str, Any]:
    alert, is_over = entry.alert, entry.last.status is Status.RESOLVED
    return {
        "alert_group": homes[entry.key] if entry.key else entry.kept and entry.kept.group,
        "fingerprint": alert.fingerprint,
        "source": alert.source[:64],
        "status": entry.last.status.value,
        "name": alert.name,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "links": asdict(alert.links),
        "extra": dict(alert.extra),
        "starts_at": entry.last.starts_at,
        "ends_at": alert.ends_at if is_over else None,
        "said_at": entry.last.said_at,
        "first_at": now,
        "last_at": now,
        "resolved_at": now if is_over else None,
        "settled_wall": entry.last.settled_wall,
        "times": entry.times,
    }


def _changed(number: int, row: dict[str, Any]) -> dict[str, Any]:
    return {"number": number, "more": row["times"], **{f"new_{name}": row[name] for name in _KEEPING}}


async def end_all(tx: Tx, group: int, *, at: datetime, wall: float) -> None:
    firing = update(alerts).where(alerts.c.alert_group == group, alerts.c.status == Status.FIRING.value)
    await tx.execute(firing.values(status=Status.RESOLVED.value, resolved_at=at, settled_wall=wall))


async def singles(tx: Tx, group: int, limit: int) -> list[Single]:
    over = case((alerts.c.status == Status.FIRING.value, 0), else_=1)
    mine = select(alerts).where(alerts.c.alert_group == group).order_by(over, alerts.c.id.desc()).limit(limit)
    return await read_all(tx, mine, _single)


def _links(kept: Mapping[str, Any]) -> Links:
    return Links(**kept)


_single = reader(Single, status=Status, links=_links)
