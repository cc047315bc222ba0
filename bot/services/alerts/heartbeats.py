"""Heartbeats: each arrival moves a timer, and a timer that comes due means that nothing arrived for too long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.deps import Deps
from bot.domain.alerts import heartbeat as rules
from bot.domain.alerts.alert import HOOK, Status
from bot.domain.alerts.grouping import Message
from bot.domain.outgoing.timer import Timer
from bot.ports import Tx
from bot.queue import timers
from bot.queue.timers import Arming
from bot.store.alerts import heartbeats as store
from bot.store.queue import inbox as inbox_store, workers
from bot.telemetry import Event, get_logger

SILENT = "heartbeat.silent"
AWAY_SECONDS = 15.0  # of wall time without any worker: a worker gives a sign of life every two
BACKLOG = timedelta(seconds=5)  # how long what came and is not worked yet is waited for, again and again


async def heard(deps: Deps, tx: Tx, found: rules.Heard, wall: float) -> None:
    """The silence is counted from when the message is worked, not from `wall`, when it came: old messages after an
    outage miss nobody.
    """
    if not found:
        return
    now = deps.clock.now()
    at = {"first_at": now, "last_at": now, "last_wall": wall}
    await store.heard(
        tx, [{"key": key, "name": alert.name, "labels": dict(alert.labels), **at} for key, (alert, _) in found.items()]
    )
    await _arm(tx, {key: routed.heartbeat.silent_at(now) for key, (_, routed) in found.items() if routed.heartbeat})


async def missed(deps: Deps, tx: Tx, timer: Timer) -> Message | None:
    """None where the catalogue allows more time now, or has no route for it."""
    watch = await store.lock(tx, timer.payload["key"])
    if watch is None or watch.last_at is None:
        return None
    routed = rules.still(deps.catalogue, watch)
    if routed is None or routed.heartbeat is None:
        await store.forget(tx, watch.key)
        why = "no route of the catalogue asks for it"
        get_logger().warning(Event.HEARTBEAT_ENDED, name=watch.name[:200], why=why)
        return None
    later = await _later(deps, tx, timer, watch.last_at, routed.heartbeat.every)
    if later:
        await timers.reschedule(tx, dedupe_key=timer.dedupe_key, due_at=later)
        return None
    absence = rules.absence(watch.name, watch.labels, routed, Status.FIRING)
    return Message([absence.alert], deps.clock.wall(), absence=absence, since=watch.last_at)


async def _later(deps: Deps, tx: Tx, timer: Timer, last_at: datetime, every: timedelta) -> datetime | None:
    """When to look again; None where the heartbeat is missed."""
    now, silent_at = deps.clock.now(), last_at + every
    if silent_at > now and not timer.payload.get("again"):
        return silent_at
    is_behind = await inbox_store.any_open(tx, HOOK, before=silent_at, wall=deps.clock.wall())
    return now + BACKLOG if is_behind and now < silent_at + every else None


async def came_back(deps: Deps) -> None:
    """Gives every awaited heartbeat its whole time again after an outage of all workers, once until it is heard."""
    async with deps.database.reading() as tx:
        last = await workers.newest(tx)
        waiting = await store.pending(tx, SILENT)
    if not waiting or (last is not None and deps.clock.wall() - last <= AWAY_SECONDS):
        return
    async with deps.database.transaction() as tx:
        waiting = await store.pending(tx, SILENT)
        watches = await store.find_all(tx, [key for key, payload in waiting.items() if not payload.get("again")])
        ways = [(watch.key, rules.still(deps.catalogue, watch)) for watch in watches]
        now = deps.clock.now()
        due = {key: routed.heartbeat.silent_at(now) for key, routed in ways if routed and routed.heartbeat}
        await _arm(tx, due, again=True)


async def _arm(tx: Tx, due: Mapping[str, datetime], *, again: bool = False) -> None:
    more = {"again": True} if again else {}
    armings = [Arming(SILENT, key, at, f"{SILENT}:{key}", {"key": key, **more}) for key, at in sorted(due.items())]
    await timers.arm_all(tx, armings)
