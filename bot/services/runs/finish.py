"""How a run ends: its slot is given on, what was asked is withdrawn, and it is written down and told."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.deps import Deps
from bot.domain.people.person import BOT
from bot.domain.runs.run import SPOKEN, Run, Status, StepRun
from bot.domain.text import duration
from bot.ports import Tx
from bot.queue import audit, outbox, timers
from bot.services.messaging import refresh, thread_notes
from bot.services.runs import deliveries as run_deliveries
from bot.store.alerts import groups as alert_groups
from bot.store.db.locks import serialise
from bot.store.incidents import timeline as timeline_store
from bot.store.queue import deliveries as deliveries_store
from bot.store.runs import approvals as run_approvals, runs as store, slots

SOME = timedelta(seconds=1)


async def end(deps: Deps, tx: Tx, run: Run, status: Status, sentence: str, *, by: str = BOT) -> Run:
    """The row is locked, and nobody is working on the run."""
    ended = await store.change(
        tx, run.id, state="over", status=status.value, sentence=sentence, ended_at=deps.clock.now(), has_slot=False,
        owner=None, lease_until=None,
    )  # fmt: skip
    await audit.record(tx, deps.clock, by, f"run.{status.value}", run.name, sentence=sentence[:500])
    await follow(deps, tx, ended, by=by, had_slot=run.has_slot)
    await show(deps, tx, ended)
    return ended


async def follow(deps: Deps, tx: Tx, run: Run, *, by: str = BOT, had_slot: bool = False) -> None:
    """The run's row says already that it is over."""
    await void_approvals(deps, tx, run)
    await timers.cancel(tx, subject=run.name)
    if run.status is not Status.SUCCEEDED:
        for made in (await store.progress(tx, run.id)).values():
            await answered(deps, tx, run, made)
    if had_slot:
        await leave_slot(deps, tx, run)
    if run.started_at:
        await outbox.enqueue(deps, tx, run_deliveries.whole_output(run, run.epoch))
    await log(deps, tx, run, by, f"{run} ({run.runbook}) {SPOKEN[run.status]}")
    if run.alert_group:
        await _tell_its_alert(deps, tx, run, run.alert_group, by)


async def void_approvals(deps: Deps, tx: Tx, run: Run) -> None:
    for request_id in await run_approvals.void(tx, run.id, at=deps.clock.now()):
        await outbox.enqueue(deps, tx, run_deliveries.approval_edit(run, request_id))


async def _tell_its_alert(deps: Deps, tx: Tx, run: Run, number: int, by: str) -> None:
    group = await alert_groups.get(tx, number)
    took = f" in {duration.words(run.took)}" if run.took and run.took >= SOME else ""
    text = f"{run} ({run.runbook}) {SPOKEN[run.status]}{took}. {run.sentence}".strip()
    if not group.storm:
        await thread_notes.say(deps, tx, str(group), text, f"{run} ended {run.epoch}", mentions=[by])
    await refresh.alert(deps, tx, group)


async def answered(deps: Deps, tx: Tx, run: Run, made: StepRun) -> None:
    for kind in (run_deliveries.AskUnknown, run_deliveries.AskManual):
        asked = kind(made.step, made.attempt)
        if await deliveries_store.answer_to(tx, run_deliveries.asked_key(run, asked)):
            await outbox.enqueue(deps, tx, run_deliveries.question_edit(run, asked))


async def leave_slot(deps: Deps, tx: Tx, run: Run) -> None:
    if run.slot_key:
        await serialise(tx, f"slot:{run.slot_key}")
        await slots.leave_slots(tx, [run.id])
        await slots.wake_queued(tx, run.slot_key, wall=deps.clock.wall())


async def show(deps: Deps, tx: Tx, run: Run) -> None:
    await outbox.enqueue(deps, tx, run_deliveries.edit(run.id, run.rank))


async def log(deps: Deps, tx: Tx, run: Run, by: str, text: str, *, at: datetime | None = None) -> None:
    if run.incident is not None:
        at = at or deps.clock.now()
        await timeline_store.log(tx, run.incident, at=at, kind="run", actor=by, text=text[:500], told=True)
