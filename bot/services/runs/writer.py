"""What runs write: their steps, how far they are, and what follows, in one transaction with others' writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from bot.deps import Deps
from bot.domain.catalogue.runbook import Step
from bot.domain.outgoing import delivery
from bot.domain.outgoing.delivery import NewDelivery
from bot.domain.people.person import BOT
from bot.domain.runs.run import Run, Status, StepRun, StepState
from bot.engine.machine import AskApproval, AskToDo, AskWhether, Later, Pause, Sleep
from bot.ports import Tx
from bot.queue import audit, outbox, timers
from bot.services.runs import approvals, deliveries as run_deliveries, finish
from bot.services.runs.deliveries import AskManual, AskUnknown
from bot.store import audit as audit_store
from bot.store.db.claim import Claim, LeaseLost
from bot.store.queue import deliveries as deliveries_store, timers as timers_store
from bot.store.runs import runs as store

DEADLINE = "run.deadline"
WAKE = "run.wake"
LEAST_SECONDS = 0.02  # of the wall, before a run that waits goes on
_NOTED = (StepState.DONE, StepState.FAILED, StepState.UNKNOWN, StepState.INTERRUPTED)


@dataclass
class Write:
    """`then`: what follows from it, written with it."""

    claim: Claim
    run: Run
    row: dict[str, Any] = field(default_factory=dict)
    steps: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)  # by step and attempt
    audit: list[dict[str, Any]] = field(default_factory=list)
    then: list[Callable[[Tx], Awaitable[None]]] = field(default_factory=list)


Put = Callable[[Write], Awaitable[str | None]]


class Writer:
    """Gathers what one run writes. `put` commits it and says who has asked to cancel the run, if anybody."""

    def __init__(self, deps: Deps, run: Run, claim: Claim, put: Put) -> None:
        self._deps = deps
        self._put = put
        self._next = Write(claim, run)
        self.run = run
        self.claim = claim
        self.lease_until = claim.until
        self.written = asyncio.get_running_loop().time()

    def record(self, made: StepRun) -> None:
        self._next.steps[made.step, made.attempt] = store.step_row(self.run.id, made)

    def note(self, action: str, detail: dict[str, Any]) -> None:
        self._next.audit.append(audit.row(self._deps.clock, BOT, action, self.run.name, detail))

    def ended(self, step: Step, made: StepRun) -> None:
        self.record(made)
        if made.state in _NOTED:
            detail = {"step": made.step, "attempt": made.attempt, "effect": step.effect.value}
            self.note(f"step.{made.state.value}", detail | ({"why": made.sentence[:300]} if made.sentence else {}))

    def tell(self, new: NewDelivery) -> None:
        async def then(tx: Tx) -> None:
            await outbox.enqueue(self._deps, tx, new)

        self._next.then.append(then)

    async def flush(self) -> str | None:
        """Raises LeaseLost."""
        until = self._deps.clock.wall() + self._deps.config.lease_seconds
        self.run = replace(self.run, status=Status.RUNNING, sentence="")
        cancelled_by = await self._commit("running", owner=self.claim.owner, until=until)
        self.lease_until = until
        self.written = asyncio.get_running_loop().time()
        return cancelled_by

    async def leave(self, pause: Pause) -> str | None:
        clock = self._deps.clock
        is_over = pause.state == "over"
        ended_at = clock.now() if is_over else None
        self.run = replace(self.run, status=pause.status, sentence=pause.sentence, ended_at=ended_at)
        if is_over:
            self.note(f"run.{pause.status.value}", {"sentence": pause.sentence[:500]})

        async def then(tx: Tx) -> None:
            await self._follow(tx, pause)

        self._next.then.append(then)
        seconds = pause.seconds if isinstance(pause, Later) else 0.0
        next_at = max(clock.wall() + LEAST_SECONDS, clock.wall_in(seconds)) if seconds else None
        return await self._commit(pause.state, next_at=next_at)

    async def _follow(self, tx: Tx, pause: Pause) -> None:
        deps, run = self._deps, self.run
        match pause:
            case AskApproval():
                run = await store.get(tx, run.id)
                await approvals.ask(deps, tx, run, pause.covers, pause.rule, plan_hash=pause.plan_hash, text=pause.text)
            case AskWhether(made=made):
                await outbox.enqueue(deps, tx, run_deliveries.question(run, AskUnknown(made.step, made.attempt)))
            case AskToDo(made=made):
                await outbox.enqueue(deps, tx, run_deliveries.question(run, AskManual(made.step, made.attempt)))
            case Sleep():
                await self._wake_later(tx, pause.made, pause.seconds)
        if pause.state == "over":
            await finish.follow(deps, tx, run, had_slot=bool(run.slot_key))
        elif pause.status is Status.WAITING and run.deadline_at:  # nobody looks at a run that rests
            key = f"{DEADLINE}:{run.id}"
            await timers.schedule(tx, kind=DEADLINE, subject=run.name, due_at=run.deadline_at, dedupe_key=key)

    async def _wake_later(self, tx: Tx, made: StepRun, seconds: float) -> None:
        """A wait for a time is a promise like any other: a timer ends it, also when the clock jumps."""
        due_at = self._deps.clock.now() + timedelta(seconds=max(seconds, 0.001))
        key = f"{WAKE}:{self.run.id}:{made.step}:{made.attempt}:{due_at.isoformat()}"
        await timers.schedule(tx, kind=WAKE, subject=self.run.name, due_at=due_at, dedupe_key=key)

    async def _commit(
        self, state: str, *, owner: str | None = None, until: float | None = None, next_at: float | None = None
    ) -> str | None:
        run, write, self._next = self.run, self._next, Write(self.claim, self.run)
        write.run = run
        write.row = {
            "run_id": run.id,
            "state_": state,
            "status_": run.status.value,
            "phase_": run.phase.value,
            "sentence_": run.sentence[:1_000],
            "owner_": owner,
            "lease_until_": until,
            "next_at_": next_at or self._deps.clock.wall(),
            "started_at_": run.started_at,
            "deadline_at_": run.deadline_at,
            "ended_at_": run.ended_at,
            "has_slot_": bool(run.slot_key) and not run.is_over,
        }
        return await self._put(write)


# --- together ---------------------------------------------------------------------------------------------------------


async def commit(deps: Deps, writes: Sequence[Write]) -> list[str | Exception | None]:
    """One transaction for all of them. A run that is no longer ours has lost its lease, and the others go on.

    The result is who has asked to cancel it, or None.
    """
    async with deps.database.transaction() as tx:
        rows = await store.held(tx, [write.claim.id for write in writes], locked=True)
        good = [write for write in writes if is_ours(write.claim, rows)]
        await store.put_steps(tx, [row for write in good for row in write.steps.values()])
        await store.move(tx, [write.row for write in good])
        await audit_store.add_all(tx, [row for write in good for row in write.audit])
        await _show(deps, tx, [write.run for write in good])
        if ended := [write.run.name for write in good if write.run.is_over]:
            await timers_store.cancel_all(tx, subjects=ended)
        for write in good:
            for then in write.then:
                await then(tx)
    if good:
        deps.wakeups.wake()
    return [_result(write.claim, rows) for write in writes]


async def _show(deps: Deps, tx: Tx, runs: Sequence[Run]) -> None:
    """One that waits already is kept from being sent before this commits."""
    if runs:
        news: list[NewDelivery] = [run_deliveries.edit(run.id, run.rank) for run in runs]
        await deliveries_store.insert_or_join(
            tx, news, rate_limit=delivery.EDITS, wall=deps.clock.wall(), created_at=deps.clock.now()
        )


def is_ours(claim: Claim, rows: Mapping[int, Any]) -> bool:
    row = rows.get(claim.id)
    return row is not None and (row.owner, row.epoch) == (claim.owner, claim.epoch)


def _result(claim: Claim, rows: Mapping[int, Any]) -> str | Exception | None:
    if not is_ours(claim, rows):
        return LeaseLost(f"run {claim.id} changed hands after epoch {claim.epoch}")
    cancelled_by: str | None = rows[claim.id].cancelled_by
    return cancelled_by
