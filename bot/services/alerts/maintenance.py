"""Maintenance windows: begun, moved, ended, listed. A service in maintenance keeps its alerts on cards, and no more."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.alerts.maintenance import Window, Wish
from bot.domain.catalogue.service import Service
from bot.domain.errors import Conflict
from bot.domain.outgoing.timer import Timer
from bot.domain.people.person import BOT, Actor
from bot.ports import Tx
from bot.queue import audit, timers, unit_of_work
from bot.services.alerts import announcements, lifecycle
from bot.services.messaging import refresh
from bot.store.alerts import maintenance as store
from bot.store.db.locks import serialise
from bot.store.incidents import incidents as incidents_store
from bot.views import silence as view

OVER = "maintenance.over"
SWEEP = "maintenance.sweep"
SHOWN = 100  # cards that say the new end; whatever changes a card says it too
AT_ONCE = 25  # groups in one transaction: at the end each may declare an incident


async def begin(deps: Deps, wish: Wish, by: Actor) -> tuple[Window, int, bool]:
    """The window, how many groups fire in it, and whether it is new: a window that is on moves to the new end.

    Raises Refused, Unclear.
    """
    async with lifecycle.one_at_a_time(deps, by) as tx:
        service = deps.catalogue.service(wish.service)
        before = await store.of_service(tx, service.key, deps.clock.now())
        window = await _move(deps, tx, before, wish, by) if before else await _begin(deps, tx, service, wish, by)
        await _arm(tx, window)
        total = await _settle(deps, tx, window)
        await _show(deps, tx, window)
        answer = {"text": view.begun(window, service.name, total, is_new=before is None)}
        await unit_of_work.answered(tx, by.key, subject=str(window), answer=answer)
        return window, total, before is None


async def _begin(deps: Deps, tx: Tx, service: Service, wish: Wish, by: Actor) -> Window:
    now = deps.clock.now()
    row = {"service": service.key, "reason": wish.reason, "made_by": by.id, "begins_at": now}
    window = await store.add(tx, row | {"ends_at": now + wish.lasting})
    detail = {"service": service.key, "until": window.ends_at.isoformat(), "reason": window.reason}
    await audit.record(tx, deps.clock, by.id, "maintenance.begun", str(window), **detail)
    await _say(deps, tx, window, view.window_began(window, service.name), "began")
    return window


async def _move(deps: Deps, tx: Tx, window: Window, wish: Wish, by: Actor) -> Window:
    until = deps.clock.now() + wish.lasting
    window = await store.move(tx, window.id, ends_at=until, reason=wish.reason or window.reason)
    await audit.record(tx, deps.clock, by.id, "maintenance.moved", str(window), until=until.isoformat())
    text = view.window_moved(window, _name(deps, window), by.id)
    await _say(deps, tx, window, text, f"moved:{until.isoformat()}")
    for group in await lifecycle.locked(tx, (await store.inside(tx, window))[:SHOWN]):
        await refresh.alert(deps, tx, group)
    return window


async def end(deps: Deps, number: int, by: Actor) -> tuple[Window, int]:
    """The window, and how many groups still fire. Raises Refused, Missing, Conflict."""
    async with lifecycle.one_at_a_time(deps, by) as tx:
        window = await store.lock(tx, number)
        if not window.is_on(deps.clock.now()):
            raise Conflict(f"{window} is over already.")
        await timers.cancel(tx, subject=str(window), kind=OVER)
        return await _end(deps, tx, window, by.id)


async def named(deps: Deps, word: str) -> int:
    """Raises Unclear, Conflict."""
    service = deps.catalogue.service(word)
    async with deps.database.reading() as tx:
        window = await store.of_service(tx, service.key, deps.clock.now())
    if window is None:
        raise Conflict(f"{service.name} is not in maintenance.")
    return window.id


async def on(deps: Deps) -> tuple[list[Window], dict[int, int]]:
    async with deps.database.reading() as tx:
        return list((await store.on(tx, deps.clock.now())).values()), await store.firing_in(tx)


# --- by itself --------------------------------------------------------------------------------------------------------


async def over(deps: Deps, tx: Tx, timer: Timer) -> None:
    await serialise(tx, lifecycle.ONE_AT_A_TIME)
    window = await store.lock(tx, int(timer.payload["window"]))
    if window.ended_at is None and window.ends_at <= deps.clock.now():
        await _end(deps, tx, window, BOT)


async def sweep(deps: Deps, tx: Tx, timer: Timer) -> None:
    await serialise(tx, lifecycle.ONE_AT_A_TIME)
    window = await store.lock(tx, int(timer.payload["window"]))
    await _settle(deps, tx, window, int(timer.payload["sweep"]))


# --- what follows -----------------------------------------------------------------------------------------------------


async def _end(deps: Deps, tx: Tx, window: Window, by: str) -> tuple[Window, int]:
    window = await store.end(tx, window.id, at=deps.clock.now(), by=by)
    await audit.record(tx, deps.clock, by, "maintenance.ended", str(window), service=window.service)
    total = await _settle(deps, tx, window)
    await _say(deps, tx, window, view.window_over(window, _name(deps, window), total), "over")
    await _show(deps, tx, window)
    return window, total


async def _settle(deps: Deps, tx: Tx, window: Window, sweeps: int = 0) -> int:
    """Puts the first AT_ONCE in or out of it. Returns how many groups fire."""
    is_on = window.ended_at is None
    numbers = await (store.outside if is_on else store.inside)(tx, window)
    if len(numbers) > AT_ONCE:
        await _go_on(deps, tx, window, sweeps + 1)
    for group in await lifecycle.locked(tx, numbers[:AT_ONCE]):
        if is_on:
            await lifecycle.maintained(deps, tx, group, window)
        else:
            await lifecycle.maintenance_over(deps, tx, group)
    return len(numbers) if not is_on else (await store.firing_in(tx)).get(window.id, 0) + max(len(numbers) - AT_ONCE, 0)


async def _go_on(deps: Deps, tx: Tx, window: Window, sweeps: int) -> None:
    now, payload = deps.clock.now(), {"window": window.id, "sweep": sweeps}
    key = f"{SWEEP}:{window.id}:{window.ended_at is None}:{now.isoformat()}:{sweeps}"
    await timers.schedule(tx, kind=SWEEP, subject=str(window), due_at=now, dedupe_key=key, payload=payload)


async def _arm(tx: Tx, window: Window) -> None:
    await timers.cancel(tx, subject=str(window), kind=OVER)
    key = f"{OVER}:{window.id}:{window.ends_at.isoformat()}"
    await timers.schedule(
        tx, kind=OVER, subject=str(window), due_at=window.ends_at, dedupe_key=key, payload={"window": window.id}
    )


async def _show(deps: Deps, tx: Tx, window: Window) -> None:
    for incident in await incidents_store.open_of_service(tx, window.service):
        await refresh.incident(deps, tx, incident)


async def _say(deps: Deps, tx: Tx, window: Window, text: str, key: str) -> None:
    await announcements.say(deps, tx, str(window), announcements.alerts_channel(deps, window.service), text, key)


def _name(deps: Deps, window: Window) -> str:
    service = deps.catalogue.services.get(window.service)
    return service.name if service else window.service
