"""Runs asked for, looked at, cancelled, answered. Every public verb is one transaction; permission is checked here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import wraps
from statistics import median
from typing import Any, ParamSpec, TypeVar

from bot.asks import Where
from bot.deps import Deps
from bot.domain import access, parameters
from bot.domain import run as rules
from bot.domain.alert_group import AlertGroup
from bot.domain.approval import UNDO, WHOLE_RUN, Asked, gate_of_run, gate_of_undo, is_said
from bot.domain.catalogue import Service, listing
from bot.domain.errors import Conflict, Missing, Problem, Refused, Repeated, Unclear, Undeliverable
from bot.domain.incident import Incident
from bot.domain.person import BOT, Actor
from bot.domain.plan import Plan
from bot.domain.run import Phase, Run, Status, StepRun, StepState
from bot.domain.runbook import Effect, Gate, Kind, Runbook, Step
from bot.domain.timer import Timer
from bot.engine import expressions, planning
from bot.ports import Tx
from bot.services import (
    approvals,
    audit,
    deliveries,
    endings,
    hiding,
    incidents,
    people,
    places,
    planned,
    preflight,
    requests,
    run_parcels,
)
from bot.services.transactions import begin
from bot.store import alerts as alerts_store
from bot.store import deliveries as deliveries_store
from bot.store import gates_of_runs
from bot.store import incidents as incidents_store
from bot.store import runs as store
from bot.store.locks import serialise

AUTOMATION = "automation"
MOST_BY_THEMSELVES = 3  # runs of one runbook that alerts begin within the window
WINDOW = timedelta(minutes=10)
MAX_REASON = 500
REJOIN = frozenset({"not_in_channel"})
P = ParamSpec("P")
T = TypeVar("T")


class TooMany(Conflict):
    """Alerts have begun this runbook often enough for now."""


# --- asking for a run -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """A run as somebody asks for it. `given` is text or JSON values by name; `severity` where no incident says it."""

    runbook: str
    given: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    edited_by: tuple[str, ...] = ()  # who else had a hand in the parameters
    alert: Mapping[str, str] = field(default_factory=dict)  # the labels of the alert that called for it
    group: int | None = None  # the alert group that it belongs to
    must_ask: bool = False  # somebody approves it, whatever its policy


@dataclass(frozen=True)
class Draft:
    """All that is known before anything is written."""

    runbook: Runbook
    plan: Plan
    incident: Incident | None
    severity: str
    rank: int
    gate: Gate | None = None
    group: AlertGroup | None = None


async def draft(deps: Deps, wanted: Wanted, where: Where, *, looks: bool = True) -> Draft:
    """The plan of that run, here. With `looks`, what it would reach is looked at. Raises Unclear."""
    runbook = deps.catalogue.runbook(wanted.runbook)
    values = parameters.read(runbook, wanted.given)
    about = await _about(deps, wanted, where)
    incident = about.incident
    service = deps.catalogue.service_or_default(runbook.service)
    key = _severity(service, about)
    level = service.find_severity(key)
    plan = planning.make(runbook, values, subject(incident, about.labels), deps.catalogue.connections)
    if looks:
        found = await preflight.problems(deps, runbook, plan)
        plan = replace(plan, problems={**plan.problems, **found})
    gate = gate_of_run(runbook, key) or (Gate() if wanted.must_ask else None)
    return Draft(runbook, plan, incident, key, level.rank if level else 9, gate, about.group)


def _severity(service: Service, about: _About) -> str:
    """The incident's; else the alert's, where the service knows it."""
    if about.incident:
        return about.incident.severity
    known = service.find_severity(about.group.severity) if about.group else None
    return known.key if known else service.default_severity


@dataclass(frozen=True)
class _About:
    """What a run would belong to."""

    incident: Incident | None = None
    group: AlertGroup | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


async def _about(deps: Deps, wanted: Wanted, where: Where) -> _About:
    """The incident here; that of its alert group, where it has one that is open and everybody may see."""
    incident = await incidents.living_here(deps, where)
    if wanted.group is None:
        return _About(incident, labels=wanted.alert)
    async with deps.database.reading() as tx:
        group = await alerts_store.get(tx, wanted.group)
        alerts = await alerts_store.singles(tx, group.id, 1)
        its_own = await incidents_store.get(tx, group.incident) if group.incident and not incident else None
    if its_own and its_own.is_open and not its_own.private:
        incident = its_own
    return _About(incident, group, wanted.alert or (alerts[0].labels if alerts else {}))


def subject(incident: Incident | None, alert: Mapping[str, str]) -> dict[str, Any]:
    """What expressions see beside the parameters. Fixed when the run is asked for."""
    names = ("severity", "service", "title")
    seen = {"id": incident.name if incident else None, **{name: getattr(incident, name, None) for name in names}}
    return {"incident": seen, "alert": {"labels": dict(alert)}}


async def request(deps: Deps, wanted: Wanted, by: Actor, where: Where) -> Run:
    """Ask for a run: it begins, or waits for its approval, in a thread of its own in that channel.

    The same request twice is one run. Raises Refused, Unclear, Conflict (a problem that the plan found).
    """
    if known := rules.number(await requests.subject_of(deps, by.key) or ""):
        return await get(deps, known)  # whatever has become of the plan since
    runbook = deps.catalogue.runbook(wanted.runbook)
    try:
        await _may_ask(deps, runbook, by, await _about(deps, wanted, where), must_ask=wanted.must_ask)
        found = await draft(deps, wanted, where)
        _must_be_sound(found, wanted, by, deps)
        channel = await _place(deps, runbook, by, where, found.group)
    except (Refused, Conflict) as problem:
        await _note_refusal(deps, runbook, by, problem)
        raise
    try:
        async with begin(deps, by) as tx:
            await _must_be_few(deps, tx, found, by)
            run = await _write_down(deps, tx, found, wanted, by, channel)
            await requests.answered(tx, by.key, subject=run.name, answer=None)
            return run
    except Repeated as repeated:
        number = rules.number(repeated.subject or "")
        if number is None:
            raise
        return await get(deps, number)


async def _note_refusal(deps: Deps, runbook: Runbook, by: Actor, problem: Problem) -> None:
    async with deps.database.transaction() as tx:
        detail = {"why": problem.sentence[:500], "source": by.source}
        await audit.record(tx, deps.clock, by.id, "run.refused", runbook.id, **detail)


def _refusals_are_kept(verb: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """For what people do with a run, or a step of it: each attempt that was not let through is in the audit log."""

    @wraps(verb)
    async def careful(*given: P.args, **named: P.kwargs) -> T:
        try:
            return await verb(*given, **named)
        except (Refused, Conflict, Missing) as problem:
            await _note_attempt(verb.__name__, problem, given, named)
            raise

    return careful


async def _note_attempt(deed: str, problem: Problem, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    deps, about, *rest = given
    by = next(one for one in (*rest, *named.values()) if isinstance(one, Actor))
    run, step = (about.run, about.step[:60]) if isinstance(about, Subject) else (about, "")
    async with deps.database.transaction() as tx:
        detail = {"deed": deed, "why": problem.sentence[:500], "source": by.source} | ({"step": step} if step else {})
        await audit.record(tx, deps.clock, by.id, "run.refused", f"RUN-{run}", **detail)


async def may_begin(deps: Deps, runbook: Runbook, by: Actor, where: Where, group: int | None = None) -> None:
    """Asked before a form opens that would be filled in for nothing. Raises Refused, which is kept like any other."""
    try:
        await _may_ask(deps, runbook, by, await _about(deps, Wanted(runbook.id, group=group), where))
    except Refused as problem:
        await _note_refusal(deps, runbook, by, problem)
        raise


async def _may_ask(deps: Deps, runbook: Runbook, by: Actor, about: _About, *, must_ask: bool = False) -> None:
    if by.source != AUTOMATION:
        await may_execute(deps, runbook, by, about.incident.id if about.incident else None)
    elif not must_ask:
        _must_be_harmless(runbook)


def _must_be_harmless(runbook: Runbook) -> None:
    """Automation is no way round an approval."""
    is_once = any(one.effect is Effect.ONCE for step in runbook.steps for one in (step, step.undo) if one)
    if not runbook.policy.needs_none or is_once:
        raise Refused(f"{runbook.id} needs a person: only runbooks with “approval: none” and no once step start alone.")


async def may_execute(deps: Deps, runbook: Runbook, by: Actor, incident: int | None) -> None:
    """Raises Refused. A runbook that only reads may be run by whoever may respond."""
    people.welcome(by.person)
    async with deps.database.reading() as tx:
        roles = await incidents_store.roles_of(tx, incident) if incident else {}
    service = runbook.service  # whose on-call is meant
    if runbook.policy.execute is None:
        await people.must(deps, by.person, "execute" if runbook.has_effect else "respond", roles=roles, service=service)
    elif not await people.is_named(deps, by.person, runbook.policy.execute, roles=roles, service=service):
        who = listing([access.spoken(one) for one in runbook.policy.execute], "or")
        raise Refused(f"You may not run {runbook.id}: its policy names {who}.")


def _must_be_sound(found: Draft, wanted: Wanted, by: Actor, deps: Deps) -> None:
    if found.plan.problems:
        raise Conflict(f"{found.runbook.id} cannot run as it stands. {told_problems(found.plan)}")
    if found.gate is not None:
        if found.gate.reason and not is_said(wanted.reason):
            raise Unclear("Say why: whoever approves needs to know. Add a reason.")
        if by.source == AUTOMATION and not approvals.who_of(deps, found.gate):
            raise Refused("Nobody may approve runs yet: `access.approve` in org.yml is empty.")
        approvals.somebody_may(deps, found.gate, found.runbook.service, by)


def told_problems(plan: Plan) -> str:
    return " ".join(f"{_spot(place)}: {sentence}" for place, sentence in plan.problems.items())


def _spot(place: str) -> str:
    """A step's id, or `parameter NAME`, at the beginning of a sentence."""
    return place.capitalize() if place.startswith("parameter ") else f"Step {place}"


async def _place(deps: Deps, runbook: Runbook, by: Actor, where: Where, group: AlertGroup | None) -> str | None:
    """The channel of its thread: where it was asked for, or where the card of its alert stands, else where its
    service's alerts land. Raises Refused.
    """
    if by.source == AUTOMATION and group and group.ts:
        return group.channel
    if where.channel is None or by.source != "slack":
        service = deps.catalogue.service_or_default(runbook.service)
        return await places.resolve(deps, service.alerts_channel or deps.config.alerts_channel)
    await _must_be_inside(deps, where.channel)
    return where.channel


async def _must_be_inside(deps: Deps, channel: str) -> None:
    try:
        found = (await deps.chat.call("conversations.info", {"channel": channel})).get("channel") or {}
    except Undeliverable as problem:
        if not problem.permanent:
            raise Refused("Slack does not answer just now. Try again in a moment.") from None
        raise Refused("I am not in this channel. Invite me with `/invite @tocsin`, then ask again.") from None
    if found.get("is_member") or found.get("is_im"):
        return
    if found.get("is_private") or found.get("is_mpim") or found.get("is_archived"):
        raise Refused("I am not in this channel. Invite me with `/invite @tocsin`, then ask again.")
    try:
        await deps.chat.call("conversations.join", {"channel": channel})
    except Undeliverable:
        raise Refused("I am not in this channel. Invite me with `/invite @tocsin`, then ask again.") from None


async def _must_be_few(deps: Deps, tx: Tx, found: Draft, by: Actor) -> None:
    """A storm of alerts begins a few runs and not hundreds, and none for what another works on. Raises Conflict."""
    if by.source != AUTOMATION:
        return
    runbook, now = found.runbook, deps.clock.now()
    await serialise(tx, f"{AUTOMATION}:{runbook.id}")
    lately = await store.begun_since(tx, runbook.id, AUTOMATION, now - WINDOW)
    if len(lately) >= MOST_BY_THEMSELVES:
        raise TooMany(f"Alerts have begun {runbook.id} {len(lately)} times just now.")
    slot = _slot_key(runbook, found.plan)
    same = next((one for one in lately if slot and one.slot_key == slot and not one.is_over), None)
    if same:
        raise Conflict(f"{same} is there for the same target and {rules.SPOKEN[same.status]}.")


async def _write_down(deps: Deps, tx: Tx, found: Draft, wanted: Wanted, by: Actor, channel: str | None) -> Run:
    """The run, its question where it needs one, its message, its line in the audit log: together."""
    await store.keep_version(tx, found.runbook, deps.clock.now())
    run = await store.add(tx, _birth(deps, found, wanted, by, channel))
    await audit.record(
        tx, deps.clock, by.id, "run.requested", run.name,
        runbook=run.runbook, version=run.version, plan_hash=run.plan_hash, source=by.source, reason=run.reason,
    )  # fmt: skip
    await deliveries.enqueue(deps, tx, run_parcels.live(run))
    if found.gate is not None:
        await approvals.ask(deps, tx, run, WHOLE_RUN, found.gate, plan_hash=run.plan_hash, text="")
    await endings.log(deps, tx, run, by.id, f"asked for {run} ({run.runbook})")
    return run


def _birth(deps: Deps, found: Draft, wanted: Wanted, by: Actor, channel: str | None) -> dict[str, Any]:
    plan, runbook = found.plan, found.runbook
    waits = found.gate is not None
    return {
        "runbook": runbook.id,
        "version": runbook.version,
        "service": runbook.service,
        "subject": dict(plan.subject),
        "parameters": store.parameters_json(plan.parameters),
        "connections": store.connections_json(deps.catalogue.connections),
        "plan": store.plan_json(plan),
        "plan_hash": plan.hash,
        "reason": deps.vault.masker.mask(wanted.reason.strip())[:MAX_REASON],
        "requested_by": by.id,
        "edited_by": [one for one in wanted.edited_by if one != by.id],
        "source": by.source,
        "incident": found.incident.id if found.incident else None,
        "alert_group": found.group.id if found.group else None,
        "thread": found.group.ts if found.group and channel and channel == found.group.channel else None,
        "severity": found.severity,
        "rank": found.rank,
        "status": (Status.AWAITING if waits else Status.RUNNING).value,
        "state": "parked" if waits else "ready",
        "next_at": deps.clock.wall(),
        "slot_key": _slot_key(runbook, plan),
        "slot_limit": runbook.concurrency.limit if runbook.concurrency else 1,
        "created_at": deps.clock.now(),
        "channel": channel,
    }


def _slot_key(runbook: Runbook, plan: Plan) -> str | None:
    """Raises Unclear."""
    if runbook.concurrency is None:
        return None
    seen = {"params": planning.shown_parameters(plan.parameters), **plan.subject}
    return str(expressions.render(runbook.concurrency.key, seen))[:255]


@_refusals_are_kept
async def may_change(deps: Deps, number: int, by: Actor) -> tuple[Run, Runbook]:
    """Asked before the form opens that would be filled in for nothing. Raises Conflict, Refused."""
    run, runbook = await with_runbook(deps, number)
    _must_wait(run)
    await may_execute(deps, runbook, by, run.incident)
    return run, runbook


def _must_wait(run: Run) -> None:
    if run.status is not Status.AWAITING or run.started_at is not None:
        raise Conflict(f"{run} {rules.SPOKEN[run.status]}: its parameters stand.")


@_refusals_are_kept
async def change(deps: Deps, number: int, given: Mapping[str, Any], by: Actor) -> Run:
    """Other parameters, while it waits for its approval: what was asked is void, and is asked anew.

    Whoever changes them has had a hand in it, and does not count as an approver. Raises Conflict, Refused, Unclear.
    """
    run, runbook = await with_runbook(deps, number)
    await may_execute(deps, runbook, by, run.incident)
    values = parameters.read(runbook, given)
    plan = planning.make(runbook, values, run.subject, deps.catalogue.connections)
    found = await preflight.problems(deps, runbook, plan)
    if plan.problems or found:
        raise Conflict(
            f"{run} cannot run like that. {told_problems(replace(plan, problems={**plan.problems, **found}))}"
        )
    async with begin(deps, by) as tx:
        run = await store.lock(tx, number)
        _must_wait(run)
        for gate_id in await gates_of_runs.void(tx, run.id, at=deps.clock.now()):
            await deliveries.enqueue(deps, tx, run_parcels.approval_edit(run, gate_id))
        run = await store.change(
            tx, run.id, parameters=store.parameters_json(values), plan=store.plan_json(plan), plan_hash=plan.hash,
            connections=store.connections_json(deps.catalogue.connections), slot_key=_slot_key(runbook, plan),
            edited_by=_also_edited(run, by),
        )  # fmt: skip
        await audit.record(tx, deps.clock, by.id, "run.changed", run.name, plan_hash=run.plan_hash)
        gate = gate_of_run(runbook, run.severity)
        if gate:
            await approvals.ask(deps, tx, run, WHOLE_RUN, gate, plan_hash=run.plan_hash, text="")
        await endings.show(deps, tx, run)
        return run


# --- looking ----------------------------------------------------------------------------------------------------------


async def get(deps: Deps, number: int) -> Run:
    """Raises Missing."""
    async with deps.database.reading() as tx:
        return await store.get(tx, number)


async def with_runbook(deps: Deps, number: int) -> tuple[Run, Runbook]:
    """The run, and its runbook as it was when it was asked for."""
    async with deps.database.reading() as tx:
        run = await store.get(tx, number)
        return run, await store.version(tx, run.version)


async def visible(deps: Deps, number: int, by: Actor) -> Run:
    """The run, if this person may see it: one of a private incident is as private. Raises Missing."""
    run = await get(deps, number)
    if run.incident is not None and (by.channel is None or by.channel != run.channel):
        try:
            await incidents.visible(deps, run.incident, by)
        except Missing:
            raise Missing(f"There is no RUN-{number}. `/runbook status` shows the latest.") from None
    return run


async def named(deps: Deps, text: str, where: Where, by: Actor) -> Run:
    """`RUN-7`, or the run in whose thread it was said. Raises Unclear, Missing."""
    number = rules.number(text)
    if number is not None:
        return await visible(deps, number, by)
    if text.strip():
        raise Unclear(
            f"“{text.strip()[:40]}” is no run. A run is named like RUN-7; `/runbook status` lists the latest."
        )
    if where.channel and where.thread:
        async with deps.database.reading() as tx:
            here = await store.in_thread(tx, where.channel, where.thread)
        if here:
            return here
    raise Unclear("Which run? Name it, for example RUN-7; `/runbook status` lists the latest.")


@dataclass(frozen=True)
class Shown:
    """A run with all that is shown of it."""

    run: Run
    runbook: Runbook
    plan: list[dict[str, Any]]
    progress: dict[str, StepRun]
    gates: list[Asked]

    @property
    def undoable(self) -> bool:
        return bool(rules.undos(self.runbook, self.progress)) and self.run.phase is Phase.DO


async def shown(deps: Deps, number: int) -> Shown:
    async with deps.database.reading() as tx:
        return await shown_in(tx, number)


async def shown_in(tx: Tx, number: int) -> Shown:
    run = await store.get(tx, number)
    return Shown(
        run,
        await store.version(tx, run.version),
        await store.plan_of(tx, number),
        await store.progress(tx, number),
        await gates_of_runs.of_run(tx, number),
    )


async def latest(deps: Deps, by: Actor, limit: int = 10) -> list[Run]:
    """The newest that this person may see."""
    async with deps.database.reading() as tx:
        found = await store.newest(tx, limit=limit * 3)
    seen = []
    for run in found:
        try:
            seen.append(await visible(deps, run.id, by))
        except Missing:
            continue
    return seen[:limit]


@dataclass(frozen=True)
class Record:
    """How a runbook has done. `fixed` of `ended` runs succeeded; `median_seconds` of those that did."""

    ended: int
    fixed: int
    median_seconds: float | None


async def record(deps: Deps, runbook: str) -> Record:
    async with deps.database.reading() as tx:
        return record_of(await store.of_runbook(tx, runbook, limit=100))


def record_of(found: list[Run]) -> Record:
    """Of runs that were begun and are over."""
    ended = [run for run in found if run.is_over and run.started_at]
    fixed = [run for run in ended if run.status is Status.SUCCEEDED]
    times = [run.took.total_seconds() for run in fixed if run.took is not None]
    return Record(len(ended), len(fixed), median(times) if times else None)


# --- what people do with a run ----------------------------------------------------------------------------------------


@_refusals_are_kept
async def cancel(deps: Deps, number: int, by: Actor) -> tuple[Run, bool]:
    """The run, and whether it is over already. Whoever asked, may execute or administers. Raises Conflict, Refused."""
    run, runbook = await with_runbook(deps, number)
    await _may_stop(deps, run, runbook, by)
    async with begin(deps, by) as tx:
        run = await store.lock(tx, number)
        rules.must_run(run)
        await audit.record(tx, deps.clock, by.id, "run.cancel_requested", run.name)
        run = await store.change(tx, run.id, cancelled_by=by.id)
        if run.state == "running":  # whoever has it in hand hears of it within a second
            await endings.show(deps, tx, run)
            return run, False
        status = Status.CANCELLED
        if run.phase is Phase.UNDO:
            progress = await store.progress(tx, run.id)
            status = rules.outcome_of(replace(run, cancelled_by=None), progress)
            if not any(step.endswith(".undo") for step in progress):  # as if nobody had thought of it
                run = await store.change(tx, run.id, phase=Phase.DO.value)
        return await endings.end(deps, tx, run, status, f"<@{by.id}> cancelled it.", by=by.id), True


async def _may_stop(deps: Deps, run: Run, runbook: Runbook, by: Actor) -> None:
    people.welcome(by.person)
    if by.id == run.requested_by:
        return
    try:
        await may_execute(deps, runbook, by, run.incident)
    except Refused as refusal:
        if not people.may(deps.catalogue, by.person, "admin"):
            raise refusal from None


@_refusals_are_kept
async def retry(deps: Deps, number: int, by: Actor) -> Run:
    """Begin the failed step anew. An approval that is too old is asked for again. Raises Conflict, Refused."""
    run, runbook = await with_runbook(deps, number)
    await may_execute(deps, runbook, by, run.incident)
    async with begin(deps, by) as tx:
        run = await store.lock(tx, number)
        made = await _failed_step(tx, run)
        return await _again(deps, tx, run, runbook, made, by)


async def _failed_step(tx: Tx, run: Run) -> StepRun:
    if run.status is not Status.FAILED or run.phase is not Phase.DO:
        raise Conflict(f"{run} {rules.SPOKEN[run.status]}: there is no failed step to try again.")
    progress = await store.progress(tx, run.id)
    made = next((one for one in reversed(progress.values()) if one.state is StepState.FAILED), None)
    if made is None:
        raise Conflict(f"{run} has no failed step. Ask for it again with `/runbook run {run.runbook}`.")
    return made


async def _again(deps: Deps, tx: Tx, run: Run, runbook: Runbook, made: StepRun, by: Actor) -> Run:
    """A new attempt of this step, by a person's word."""
    now = deps.clock.now()
    again = StepRun(made.step, made.attempt + 1, StepState.READY, now, actor=by.id)
    await store.put_steps(tx, [store.step_row(run.id, again)])
    await endings.answered(deps, tx, run, made)
    await audit.record(tx, deps.clock, by.id, "step.again", run.name, step=made.step, attempt=again.attempt)
    await endings.log(deps, tx, run, by.id, f"had step {made.step} of {run} done again")
    return await _reopened_if_approved(deps, tx, run, runbook, by, f"do step {made.step} again")


async def _reopened_if_approved(deps: Deps, tx: Tx, run: Run, runbook: Runbook, by: Actor, deed: str) -> Run:
    """It goes on, if its approval still holds. Else that is asked for anew, and not of whoever wants it to go on."""
    run = await _reopened(deps, tx, run, runbook)
    gate = gate_of_run(runbook, run.severity)
    asked = await gates_of_runs.newest(tx, run.id, WHOLE_RUN)
    if gate and not (asked and asked.still_holds(deps.clock.now())):
        edited = _also_edited(run, by)
        run = await store.change(tx, run.id, status=Status.AWAITING.value, state="parked", edited_by=edited)
        text = f"<@{by.id}> asks to {deed}; the approval of before is too old."
        await approvals.ask(deps, tx, run, WHOLE_RUN, gate, plan_hash=run.plan_hash, text=text)
    await endings.show(deps, tx, run)
    return run


def _also_edited(run: Run, by: Actor) -> list[str]:
    """Who had a hand in it, this one included: they do not approve it."""
    return sorted({*run.edited_by, by.id} - {run.requested_by})


async def _reopened(deps: Deps, tx: Tx, run: Run, runbook: Runbook) -> Run:
    deadline = deps.clock.now() + runbook.deadline
    return await store.change(
        tx, run.id, state="ready", status=Status.RUNNING.value, sentence="", next_at=deps.clock.wall(), ended_at=None,
        cancelled_by=None, deadline_at=deadline,
    )  # fmt: skip


@_refusals_are_kept
async def undo(deps: Deps, number: int, by: Actor) -> Run:
    """Take back what was done, last first: its own plan, its own approval. Raises Conflict, Refused."""
    run, runbook = await with_runbook(deps, number)
    await may_execute(deps, runbook, by, run.incident)
    async with begin(deps, by) as tx:
        run = await store.lock(tx, number)
        if not run.is_over or run.phase is Phase.UNDO:
            raise Conflict(f"{run} {rules.SPOKEN[run.status]}: it is taken back once it has ended.")
        progress = await store.progress(tx, run.id)
        back = planned.undo_steps(run, runbook, progress)
        if not back:
            raise Conflict(f"{run} did nothing that could be taken back.")
        await audit.record(tx, deps.clock, by.id, "run.undo_requested", run.name, steps=[one.id for one in back])
        edited = _also_edited(run, by)
        run = await _reopened(deps, tx, run, runbook)
        run = await store.change(tx, run.id, phase=Phase.UNDO.value, edited_by=edited)
        gate = gate_of_undo(runbook, back, run.severity)
        if gate:
            run = await store.change(tx, run.id, status=Status.AWAITING.value, state="parked")
            await approvals.ask(deps, tx, run, UNDO, gate, plan_hash=planned.undo_hash(run, back), text="")
        await endings.show(deps, tx, run)
        return run


@dataclass(frozen=True)
class Subject:
    """A step's button: `RUN-7:restart`."""

    run: int
    step: str
    ts: str | None = None  # of the message that was pressed


def subject_of(value: str) -> Subject:
    """Raises Missing."""
    name, _, step = value.partition(":")
    number = rules.number(name)
    if number is None or not name.upper().startswith("RUN-") or not step:
        raise Missing("That button belongs to no step that I know. `/runbook status` shows the latest runs.")
    return Subject(number, step)


@_refusals_are_kept
async def answer(deps: Deps, about: Subject, verdict: str, by: Actor) -> tuple[Run, StepRun]:
    """What became of a step that is unknown: `happened`, `redo` or `stop`. Raises Conflict (who was first), Refused."""
    run, runbook = await with_runbook(deps, about.run)
    await may_execute(deps, runbook, by, run.incident)
    async with begin(deps, by) as tx:
        run = await store.lock(tx, about.run)
        made = (await store.progress(tx, run.id)).get(about.step)
        if run.status is not Status.UNKNOWN or made is None or made.state is not StepState.UNKNOWN:
            raise Conflict(_answered(run, made))
        await _must_be_the_newest(tx, run, run_parcels.QUESTION, made, about.ts)
        await audit.record(tx, deps.clock, by.id, f"step.{verdict}", run.name, step=made.step, attempt=made.attempt)
        if verdict == "redo":
            return await _again(deps, tx, run, runbook, made, by), made
        if verdict == "stop":
            made = await _answer(deps, tx, run, replace(made, actor=by.id))
            said = f"<@{by.id}> stopped it; whether step {made.step} happened is not known."
            return await endings.end(deps, tx, run, Status.FAILED, said, by=by.id), made
        said = f"<@{by.id}> says that it happened."
        made = await _answer(deps, tx, run, replace(made, state=StepState.DONE, sentence=said, actor=by.id))
        return await _on(deps, tx, run), made


async def _must_be_the_newest(tx: Tx, run: Run, kind: str, made: StepRun, ts: str | None) -> None:
    """A button under the question about an earlier attempt says nothing about this one. Raises Conflict."""
    for attempt in range(1, made.attempt):
        asked = await deliveries_store.answer_to(tx, run_parcels.asked_key(kind, run.id, made.step, attempt))
        if ts is not None and asked is not None and asked[1].get("ts") == ts:
            raise Conflict(f"That was about an earlier attempt at step {made.step}. Answer the newest question.")


def _answered(run: Run, made: StepRun | None) -> str:
    by = f"<@{made.actor}> already answered this. " if made and made.actor else ""
    return f"{by}{run} {rules.SPOKEN[run.status]}."


async def _answer(deps: Deps, tx: Tx, run: Run, made: StepRun) -> StepRun:
    made = replace(made, ended_at=made.ended_at or deps.clock.now())
    await store.put_steps(tx, [store.step_row(run.id, made)])
    await endings.answered(deps, tx, run, made)
    return made


async def _on(deps: Deps, tx: Tx, run: Run) -> Run:
    run = await store.change(
        tx, run.id, state="ready", status=Status.RUNNING.value, sentence="", next_at=deps.clock.wall()
    )
    await endings.show(deps, tx, run)
    return run


@_refusals_are_kept
async def tick(deps: Deps, about: Subject, evidence: str, by: Actor) -> Run:
    """A manual step is done. Raises Conflict, Refused, Unclear (evidence is needed)."""
    run, runbook = await with_runbook(deps, about.run)
    step = _manual(runbook, about)
    await _may_tick(deps, run, runbook, step, by)
    if step.body.get("evidence") and not evidence.strip():
        raise Unclear("Say what you saw: this step asks for evidence.")
    async with begin(deps, by) as tx:
        run = await store.lock(tx, about.run)
        made = await _waiting(tx, run, step)
        await _must_be_the_newest(tx, run, run_parcels.MANUAL, made, about.ts)
        result = {"evidence": hiding.typed(deps, run, evidence.strip())[:3_000]}
        said = f"<@{by.id}> did it."
        done = replace(made, state=StepState.DONE, sentence=said, actor=by.id, result=result, output=result["evidence"])
        seen = {**planned.shown_scope(run, await store.progress(tx, run.id)), **result}
        done = replace(done, saved={name: expressions.evaluate(source, seen) for name, source in step.save.items()})
        await _answer(deps, tx, run, done)
        await audit.record(tx, deps.clock, by.id, "step.ticked", run.name, step=step.id)
        return await _on(deps, tx, run)


def needs_evidence(runbook: Runbook, about: Subject) -> bool:
    step = runbook.step(about.step)
    return step is not None and step.kind is Kind.MANUAL and bool(step.body.get("evidence"))


def _manual(runbook: Runbook, about: Subject) -> Step:
    step = runbook.step(about.step)
    if step is None or step.kind is not Kind.MANUAL:
        raise Missing(f"RUN-{about.run} has no such step to tick.")
    return step


async def _may_tick(deps: Deps, run: Run, runbook: Runbook, step: Step, by: Actor) -> None:
    who = tuple(step.body.get("who") or ())
    if not who:
        await may_execute(deps, runbook, by, run.incident)
        return
    people.welcome(by.person)
    async with deps.database.reading() as tx:
        roles = await incidents_store.roles_of(tx, run.incident) if run.incident else {}
    if not await people.is_named(deps, by.person, who, roles=roles, service=run.service):
        raise Refused(f"This step is for {approvals.spoken(who)}.")


async def _waiting(tx: Tx, run: Run, step: Step) -> StepRun:
    made = (await store.progress(tx, run.id)).get(step.id)
    # A run that waits for approval, for taking back too, may have a manual step that was never ticked.
    if run.status is not Status.WAITING or made is None or made.state is not StepState.WAITING:
        by = f"<@{made.actor}> already did this. " if made and made.actor else ""
        raise Conflict(f"{by}{run} {rules.SPOKEN[run.status]}.")
    return made


@_refusals_are_kept
async def skip(deps: Deps, about: Subject, reason: str, by: Actor) -> Run:
    """Leave out a step that failed or waits. An approval is never skipped. Raises Conflict, Refused, Unclear."""
    run, runbook = await with_runbook(deps, about.run)
    await may_execute(deps, runbook, by, run.incident)
    step = runbook.step(about.step)
    if step is None:
        raise Missing(f"RUN-{about.run} has no step “{about.step[:60]}”.")
    if step.kind is Kind.APPROVAL:
        raise Refused("An approval is never skipped. Somebody who may approve decides it, or the run is cancelled.")
    if not is_said(reason):
        raise Unclear("Say why the step is left out: the reason stands in the timeline.")
    async with begin(deps, by) as tx:
        run = await store.lock(tx, about.run)
        made = await _skippable(tx, run, step)
        reason = hiding.typed(deps, run, reason.strip())[:MAX_REASON]
        said = f"<@{by.id}> skipped it: {reason}"
        await _answer(deps, tx, run, replace(made, state=StepState.SKIPPED, sentence=said, actor=by.id))
        await audit.record(tx, deps.clock, by.id, "step.skipped", run.name, step=step.id, reason=reason)
        if run.is_over:
            return await _reopened_if_approved(deps, tx, run, runbook, by, f"go on without step {step.id}")
        return await _on(deps, tx, run)


async def _skippable(tx: Tx, run: Run, step: Step) -> StepRun:
    made = (await store.progress(tx, run.id)).get(step.id)
    is_failed = run.status is Status.FAILED and run.phase is Phase.DO and made and made.state is StepState.FAILED
    is_waiting = run.status is Status.WAITING and run.state != "running" and made and made.state is StepState.WAITING
    if made is None or not (is_failed or is_waiting):
        raise Conflict(f"{run} {rules.SPOKEN[run.status]}: step {step.id} is not one to skip now.")
    return made


# --- timers -----------------------------------------------------------------------------------------------------------


async def wake(deps: Deps, tx: Tx, timer: Timer) -> None:
    """The time that a run waited for has come."""
    run = await store.lock(tx, rules.number(timer.subject) or 0)
    if run.state == "parked" and run.status is Status.WAITING:
        await store.change(tx, run.id, state="ready", next_at=deps.clock.wall())


async def deadline(deps: Deps, tx: Tx, timer: Timer) -> None:
    """A run that rests is over its time. One whose step is unknown goes on asking."""
    run = await store.lock(tx, rules.number(timer.subject) or 0)
    if run.is_over or run.status is Status.UNKNOWN or run.state == "running":
        return
    await endings.end(deps, tx, run, Status.FAILED, "It took longer than its deadline allows.", by=BOT)


async def suggestions(deps: Deps, incident: Incident) -> list[tuple[Runbook, Record]]:
    """The runbooks of the incident's service, those that fixed most first."""
    mine = [one for one in deps.catalogue.runbooks.values() if one.service == incident.service]
    found = [(one, await record(deps, one.id)) for one in mine]
    return sorted(found, key=lambda pair: (-pair[1].fixed, pair[0].id))
