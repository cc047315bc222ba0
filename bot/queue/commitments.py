"""What was promised to people is compared with what was delivered; a commitment that was missed reports itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from bot.deps import Deps
from bot.ports import Tx
from bot.queue import audit, operator_alarm
from bot.store.queue import commitments as store
from bot.store.queue.commitments import Commitment
from bot.telemetry import Event, get_logger

LateHandler = Callable[[Deps, Tx, list[Commitment]], Awaitable[None]]

log = get_logger()


async def add(tx: Tx, *, subject: str, due_at: Mapping[str, datetime], grace_seconds: float) -> None:
    """`due_at` by kind. A commitment counts as missed `grace_seconds` after it."""
    grace = timedelta(seconds=grace_seconds)
    await store.insert_open(tx, subject, [(kind, at, at + grace) for kind, at in due_at.items()])


async def meet(tx: Tx, *, subject: str, kind: str, at: datetime) -> int:
    """What is late at `at` stays open, for the audit to report."""
    return await store.meet(tx, subject=subject, kind=kind, at=at)


async def cancel(tx: Tx, *, subject: str, kind: str | None = None, at: datetime | None = None) -> int:
    """With `at`, what is late at that time stays open, for the audit to report."""
    return await store.cancel(tx, subject=subject, kind=kind, at=at)


def grace_seconds(deps: Deps, least: float, *, wall: float) -> float:
    """In the time of promises: `least`, or `wall` seconds where those are more."""
    return max(least, wall * deps.clock.speed)


async def audit_commitments(deps: Deps, late: Mapping[str, LateHandler]) -> int:
    """Mark what was missed and say so, once each; returns how many.

    `late` has for a kind's first part (`escalation` of `escalation:3:1:0`) who says it; the others go to the second
    channel.
    """
    async with deps.database.reading() as tx:
        if not await store.any_late(tx, at=deps.clock.now()):
            return 0
    async with deps.database.transaction() as tx:
        missed = await store.miss(tx, at=deps.clock.now())
        by_handler: dict[str, list[Commitment]] = {}
        for commitment in missed:
            due = f"{commitment.due_at:%Y-%m-%d %H:%M} UTC"
            await _note(deps, tx, commitment, due)
            family = commitment.kind.partition(":")[0]
            if family in late:
                by_handler.setdefault(family, []).append(commitment)
            else:
                await _report(deps, tx, commitment, due)
        for family, ours in by_handler.items():
            await late[family](deps, tx, ours)
    if missed:
        deps.wakeups.wake()
    return len(missed)


async def _note(deps: Deps, tx: Tx, commitment: Commitment, due: str) -> None:
    log.error(
        Event.COMMITMENT_MISSED, commitment=commitment.id, kind=commitment.kind, subject=commitment.subject, due=due
    )
    await audit.record(
        tx, deps.clock, "tocsin", "commitment.missed", commitment.subject,
        commitment=commitment.id, kind=commitment.kind, due_at=commitment.due_at.isoformat(),
    )  # fmt: skip


async def _report(deps: Deps, tx: Tx, commitment: Commitment, due: str) -> None:
    what = {"postmortem": "reminder of the post-mortem"}.get(commitment.kind, commitment.kind)
    sentence = f"{commitment.subject}: the {what} promised for {due} was not delivered in time."
    await operator_alarm.raise_later(
        deps, tx, subject=commitment.subject, sentence=sentence, key=f"commitment:{commitment.id}"
    )
