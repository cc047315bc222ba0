"""Runs asked for: planned, held to who may, written down. Permission is checked here, below every door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from bot.deps import Deps
from bot.domain.alerts.group import AlertGroup
from bot.domain.catalogue.runbook import ApprovalRule, Effect, Runbook
from bot.domain.catalogue.service import Service
from bot.domain.errors import Conflict, Refused, Repeated, Unclear, Undeliverable
from bot.domain.incidents.incident import Incident
from bot.domain.people.person import Actor
from bot.domain.runs import parameters, run as rules
from bot.domain.runs.approval import WHOLE_RUN, is_said, rule_of_run
from bot.domain.runs.plan import Plan
from bot.domain.runs.run import NewRun, Run, Status
from bot.domain.text.wording import listing
from bot.engine import planning
from bot.interactions import Where
from bot.ports import Tx
from bot.queue import audit, outbox, unit_of_work
from bot.queue.unit_of_work import begin
from bot.services.incidents import queries as incident_queries
from bot.services.runs import approvals, deliveries as run_deliveries, finish, preflight, queries
from bot.services.runs.refusal_audit import refusal_is_kept, refusals_are_kept
from bot.services.workspace import channels, permissions
from bot.store.alerts import groups as alerts_store
from bot.store.db.locks import serialise
from bot.store.incidents import incidents as incidents_store
from bot.store.runs import runs as store

REFUSED = "run.refused"
AUTOMATION = "automation"
MOST_BY_THEMSELVES = 3  # runs of one runbook that alerts begin within the window
WINDOW = timedelta(minutes=10)
MAX_REASON = 500


class TooMany(Conflict):
    """Alerts have begun this runbook often enough for now."""


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
    runbook: Runbook
    plan: Plan
    incident: Incident | None
    severity: str
    rank: int
    approval: ApprovalRule | None = None
    group: AlertGroup | None = None


async def draft(deps: Deps, wanted: Wanted, where: Where, *, looks: bool = True) -> Draft:
    """With `looks`, what it would reach is looked at. Raises Unclear."""
    runbook = deps.catalogue.runbook(wanted.runbook)
    values = parameters.read(runbook, wanted.given)
    about = await _about(deps, wanted, where)
    incident = about.incident
    service = deps.catalogue.service_or_default(runbook.service)
    key = _severity(service, about)
    level = service.find_severity(key)
    plan = planning.make(runbook, values, subject(incident, about.labels), deps.catalogue.connections)
    if looks:
        plan = await _looked_into(deps, runbook, plan)
    rule = rule_of_run(runbook, key) or (ApprovalRule() if wanted.must_ask else None)
    return Draft(runbook, plan, incident, key, level.rank if level else 9, rule, about.group)


async def _looked_into(deps: Deps, runbook: Runbook, plan: Plan) -> Plan:
    return replace(plan, problems={**plan.problems, **await preflight.problems(deps, runbook, plan)})


def _severity(service: Service, about: _About) -> str:
    if about.incident:
        return about.incident.severity
    known = service.find_severity(about.group.severity) if about.group else None
    return known.key if known else service.default_severity


@dataclass(frozen=True)
class _About:
    incident: Incident | None = None
    group: AlertGroup | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


async def _about(deps: Deps, wanted: Wanted, where: Where) -> _About:
    incident = await incident_queries.living_here(deps, where)
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
    """Fixed when the run is asked for."""
    names = ("severity", "service", "title")
    seen = {"id": incident.name if incident else None, **{name: getattr(incident, name, None) for name in names}}
    return {"incident": seen, "alert": {"labels": dict(alert)}}


async def request(deps: Deps, wanted: Wanted, by: Actor, where: Where) -> Run:
    """Ask for a run: it begins, or waits for its approval, in a thread of its own in that channel.

    The same request twice is one run. Raises Refused, Unclear, Conflict (a problem that the plan found).
    """
    if known := rules.number(await unit_of_work.subject_of(deps, by.key) or ""):
        return await queries.get(deps, known)  # whatever has become of the plan since
    runbook = deps.catalogue.runbook(wanted.runbook)
    async with refusal_is_kept(deps, by, REFUSED, runbook.id):
        await _may_ask(deps, runbook, by, await _about(deps, wanted, where), must_ask=wanted.must_ask)
        found = await draft(deps, wanted, where)
        _must_be_sound(found, wanted, by, deps)
        channel = await _place(deps, runbook, by, where, found.group)
    try:
        async with begin(deps, by) as tx:
            await _must_be_few(deps, tx, found, by)
            run = await _write_down(deps, tx, found, wanted, by, channel)
            await unit_of_work.answered(tx, by.key, subject=run.name, answer=None)
            return run
    except Repeated as repeated:
        number = rules.number(repeated.subject or "")
        if number is None:
            raise
        return await queries.get(deps, number)


async def may_begin(deps: Deps, runbook: Runbook, by: Actor, where: Where, group: int | None = None) -> None:
    """Before a form opens that would be filled in for nothing. Raises Refused, which is kept like any other."""
    async with refusal_is_kept(deps, by, REFUSED, runbook.id):
        await _may_ask(deps, runbook, by, await _about(deps, Wanted(runbook.id, group=group), where))


async def _may_ask(deps: Deps, runbook: Runbook, by: Actor, about: _About, *, must_ask: bool = False) -> None:
    if by.source != AUTOMATION:
        await may_execute(deps, runbook, by, about.incident.id if about.incident else None)
    elif not must_ask:
        _must_be_harmless(runbook)


def _must_be_harmless(runbook: Runbook) -> None:
    """Automation is no way round an approval. Raises Refused."""
    if not runbook.policy.needs_none or any(one.effect is Effect.ONCE for one in runbook.steps_and_undos):
        raise Refused(f"{runbook.id} needs a person: only runbooks with “approval: none” and no once step start alone.")


async def may_execute(deps: Deps, runbook: Runbook, by: Actor, incident: int | None) -> None:
    """Raises Refused. Those who may respond may run a runbook that only reads."""
    permissions.welcome(by.person)
    async with deps.database.reading() as tx:
        roles = await incidents_store.roles_of(tx, incident) if incident else {}
    service = runbook.service  # whose on-call is meant
    if runbook.policy.execute is None:
        await permissions.must(
            deps, by.person, "execute" if runbook.has_effect else "respond", roles=roles, service=service
        )
    elif not await permissions.is_named(deps, by.person, runbook.policy.execute, roles=roles, service=service):
        raise Refused(f"You may not run {runbook.id}: its policy names {approvals.spoken(runbook.policy.execute)}.")


def _must_be_sound(found: Draft, wanted: Wanted, by: Actor, deps: Deps) -> None:
    if found.plan.problems:
        raise Conflict(f"{found.runbook.id} cannot run as it is. {told_problems(found.plan)}")
    if found.approval is not None:
        if found.approval.reason and not is_said(wanted.reason):
            raise Unclear("Say why: the people who approve need to know. Add a reason.")
        if by.source == AUTOMATION and not approvals.who_of(deps, found.approval):
            raise Refused("Nobody may approve runs yet: `access.approve` in org.yml is empty.")
        approvals.somebody_may(deps, found.approval, found.runbook.service, by)


def told_problems(plan: Plan) -> str:
    places: dict[str, list[str]] = {}
    for place, sentence in plan.problems.items():
        places.setdefault(sentence, []).append(place)
    return " ".join(f"{_spots(some)}: {sentence}" for sentence, some in places.items())


def _spots(places: list[str]) -> str:
    if len(places) > 1 and not any(one.startswith("parameter ") for one in places):
        return f"Steps {listing(places)}"
    return listing([_spot(one) for one in places])


def _spot(place: str) -> str:
    return place.capitalize() if place.startswith("parameter ") else f"Step {place}"


async def _place(deps: Deps, runbook: Runbook, by: Actor, where: Where, group: AlertGroup | None) -> str | None:
    """Where it was asked for, or that of its alert's card, else that of its service's alerts. Raises Refused."""
    if by.source == AUTOMATION and group and group.ts:
        return group.channel
    if where.channel is None or by.source != "slack":
        service = deps.catalogue.service_or_default(runbook.service)
        return await channels.resolve(deps, service.alerts_channel or deps.config.alerts_channel)
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
    await store.keep_version(tx, found.runbook, deps.clock.now())
    run = await store.add(tx, _birth(deps, found, wanted, by, channel), found.plan, next_at=deps.clock.wall())
    await audit.record(
        tx, deps.clock, by.id, "run.requested", run.name,
        runbook=run.runbook, version=run.version, plan_hash=run.plan_hash, source=by.source, reason=run.reason,
    )  # fmt: skip
    await outbox.enqueue(deps, tx, run_deliveries.live(run))
    if found.approval is not None:
        await approvals.ask(deps, tx, run, WHOLE_RUN, found.approval, plan_hash=run.plan_hash, text="")
    await finish.log(deps, tx, run, by.id, f"asked for {run} ({run.runbook})")
    return run


def _birth(deps: Deps, found: Draft, wanted: Wanted, by: Actor, channel: str | None) -> NewRun:
    plan, runbook = found.plan, found.runbook
    waits = found.approval is not None
    return NewRun(
        runbook=runbook.id,
        version=runbook.version,
        service=runbook.service,
        subject=dict(plan.subject),
        parameters=plan.parameters,
        connections=deps.catalogue.connections,
        plan_hash=plan.hash,
        reason=deps.secrets.masker.mask(wanted.reason.strip())[:MAX_REASON],
        requested_by=by.id,
        edited_by=tuple(one for one in wanted.edited_by if one != by.id),
        source=by.source,
        incident=found.incident.id if found.incident else None,
        alert_group=found.group.id if found.group else None,
        thread=found.group.ts if found.group and channel and channel == found.group.channel else None,
        severity=found.severity,
        rank=found.rank,
        status=Status.AWAITING if waits else Status.RUNNING,
        state="parked" if waits else "ready",
        slot_key=_slot_key(runbook, plan),
        slot_limit=runbook.concurrency.limit if runbook.concurrency else 1,
        created_at=deps.clock.now(),
        channel=channel,
    )


def _slot_key(runbook: Runbook, plan: Plan) -> str | None:
    """Raises Unclear."""
    if runbook.concurrency is None:
        return None
    return planning.slot_key(runbook.concurrency, plan.parameters, plan.subject)[:255]


async def executable(deps: Deps, number: int, by: Actor) -> tuple[Run, Runbook]:
    """Raises Refused."""
    run, runbook = await queries.with_runbook(deps, number)
    await may_execute(deps, runbook, by, run.incident)
    return run, runbook


@refusals_are_kept
async def may_change(deps: Deps, number: int, by: Actor) -> tuple[Run, Runbook]:
    """Before the form opens that would be filled in for nothing. Raises Conflict, Refused."""
    run, runbook = await queries.with_runbook(deps, number)
    _must_wait(run)
    await may_execute(deps, runbook, by, run.incident)
    return run, runbook


def _must_wait(run: Run) -> None:
    if run.status is not Status.AWAITING or run.started_at is not None:
        raise Conflict(f"{run} {rules.SPOKEN[run.status]}: its parameters stand.")


@refusals_are_kept
async def change(deps: Deps, number: int, given: Mapping[str, Any], by: Actor) -> Run:
    """Other parameters, while it waits for its approval: what was asked is void, and is asked again.

    Who changes them has had a hand in it, and does not count as an approver. Raises Conflict, Refused, Unclear.
    """
    run, runbook = await executable(deps, number, by)
    values = parameters.read(runbook, given)
    plan = planning.make(runbook, values, run.subject, deps.catalogue.connections)
    plan = await _looked_into(deps, runbook, plan)
    if plan.problems:
        raise Conflict(f"{run} cannot run like that. {told_problems(plan)}")
    async with begin(deps, by) as tx:
        run = await store.lock(tx, number)
        _must_wait(run)
        await finish.void_approvals(deps, tx, run)
        run = await store.change(
            tx, run.id, parameters=store.parameters_json(values), plan=store.plan_json(plan), plan_hash=plan.hash,
            connections=store.connections_json(deps.catalogue.connections), slot_key=_slot_key(runbook, plan),
            edited_by=also_edited(run, by),
        )  # fmt: skip
        await audit.record(tx, deps.clock, by.id, "run.changed", run.name, plan_hash=run.plan_hash)
        # It waits for approval, so it needs one: where the file wants none, the alert that called for it did.
        rule = rule_of_run(runbook, run.severity) or ApprovalRule()
        await approvals.ask(deps, tx, run, WHOLE_RUN, rule, plan_hash=run.plan_hash, text="")
        await finish.show(deps, tx, run)
        return run


def also_edited(run: Run, by: Actor) -> list[str]:
    return sorted({*run.edited_by, by.id} - {run.requested_by})
