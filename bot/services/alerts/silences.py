"""Silences with matchers: made, ended, listed. Every public verb is one transaction.

A few groups are silenced or woken in one transaction: the rest follows by a timer that is due at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.deps import Deps
from bot.domain.alerts import group as group_rules
from bot.domain.alerts.group import AlertGroup
from bot.domain.alerts.routing import SERVICE
from bot.domain.alerts.silence import Silence, Wish
from bot.domain.errors import Conflict
from bot.domain.outgoing.timer import Timer
from bot.domain.people.person import Actor
from bot.ports import Tx
from bot.queue import audit, timers, unit_of_work
from bot.services.alerts import announcements, lifecycle, silence_matching
from bot.store.alerts import groups as alerts_store, silences as store
from bot.store.db.locks import serialise
from bot.views import silence as view

SWEEP = "silence.sweep"
AT_ONCE = 50  # groups in one transaction
MOST = 500  # in force at the same time: every alert that begins is compared with each


@dataclass(frozen=True)
class Swept:
    """`names` of the first few, and how many in all."""

    silence: Silence
    names: list[str]
    total: int


async def make(deps: Deps, wish: Wish, by: Actor) -> Swept:
    """Groups that open later follow. Raises Refused, Unclear, Conflict."""
    async with lifecycle.one_at_a_time(deps, by) as tx:
        now = deps.clock.now()
        timezone = deps.catalogue.service_or_default(_service(wish) or deps.catalogue.default_service).timezone
        until = group_rules.silent_until(wish.lasting, now, timezone)
        if len(await store.in_force(tx, now)) >= MOST:
            raise Conflict(f"{MOST} silences are in force, and that is the most there may be. End one first.")
        row = {"matchers": list(map(str, wish.matchers)), "reason": wish.reason, "made_by": by.id}
        silence = await store.add(tx, {**row, "begins_at": now, "ends_at": until})
        detail = {"matchers": row["matchers"], "until": until.isoformat(), "reason": wish.reason}
        await audit.record(tx, deps.clock, by.id, "silence.made", str(silence), **detail)
        swept = await _silence(deps, tx, silence)
        await announcements.say(deps, tx, str(silence), _channel(deps, silence), view.began(silence), "began")
        answer = {"text": view.made(silence, swept.names, swept.total)}
        await unit_of_work.answered(tx, by.key, subject=str(silence), answer=answer)
        return swept


async def end(deps: Deps, number: int, by: Actor) -> Swept:
    """Raises Refused, Missing, Conflict."""
    async with lifecycle.one_at_a_time(deps, by) as tx:
        silence = await store.lock(tx, number)
        if not silence.is_on(deps.clock.now()):
            raise Conflict(f"{silence} is over already.")
        silence = await store.end(tx, number, at=deps.clock.now(), by=by.id)
        await audit.record(tx, deps.clock, by.id, "silence.ended", str(silence))
        swept = await _wake(deps, tx, silence)
        await announcements.say(deps, tx, str(silence), _channel(deps, silence), view.ended(silence), "ended")
        return swept


async def in_force(deps: Deps) -> tuple[list[Silence], dict[int, int], list[AlertGroup]]:
    """The first to end first; how many groups each holds; and the groups silenced one by one."""
    now = deps.clock.now()
    async with deps.database.reading() as tx:
        alone = await alerts_store.silenced_alone(tx, now, view.LISTED + 1)
        return await store.in_force(tx, now), await store.holding(tx, now), alone


async def sweep(deps: Deps, tx: Tx, timer: Timer) -> None:
    await serialise(tx, lifecycle.ONE_AT_A_TIME)
    silence, so_far = await store.lock(tx, int(timer.payload["silence"])), int(timer.payload["sweep"])
    if silence.is_on(deps.clock.now()):
        await _silence(deps, tx, silence, so_far)
    elif silence.ended_at:
        await _wake(deps, tx, silence, so_far)


# --- what follows -----------------------------------------------------------------------------------------------------


async def _silence(deps: Deps, tx: Tx, silence: Silence, sweeps: int = 0) -> Swept:
    numbers = await silence_matching.covered(deps, tx, silence)
    for group in await _first(deps, tx, silence, numbers, sweeps):
        await lifecycle.silence_applied(deps, tx, group, silence)
    return Swept(silence, _names(numbers), len(numbers))


async def _wake(deps: Deps, tx: Tx, silence: Silence, sweeps: int = 0) -> Swept:
    numbers = await store.held_by(tx, silence.id, deps.clock.now())
    for group in await _first(deps, tx, silence, numbers, sweeps):
        await lifecycle.silence_lifted(deps, tx, group, silence.ended_by or "")
    return Swept(silence, _names(numbers), len(numbers))


async def _first(deps: Deps, tx: Tx, silence: Silence, numbers: list[int], sweeps: int) -> list[AlertGroup]:
    if len(numbers) > AT_ONCE:
        key = f"{SWEEP}:{silence.id}:{'on' if silence.ended_at is None else 'over'}:{sweeps + 1}"
        now, payload = deps.clock.now(), {"silence": silence.id, "sweep": sweeps + 1}
        await timers.schedule(tx, kind=SWEEP, subject=str(silence), due_at=now, dedupe_key=key, payload=payload)
    return await lifecycle.locked(tx, numbers[:AT_ONCE])


def _names(numbers: list[int]) -> list[str]:
    return [f"ALR-{number}" for number in numbers[: view.NAMED]]


def _service(wish: Wish | Silence) -> str | None:
    return next((one.value for one in wish.matchers if one.name == SERVICE and one.op == "="), None)


def _channel(deps: Deps, silence: Silence) -> str:
    return announcements.alerts_channel(deps, _service(silence))
