"""What people do with a run: cancel, try again, skip, tick, answer, take back. Every public verb is one transaction."""

from __future__ import annotations

from dataclasses import replace

from bot.deps import Deps
from bot.domain.catalogue.runbook import Kind, Runbook, Step
from bot.domain.errors import Conflict, Missing, Refused, Unclear
from bot.domain.people import access
from bot.domain.people.person import Actor
from bot.domain.runs import run as rules
from bot.domain.runs.approval import UNDO, WHOLE_RUN, is_said, rule_of_run, rule_of_undo
from bot.domain.runs.run import Phase, Run, Status, StepRun, StepState
from bot.engine import plan_in_force
from bot.expressions import evaluate
from bot.ports import Tx
from bot.queue import audit
from bot.queue.unit_of_work import begin
from bot.services.runs import approvals, deliveries, finish, redaction
from bot.services.runs.deliveries import AskManual, AskUnknown
from bot.services.runs.queries import Subject, with_runbook
from bot.services.runs.refusal_audit import refusals_are_kept
from bot.services.runs.request import MAX_REASON, also_edited, executable, may_execute
from bot.services.workspace import permissions
from bot.store.incidents import incidents as incidents_store
from bot.store.queue import deliveries as deliveries_store
from bot.store.runs import approvals as run_approvals, runs as store


@refusals_are_kept
async def cancel(deps: Deps, number: int, by: Actor) -> tuple[Run, bool]:
    """False: it is not over yet. For who asked, may execute or administers. Raises Conflict, Refused."""
    run, runbook = await with_runbook(deps, number)
    await _may_stop(deps, run, runbook, by)
    async with begin(deps, by) as tx:
        run = await store.lock(tx, number)
        rules.must_run(run)
        await audit.record(tx, deps.clock, by.id, "run.cancel_requested", run.name)
        run = await store.change(tx, run.id, cancelled_by=by.id)
        if run.state == "running":  # its executor hears of it within a second
            await finish.show(deps, tx, run)
            return run, False
        status = Status.CANCELLED
        if run.phase is Phase.UNDO:
            progress = await store.progress(tx, run.id)
            status = rules.outcome_of(replace(run, cancelled_by=None), progress)
            if not any(step.endswith(".undo") for step in progress):  # as if nobody had thought of it
                run = await store.change(tx, run.id, phase=Phase.DO.value)
        return await finish.end(deps, tx, run, status, f"<@{by.id}> cancelled it.", by=by.id), True


async def _may_stop(deps: Deps, run: Run, runbook: Runbook, by: Actor) -> None:
    permissions.welcome(by.person)
    if by.id == run.requested_by:
        return
    try:
        await may_execute(deps, runbook, by, run.incident)
    except Refused as refusal:
        if not access.may(deps.catalogue, by.person, "admin"):
            raise refusal from None


@refusals_are_kept
async def retry(deps: Deps, number: int, by: Actor) -> Run:
    """An approval that is too old is asked for again. Raises Conflict, Refused."""
    run, runbook = await executable(deps, number, by)
    async with begin(deps, by) as tx:
        run = await store.lock(tx, number)
        return await _again(deps, tx, run, runbook, await _failed_step(tx, run), by)


async def _failed_step(tx: Tx, run: Run) -> StepRun:
    if run.status is not Status.FAILED or run.phase is not Phase.DO:
        raise Conflict(f"{run} {rules.SPOKEN[run.status]}: there is no failed step to try again.")
    progress = await store.progress(tx, run.id)
    made = next((one for one in reversed(progress.values()) if one.state is StepState.FAILED), None)
    if made is None:
        raise Conflict(f"{run} has no failed step. Ask for it again with `/runbook run {run.runbook}`.")
    return made


async def _again(deps: Deps, tx: Tx, run: Run, runbook: Runbook, made: StepRun, by: Actor) -> Run:
    again = StepRun(made.step, made.attempt + 1, StepState.READY, deps.clock.now(), actor=by.id)
    await store.put_steps(tx, [store.step_row(run.id, again)])
    await finish.answered(deps, tx, run, made)
    await audit.record(tx, deps.clock, by.id, "step.again", run.name, step=made.step, attempt=again.attempt)
    await finish.log(deps, tx, run, by.id, f"had step {made.step} of {run} done again")
    return await _reopened_if_approved(deps, tx, run, runbook, by, f"do step {made.step} again")


async def _reopened_if_approved(deps: Deps, tx: Tx, run: Run, runbook: Runbook, by: Actor, attempted: str) -> Run:
    """Only if its approval still holds. Else that is asked for again, and not of who wants it to go on."""
    run = await _reopened(deps, tx, run, runbook)
    rule = rule_of_run(runbook, run.severity)
    asked = await run_approvals.newest(tx, run.id, WHOLE_RUN)
    if rule and not (asked and asked.still_holds(deps.clock.now())):
        run = await store.change(
            tx, run.id, status=Status.AWAITING.value, state="parked", edited_by=also_edited(run, by)
        )
        text = f"<@{by.id}> asks to {attempted}; the approval of before is too old."
        await approvals.ask(deps, tx, run, WHOLE_RUN, rule, plan_hash=run.plan_hash, text=text)
    await finish.show(deps, tx, run)
    return run


async def _reopened(deps: Deps, tx: Tx, run: Run, runbook: Runbook) -> Run:
    run = await approvals.set_going(deps, tx, run)
    deadline = deps.clock.now() + runbook.deadline
    return await store.change(tx, run.id, ended_at=None, cancelled_by=None, deadline_at=deadline)


@refusals_are_kept
async def undo(deps: Deps, number: int, by: Actor) -> Run:
    """Last first, with a plan and an approval of its own. Raises Conflict, Refused."""
    run, runbook = await executable(deps, number, by)
    async with begin(deps, by) as tx:
        run = await store.lock(tx, number)
        if not run.is_over or run.phase is Phase.UNDO:
            raise Conflict(f"{run} {rules.SPOKEN[run.status]}: it is taken back once it has ended.")
        progress = await store.progress(tx, run.id)
        back = plan_in_force.undo_steps(run, runbook, progress)
        if not back:
            raise Conflict(f"{run} did nothing that could be taken back.")
        await audit.record(tx, deps.clock, by.id, "run.undo_requested", run.name, steps=[one.id for one in back])
        run = await _reopened(deps, tx, run, runbook)
        run = await store.change(tx, run.id, phase=Phase.UNDO.value, edited_by=also_edited(run, by))
        rule = rule_of_undo(runbook, back, run.severity)
        if rule:
            run = await store.change(tx, run.id, status=Status.AWAITING.value, state="parked")
            await approvals.ask(deps, tx, run, UNDO, rule, plan_hash=plan_in_force.undo_hash(run, back), text="")
        await finish.show(deps, tx, run)
        return run


@refusals_are_kept
async def answer(deps: Deps, about: Subject, verdict: str, by: Actor) -> tuple[Run, StepRun]:
    """`verdict` is `happened`, `redo` or `stop`. Raises Conflict (who was first), Refused."""
    run, runbook = await executable(deps, about.run, by)
    async with begin(deps, by) as tx:
        run = await store.lock(tx, about.run)
        made = (await store.progress(tx, run.id)).get(about.step)
        if run.status is not Status.UNKNOWN or made is None or made.state is not StepState.UNKNOWN:
            raise Conflict(_answered(run, made))
        await _must_be_the_newest(tx, run, AskUnknown, made, about.ts)
        await audit.record(tx, deps.clock, by.id, f"step.{verdict}", run.name, step=made.step, attempt=made.attempt)
        if verdict == "redo":
            return await _again(deps, tx, run, runbook, made, by), made
        if verdict == "stop":
            made = await _answer(deps, tx, run, replace(made, actor=by.id))
            said = f"<@{by.id}> stopped it; whether step {made.step} happened is not known."
            return await finish.end(deps, tx, run, Status.FAILED, said, by=by.id), made
        said = f"<@{by.id}> says that it happened."
        made = await _answer(deps, tx, run, replace(made, state=StepState.DONE, sentence=said, actor=by.id))
        return await _on(deps, tx, run), made


async def _must_be_the_newest(
    tx: Tx, run: Run, question: type[AskUnknown | AskManual], made: StepRun, ts: str | None
) -> None:
    """Raises Conflict."""
    for attempt in range(1, made.attempt):
        key = deliveries.asked_key(run, question(made.step, attempt))
        asked = await deliveries_store.answer_to(tx, key)
        if ts is not None and asked is not None and asked[1].get("ts") == ts:
            raise Conflict(f"That was about an earlier attempt at step {made.step}. Answer the newest question.")


def _answered(run: Run, made: StepRun | None) -> str:
    by = f"<@{made.actor}> already answered this. " if made and made.actor else ""
    return f"{by}{run} {rules.SPOKEN[run.status]}."


async def _answer(deps: Deps, tx: Tx, run: Run, made: StepRun) -> StepRun:
    made = replace(made, ended_at=made.ended_at or deps.clock.now())
    await store.put_steps(tx, [store.step_row(run.id, made)])
    await finish.answered(deps, tx, run, made)
    return made


async def _on(deps: Deps, tx: Tx, run: Run) -> Run:
    run = await approvals.set_going(deps, tx, run)
    await finish.show(deps, tx, run)
    return run


@refusals_are_kept
async def tick(deps: Deps, about: Subject, evidence: str, by: Actor) -> Run:
    """Raises Conflict, Refused, Unclear (evidence is needed)."""
    run, runbook = await with_runbook(deps, about.run)
    step = _manual(runbook, about)
    await _may_tick(deps, run, runbook, step, by)
    if step.body.get("evidence") and not evidence.strip():
        raise Unclear("Say what you saw: this step asks for evidence.")
    async with begin(deps, by) as tx:
        run = await store.lock(tx, about.run)
        made = await _waiting(tx, run, step)
        await _must_be_the_newest(tx, run, AskManual, made, about.ts)
        result = {"evidence": redaction.typed(deps, run, evidence.strip())[:3_000]}
        said = f"<@{by.id}> did it."
        done = replace(made, state=StepState.DONE, sentence=said, actor=by.id, result=result, output=result["evidence"])
        seen = {**plan_in_force.shown_scope(run, await store.progress(tx, run.id)), **result}
        done = replace(done, saved={name: evaluate.evaluate(source, seen) for name, source in step.save.items()})
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
    permissions.welcome(by.person)
    async with deps.database.reading() as tx:
        roles = await incidents_store.roles_of(tx, run.incident) if run.incident else {}
    if not await permissions.is_named(deps, by.person, who, roles=roles, service=run.service):
        raise Refused(f"This step is for {approvals.spoken(who)}.")


async def _waiting(tx: Tx, run: Run, step: Step) -> StepRun:
    made = (await store.progress(tx, run.id)).get(step.id)
    # A run that waits for approval, for taking back too, may have a manual step that was never ticked.
    if run.status is not Status.WAITING or made is None or made.state is not StepState.WAITING:
        by = f"<@{made.actor}> already did this. " if made and made.actor else ""
        raise Conflict(f"{by}{run} {rules.SPOKEN[run.status]}.")
    return made


@refusals_are_kept
async def skip(deps: Deps, about: Subject, reason: str, by: Actor) -> Run:
    """An approval is never skipped. Raises Conflict, Refused, Unclear."""
    run, runbook = await executable(deps, about.run, by)
    step = runbook.step(about.step)
    if step is None:
        raise Missing(f"RUN-{about.run} has no step “{about.step[:60]}”.")
    if step.kind is Kind.APPROVAL:
        raise Refused("An approval is never skipped. Somebody who may approve decides it, or the run is cancelled.")
    if not is_said(reason):
        raise Unclear("Say why the step is left out: the reason goes into the timeline.")
    async with begin(deps, by) as tx:
        run = await store.lock(tx, about.run)
        made = await _skippable(tx, run, step)
        reason = redaction.typed(deps, run, reason.strip())[:MAX_REASON]
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
