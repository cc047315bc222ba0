"""Alerts joined to their groups in one transaction: loaded, classified, saved, followed up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bot.deps import Deps
from bot.domain.alerts import grouping as rules, heartbeat
from bot.domain.alerts.group import AlertGroup, NewAlertGroup
from bot.domain.alerts.grouping import Changes, Entry, GroupChange, Known, Message, Moment
from bot.domain.outgoing.timer import Timer
from bot.domain.people.person import BOT
from bot.ports import Tx
from bot.queue import audit, timers
from bot.queue.timers import Arming
from bot.services.alerts import heartbeats, lifecycle, storms
from bot.services.messaging import refresh
from bot.services.workspace import channels
from bot.store import audit as audit_store
from bot.store.alerts import groups as store, maintenance as maintenance_store, silences as silences_store
from bot.store.db.locks import serialise


async def missing(deps: Deps, tx: Tx, timer: Timer) -> None:
    await serialise(tx, lifecycle.ONE_AT_A_TIME)
    missed = await heartbeats.missed(deps, tx, timer)
    if missed:
        await take(deps, tx, timer.dedupe_key, missed)


async def take(deps: Deps, tx: Tx, key: str, message: Message) -> None:
    """The caller holds ONE_AT_A_TIME. `key` is the message's own."""
    moment = Moment(deps.clock.now(), deps.clock.wall(), deps.clock.from_wall)
    heard = {} if message.absence else heartbeat.arrived(deps.catalogue, message.alerts)
    kept = await store.kept(tx, message.names | {heartbeat.fingerprint(key) for key in heard})
    entries = rules.tell_apart(kept, message, deps.catalogue, heard=heard, wall=moment.wall)
    changes = rules.classify(entries, await _load(deps, tx, entries), message, moment, deps.config.alerts_channel)
    await _follow(deps, tx, key, await _save(deps, tx, changes))
    await heartbeats.heard(deps, tx, heard, message.wall)


async def _load(deps: Deps, tx: Tx, entries: Sequence[Entry]) -> Known:
    """Unchanged by others until this transaction ends."""
    now = deps.clock.now()
    groups = await store.locked(tx, {entry.group for entry in entries if entry.group and (entry.routed or entry.ends)})
    routed = [entry.routed for entry in entries if entry.routed]
    if not routed:
        return Known(groups.values())
    keys = {one.group_key for one in routed}
    groups |= {group.id: group for group in (await store.open_of(tx, keys)).values()}
    silences, windows = await silences_store.in_force(tx, now), await maintenance_store.on(tx, now)
    new = keys - {group.key for group in groups.values()}
    return Known(groups.values(), await store.own_silences(tx, new, now) if new else {}, silences, windows)


@dataclass(frozen=True)
class _Saved:
    change: GroupChange
    group: AlertGroup


async def _save(deps: Deps, tx: Tx, changes: Changes) -> list[_Saved]:
    written = [_written(change) for change in changes.groups]
    added = iter(await store.add_all(tx, [one for one in written if not isinstance(one, AlertGroup)]))
    groups = [one if isinstance(one, AlertGroup) else next(added) for one in written]
    await store.change_all(tx, [one for one in written if isinstance(one, AlertGroup)])
    await store.keep(tx, changes.entries, {one.key: one.id for one in groups}, deps.clock.now())
    return [_Saved(change, group) for change, group in zip(changes.groups, groups, strict=True)]


def _written(change: GroupChange) -> NewAlertGroup:
    group = replace(change.group, channel_name=channels.key_of(change.group.channel_name))
    return replace(group, resolved_by=BOT) if change.is_resolved else group


# --- what follows -----------------------------------------------------------------------------------------------------


async def _follow(deps: Deps, tx: Tx, key: str, saved: Sequence[_Saved]) -> None:
    """Everything but the cards follows by a timer that is due at once."""
    await audit_store.add_all(tx, [deed for one in saved for deed in _deeds(deps, one)])
    await storms.show(deps, tx, [one.group for one in saved if one.change.is_shown])
    for one in saved:
        if one.change.before and not one.change.is_shown:
            await refresh.alert(deps, tx, one.group)
    await timers.arm_all(tx, [arming for one in saved for arming in _armings(deps, key, one)])


def _deeds(deps: Deps, one: _Saved) -> Iterator[dict[str, Any]]:
    if one.change.before is None:
        detail = {"severity": one.group.severity, "service": one.group.service}
        yield audit.row(deps.clock, BOT, "alert.opened", str(one.group), detail)
    if one.change.is_resolved:
        yield audit.row(deps.clock, BOT, "alert.resolved", str(one.group), {})


def _armings(deps: Deps, key: str, one: _Saved) -> Iterator[Arming]:
    change, group, now = one.change, one.group, deps.clock.now()
    if change.before is None and group.is_silenced(now):
        yield lifecycle.end_of_silence(group)
    is_going_on = change.before is not None and not change.is_resolved
    news = lifecycle.News(
        group.id,
        begins=change.begins(now) and lifecycle.leads_on(deps, group),
        is_awake=change.is_awake and is_going_on,
        joined=change.joined if is_going_on and lifecycle.has_incident(deps, group) else 0,
        firing=group.firing,
        is_resolved=change.is_resolved,
    )
    if news:
        yield Arming(lifecycle.FOLLOW, str(group), now, f"{lifecycle.FOLLOW}:{group.id}:{key}", asdict(news))
