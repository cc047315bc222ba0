from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    Float,
    Integer,
    String,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from bot.domain.catalogue.runbook import Connection, Runbook
from bot.domain.runs.parameters import Reference
from bot.domain.runs.plan import Late, Plan, PlannedStep
from bot.domain.runs.run import OVER, NewRun, Phase, Run, Status, StepRun, StepState
from bot.ports import Tx
from bot.store.db import claim as kernel
from bot.store.db.claim import Claim
from bot.store.db.dialect import Inserting, state_is
from bot.store.db.rows import or_missing, read_all, read_first, read_one, reader
from bot.store.tables.alerts import alert_groups
from bot.store.tables.runs import run_steps, runbook_versions, runs

_OVER = [status.value for status in OVER]

# --- values -----------------------------------------------------------------------------------------------------------


def parameters_json(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Secrets as where they are to be found, never as themselves."""
    return {name: {"secret": one.source} if isinstance(one, Reference) else one for name, one in parameters.items()}


def _parameters(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Reference(one["secret"]) if isinstance(one, dict) else one for name, one in stored.items()}


def connections_json(connections: Mapping[str, Connection]) -> dict[str, Any]:
    return {name: {"kind": one.kind, "reference": one.reference} for name, one in connections.items()}


def _connections(stored: Mapping[str, Any]) -> dict[str, Connection]:
    return {name: Connection(name, one["kind"], one["reference"]) for name, one in stored.items()}


_run = reader(Run, status=Status, phase=Phase, edited_by=tuple, parameters=_parameters, connections=_connections)
_step_run = reader(StepRun, state=StepState)


@lru_cache(maxsize=1)
def _definitions() -> TypeAdapter[Runbook]:
    return TypeAdapter(Runbook)


def plan_json(plan: Plan) -> list[dict[str, Any]]:
    return [_step_json(step) for step in plan.steps]


def _step_json(step: PlannedStep) -> dict[str, Any]:
    return {
        "id": step.id,
        "number": step.number,
        "kind": step.kind.value,
        "effect": step.effect.value,
        "title": step.title,
        "target": step.target,
        "arguments": _late_json(step.arguments),
        "runs": step.runs,
        "condition": step.condition,
        "needs_own_approval": step.needs_own_approval,
        "undo": _step_json(step.undo) if step.undo else None,
    }


def _late_json(value: Any) -> Any:
    match value:
        case Late(steps=steps):
            return {"from": list(steps)}
        case Mapping():
            return {str(name): _late_json(one) for name, one in value.items()}
        case list() | tuple():
            return [_late_json(one) for one in value]
    return value


def step_row(run_id: int, made: StepRun) -> dict[str, Any]:
    return {
        "run": run_id,
        "step": made.step,
        "attempt": made.attempt,
        "state": made.state.value,
        "arguments": dict(made.arguments),
        "started_at": made.started_at,
        "ended_at": made.ended_at,
        "result": dict(made.result),
        "saved": dict(made.saved),
        "sentence": made.sentence,
        "output": made.output,
        "actor": made.actor,
    }


# --- versions ---------------------------------------------------------------------------------------------------------


_KEEP_VERSION = Inserting(runbook_versions, lambda insert: insert.on_conflict_do_nothing())


async def keep_version(tx: Tx, runbook: Runbook, at: datetime) -> None:
    """So that its runs go on with it, whatever the files become."""
    definition = _definitions().dump_python(runbook, mode="json")
    row = {"version": runbook.version, "runbook": runbook.id, "definition": definition, "seen_at": at}
    await tx.execute(_KEEP_VERSION.on(tx), row)


async def version(tx: Tx, version: str) -> Runbook:
    """Raises Missing."""
    stored = await tx.scalar(select(runbook_versions.c.definition).where(runbook_versions.c.version == version))
    kept = or_missing(stored, "The version of the runbook that this run began with is no longer here.")
    return _definitions().validate_python(kept)


# --- one run ----------------------------------------------------------------------------------------------------------


_ADD = insert(runs).returning(runs)


async def add(tx: Tx, new: NewRun, plan: Plan, *, next_at: float) -> Run:
    kept = {"parameters": parameters_json(new.parameters), "connections": connections_json(new.connections)}
    row = {**vars(new), **kept, "edited_by": list(new.edited_by), "status": new.status.value, "plan": plan_json(plan)}
    return await read_one(tx, _ADD, _run, {**row, "next_at": next_at})


_ONE = select(runs).where(runs.c.id == bindparam("run", type_=Integer))
_LOCKED = _ONE.with_for_update()


async def get(tx: Tx, run_id: int) -> Run:
    """Raises Missing."""
    return _there(await read_first(tx, _ONE, _run, {"run": run_id}), run_id)


async def lock(tx: Tx, run_id: int) -> Run:
    """Raises Missing."""
    return _there(await read_first(tx, _LOCKED, _run, {"run": run_id}), run_id)


def _there(found: Run | None, run_id: int) -> Run:
    return or_missing(found, f"There is no RUN-{run_id}. `/runbook status` shows the latest.")


async def change(tx: Tx, run_id: int, **values: Any) -> Run:
    return await read_one(tx, update(runs).where(runs.c.id == run_id).values(**values).returning(runs), _run)


async def plan_of(tx: Tx, run_id: int) -> list[dict[str, Any]]:
    return list((await tx.execute(select(runs.c.plan).where(runs.c.id == run_id))).scalar_one())


_STEPS = (
    select(*run_steps.c)
    .where(run_steps.c.run.in_(bindparam("runs", expanding=True, type_=Integer)))
    .order_by(run_steps.c.run, run_steps.c.started_at, run_steps.c.attempt)
)


async def progress(tx: Tx, run_id: int) -> dict[str, StepRun]:
    return (await progress_of(tx, [run_id])).get(run_id, {})


async def progress_of(tx: Tx, ids: Sequence[int]) -> dict[int, dict[str, StepRun]]:
    found: dict[int, dict[str, StepRun]] = {}
    for row in await tx.execute(_STEPS, {"runs": list(ids)}):
        known = found.setdefault(row.run, {})
        if row.step not in known or known[row.step].attempt < row.attempt:
            known[row.step] = _step_run(row)
    return found


async def attempts(tx: Tx, run_id: int) -> list[StepRun]:
    return await read_all(tx, _STEPS, _step_run, {"runs": [run_id]})


_FRESH = ("state", "arguments", "ended_at", "result", "saved", "sentence", "output", "actor")
_PUT_STEP = Inserting(
    run_steps,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[run_steps.c.run, run_steps.c.step, run_steps.c.attempt],
        set_={name: insert.excluded[name] for name in _FRESH},
    ),
)


async def put_steps(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """New ones and new states of old ones, of the shape of `step_row`."""
    if rows:
        await tx.execute(_PUT_STEP.on(tx), list(rows))


# --- claiming ---------------------------------------------------------------------------------------------------------

_WALL = bindparam("wall", type_=Float)


_FREE = or_(
    and_(state_is(runs, "ready"), runs.c.next_at <= _WALL),
    and_(state_is(runs, "running"), runs.c.lease_until <= _WALL),
)
_CLAIMABLE = select(runs.c.id).where(state_is(runs, "ready", "running"), _FREE)
_ANY = _CLAIMABLE.limit(1)
_FIRST = _CLAIMABLE.order_by(runs.c.rank, runs.c.id).limit(bindparam("limit", type_=Integer))
_TAKE = kernel.Acquiring(runs, _FIRST, state="running")


async def any_claimable(tx: Tx, *, wall: float) -> bool:
    return (await tx.execute(_ANY, {"wall": wall})).first() is not None


async def claim(tx: Tx, *, wall: float, limit: int, owner: str, until: float) -> list[tuple[Claim, Run]]:
    taken = await _TAKE.take(tx, owner=owner, until=until, wall=wall, limit=limit)
    return [(claim, _run(row)) for claim, row in taken]


_IN_INDEX = state_is(runs, "ready", "running")  # word for word the partial index, or SQLite reads every row
_NEXT = select(func.min(runs.c.next_at)).where(_IN_INDEX, state_is(runs, "ready"), runs.c.next_at > _WALL)


async def next_wall(tx: Tx, *, wall: float) -> float | None:
    found: float | None = await tx.scalar(_NEXT, {"wall": wall})
    return found


_HELD = select(runs.c.id, runs.c.owner, runs.c.epoch, runs.c.cancelled_by, runs.c.deadline_at).where(
    runs.c.id.in_(bindparam("runs", expanding=True, type_=Integer)), state_is(runs, "running")
)
_HELD_LOCKED = _HELD.order_by(runs.c.id).with_for_update()


async def held(tx: Tx, ids: Sequence[int], *, locked: bool) -> dict[int, Any]:
    """`locked`: they stay so until the transaction ends."""
    return {row.id: row for row in await tx.execute(_HELD_LOCKED if locked else _HELD, {"runs": list(ids)})}


_MOVE = (
    update(runs)
    .where(runs.c.id == bindparam("run_id", type_=Integer))
    .values(
        state=bindparam("state_", type_=String),
        status=bindparam("status_", type_=String),
        phase=bindparam("phase_", type_=String),
        sentence=bindparam("sentence_", type_=String),
        owner=bindparam("owner_", type_=String),
        lease_until=bindparam("lease_until_", type_=Float),
        next_at=bindparam("next_at_", type_=Float),
        started_at=bindparam("started_at_", type_=runs.c.started_at.type),
        deadline_at=bindparam("deadline_at_", type_=runs.c.deadline_at.type),
        ended_at=bindparam("ended_at_", type_=runs.c.ended_at.type),
        has_slot=bindparam("has_slot_", type_=runs.c.has_slot.type),
    )
)


async def move(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each row holds `run_id` and every column with `_` behind its name."""
    if rows:
        await tx.execute(_MOVE, list(rows))


_RENEW = (
    update(runs)
    .where(
        runs.c.id == bindparam("run_id", type_=Integer),
        runs.c.owner == bindparam("owner_", type_=String),
        runs.c.epoch == bindparam("epoch_", type_=Integer),
        state_is(runs, "running"),
    )
    .values(lease_until=bindparam("until", type_=Float))
)


async def renew(tx: Tx, claims: Sequence[tuple[int, str, int]], *, until: float) -> None:
    if claims:
        rows = [{"run_id": id_, "owner_": owner, "epoch_": epoch, "until": until} for id_, owner, epoch in claims]
        await tx.execute(_RENEW, rows)


# --- looking ----------------------------------------------------------------------------------------------------------


async def newest(tx: Tx, *, limit: int = 10, open_only: bool = False) -> list[Run]:
    found = select(runs).order_by(runs.c.id.desc()).limit(limit)
    return await read_all(tx, found.where(runs.c.status.not_in(_OVER)) if open_only else found, _run)


async def of_runbook(tx: Tx, runbook: str, *, limit: int = 10) -> list[Run]:
    return await read_all(
        tx, select(runs).where(runs.c.runbook == runbook).order_by(runs.c.id.desc()).limit(limit), _run
    )


async def of_incident(tx: Tx, incident: int) -> list[Run]:
    return await read_all(tx, select(runs).where(runs.c.incident == incident).order_by(runs.c.id), _run)


async def of_group(tx: Tx, group: int) -> list[Run]:
    return await read_all(tx, select(runs).where(runs.c.alert_group == group).order_by(runs.c.id), _run)


async def begun_since(tx: Tx, runbook: str, source: str, since: datetime) -> list[Run]:
    mine = (runs.c.runbook == runbook, runs.c.source == source, runs.c.created_at > since)
    return await read_all(tx, select(runs).where(*mine).order_by(runs.c.id), _run)


async def in_thread(tx: Tx, channel: str, ts: str) -> Run | None:
    """The run whose live message this is; under an alert's card the newest there."""
    live = await read_first(tx, select(runs).where(runs.c.channel == channel, runs.c.ts == ts), _run)
    return live or await read_first(tx, _UNDER_CARD, _run, {"channel": channel, "ts": ts})


_UNDER_CARD = (
    select(runs)
    .join(alert_groups, runs.c.alert_group == alert_groups.c.id)
    .where(alert_groups.c.channel == bindparam("channel"), alert_groups.c.ts == bindparam("ts"))
    .where(runs.c.channel == alert_groups.c.channel, runs.c.thread == alert_groups.c.ts)
    .order_by(runs.c.id.desc())
    .limit(1)
)


async def of_ids(tx: Tx, ids: Sequence[int]) -> list[Run]:
    return await read_all(tx, select(runs).where(runs.c.id.in_(list(ids))).order_by(runs.c.id), _run)


async def unknown_of(tx: Tx, person: str, *, limit: int = 20) -> list[Run]:
    found = select(runs).where(runs.c.status == Status.UNKNOWN.value, runs.c.requested_by == person)
    return await read_all(tx, found.order_by(runs.c.id).limit(limit), _run)
