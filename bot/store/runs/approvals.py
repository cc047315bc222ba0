from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update

from bot.domain.runs.approval import ApprovalRequest, State, Vote
from bot.ports import Tx
from bot.store.db.dialect import insert_into, state_is
from bot.store.db.rows import read_one
from bot.store.tables.runs import approval_requests, approvals


def _asked(row: Row[Any], votes: Sequence[Vote] = ()) -> ApprovalRequest:
    return ApprovalRequest(
        id=row.id,
        run=row.run,
        covers=row.covers,
        round=row.round,
        plan_hash=row.plan_hash,
        text=row.text,
        who=tuple(row.who),
        quorum=row.quorum,
        break_glass=tuple(row.break_glass),
        valid=timedelta(seconds=row.valid_seconds),
        state=State(row.state),
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        glass_broken=row.glass_broken,
        review_due_at=row.review_due_at,
        reviewed_at=row.reviewed_at,
        reviewed_by=row.reviewed_by,
        channel=row.channel,
        ts=row.ts,
        votes=tuple(votes),
    )


async def _with_votes(tx: Tx, found: Select[Any]) -> list[ApprovalRequest]:
    rows = (await tx.execute(found)).all()
    if not rows:
        return []
    theirs = select(approvals).where(approvals.c.request.in_([row.id for row in rows]))
    votes: dict[int, list[Vote]] = {}
    for vote in await tx.execute(theirs.order_by(approvals.c.at)):
        votes.setdefault(vote.request, []).append(Vote(vote.person, vote.verdict, vote.at, vote.reason))
    return [_asked(row, votes.get(row.id, [])) for row in rows]


async def add(tx: Tx, values: Mapping[str, Any]) -> ApprovalRequest:
    last = select(func.max(approval_requests.c.round)).where(
        approval_requests.c.run == values["run"], approval_requests.c.covers == values["covers"]
    )
    asked = {"round": (await tx.scalar(last) or 0) + 1, **values}
    return await read_one(tx, insert(approval_requests).returning(approval_requests), _asked, asked)


async def newest(tx: Tx, run: int, covers: str) -> ApprovalRequest | None:
    found = select(approval_requests).where(approval_requests.c.run == run, approval_requests.c.covers == covers)
    return next(iter(await _with_votes(tx, found.order_by(approval_requests.c.round.desc()).limit(1))), None)


async def get(tx: Tx, request_id: int) -> ApprovalRequest:
    [request] = await _with_votes(tx, select(approval_requests).where(approval_requests.c.id == request_id))
    return request


async def of_run(tx: Tx, run: int) -> list[ApprovalRequest]:
    its = select(approval_requests).where(approval_requests.c.run == run)
    return await _with_votes(tx, its.order_by(approval_requests.c.id))


async def approved_of(tx: Tx, ids: Sequence[int]) -> dict[int, list[ApprovalRequest]]:
    found = select(approval_requests).where(
        approval_requests.c.run.in_(list(ids)), approval_requests.c.state == State.APPROVED.value
    )
    given: dict[int, list[ApprovalRequest]] = {}
    for row in await tx.execute(found.order_by(approval_requests.c.id)):
        given.setdefault(row.run, []).append(_asked(row))
    return given


async def open_ones(tx: Tx, limit: int = 100) -> list[ApprovalRequest]:
    waiting = select(approval_requests).where(state_is(approval_requests, "open"))
    return await _with_votes(tx, waiting.order_by(approval_requests.c.id).limit(limit))


async def unreviewed(tx: Tx, limit: int = 100) -> list[ApprovalRequest]:
    found = select(approval_requests).where(
        approval_requests.c.review_due_at.is_not(None), approval_requests.c.reviewed_at.is_(None)
    )
    return await _with_votes(tx, found.order_by(approval_requests.c.id).limit(limit))


async def vote(tx: Tx, request_id: int, person: str, verdict: str, reason: str, at: datetime) -> bool:
    """False where this person has voted on it before."""
    row = {"request": request_id, "person": person, "verdict": verdict, "reason": reason, "at": at}
    return (await tx.execute(insert_into(tx, approvals).values(**row).on_conflict_do_nothing())).rowcount > 0


async def decide(tx: Tx, request_id: int, state: State, *, by: str | None, at: datetime, **more: Any) -> bool:
    """Compare and swap: False where somebody was first."""
    waiting = update(approval_requests).where(approval_requests.c.id == request_id, state_is(approval_requests, "open"))
    return (await tx.execute(waiting.values(state=state.value, decided_by=by, decided_at=at, **more))).rowcount == 1


async def void(tx: Tx, run: int, *, at: datetime) -> list[int]:
    waiting = update(approval_requests).where(approval_requests.c.run == run, state_is(approval_requests, "open"))
    ended = waiting.values(state=State.VOID.value, decided_at=at).returning(approval_requests.c.id)
    return list((await tx.execute(ended)).scalars())


async def change(tx: Tx, request_id: int, **values: Any) -> None:
    await tx.execute(update(approval_requests).where(approval_requests.c.id == request_id).values(**values))


async def review(tx: Tx, request_id: int, *, by: str, at: datetime) -> bool:
    """False where it was reviewed before."""
    waiting = update(approval_requests).where(
        approval_requests.c.id == request_id, approval_requests.c.reviewed_at.is_(None)
    )
    return (await tx.execute(waiting.values(reviewed_by=by, reviewed_at=at))).rowcount == 1
