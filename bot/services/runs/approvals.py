"""Approvals: asked in the run's thread, bound to the plan's hash, decided in one transaction with the audit entry.

Permission is checked here, below every door; every refusal is in the audit log.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.deps import Deps
from bot.domain.catalogue.runbook import ApprovalRule
from bot.domain.errors import Conflict, Missing, Refused
from bot.domain.outgoing.timer import Timer
from bot.domain.people import access
from bot.domain.people.person import Actor, Person
from bot.domain.runs import approval as rules
from bot.domain.runs.approval import UNDO, WHOLE_RUN, ApprovalRequest, State
from bot.domain.runs.run import Phase, Run, Status, outcome_of
from bot.domain.text.wording import listing
from bot.ports import Tx
from bot.queue import audit, outbox, timers
from bot.queue.unit_of_work import begin
from bot.services.runs import deliveries as run_deliveries, finish, redaction
from bot.services.runs.refusal_audit import refusal_is_kept
from bot.services.workspace import oncall_now, permissions
from bot.store.incidents import incidents as incidents_store
from bot.store.people import people as people_store
from bot.store.runs import approvals as store, runs as runs_store

EXPIRE = "approval.expire"
REVIEW = "approval.review"
VOTED = "approval.voted"
REFUSED = "approval.refused"
REVIEW_EVERY = timedelta(hours=24)

_NOT_THE_QUESTION = "That message is not the question about {run}. Use the buttons in its thread."
_VALUE = re.compile(r"RUN-([1-9][0-9]{0,8})(?::([a-z][a-z0-9_]*|@undo))?", re.ASCII)


# --- asking -----------------------------------------------------------------------------------------------------------


def who_of(deps: Deps, rule: ApprovalRule) -> tuple[str, ...]:
    return rule.who or deps.catalogue.access.approve


def somebody_may(deps: Deps, rule: ApprovalRule, service: str, by: Actor) -> None:
    """Raises Refused."""
    who = who_of(deps, rule)
    if not who:
        raise Refused(access.refusal(deps.catalogue, by.person, "approve"))
    if all(map(access.is_on_call, who)) and not oncall_now.levels_in(deps, who, service):
        raise Refused(
            f"Only {spoken(who)} may approve it, and its service has no such level of on-call. "
            "Add it under `oncall` in service.yml, or name somebody else under `access.approve` in org.yml."
        )


async def ask(
    deps: Deps, tx: Tx, run: Run, covers: str, wanted: ApprovalRule, *, plan_hash: str, text: str
) -> ApprovalRequest:
    now = deps.clock.now()
    asked = await store.add(
        tx,
        {
            "run": run.id,
            "covers": covers,
            "plan_hash": plan_hash,
            "text": text,
            "who": list(who_of(deps, wanted)),
            "quorum": wanted.quorum,
            "break_glass": list(wanted.break_glass),
            "valid_seconds": int(wanted.expires.total_seconds()),
            "state": State.OPEN.value,
            "asked_at": now,
            "expires_at": now + wanted.expires,
        },
    )
    await timers.schedule(
        tx, kind=EXPIRE, subject=run.name, due_at=asked.expires_at, dedupe_key=f"{EXPIRE}:{asked.id}",
        payload={"request_id": asked.id},
    )  # fmt: skip
    await outbox.enqueue(deps, tx, run_deliveries.approval(run, asked))
    await audit.record(tx, deps.clock, "tocsin", "approval.asked", run.name, **_about(asked))
    return asked


def _about(asked: ApprovalRequest) -> dict[str, object]:
    return {"covers": asked.covers, "round": asked.round, "plan_hash": asked.plan_hash, "quorum": asked.quorum}


# --- deciding ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decision:
    """`missing`: how many more votes it takes."""

    run: Run
    asked: ApprovalRequest
    missing: int = 0


@dataclass(frozen=True)
class ApprovalClick:
    """Only the message that asked counts."""

    run: int
    covers: str
    channel: str | None
    ts: str | None


async def read_click(deps: Deps, value: str, channel: str | None, ts: str | None, by: Actor) -> ApprovalClick:
    """A button's value, `RUN-7` or `RUN-7:rule`, and no other spelling. Raises Missing, kept like any refusal."""
    async with refusal_is_kept(deps, by, REFUSED, "approval", attempted="read", value=ascii(value[:60])):
        found = _VALUE.fullmatch(value)
        if found is None:
            raise Missing("That button belongs to no run that I know. `/runbook status` shows the latest.")
        return ApprovalClick(int(found[1]), found[2] or WHOLE_RUN, channel, ts)


async def approve(deps: Deps, given: ApprovalClick, by: Actor) -> Decision:
    """Raises Refused, Conflict (who was first), Missing."""
    async with _refusals_are_kept(deps, given, by, "approve"):
        learnt = await _learnt_for(deps, await _look(deps, given, by))
        return await _approve(deps, given, by, learnt)


async def _approve(deps: Deps, given: ApprovalClick, by: Actor, learnt: _Learnt) -> Decision:
    async with begin(deps, by) as tx:
        run, asked = await _in_hand(deps, tx, given)
        eligibility = await _eligibility(deps, tx, run, await _lists(deps, tx, run, asked), learnt)
        _may_vote(asked, by, eligibility, run.involved)
        await store.vote(tx, asked.id, by.id, "approve", "", deps.clock.now())
        voters = [*(vote.person for vote in asked.approvals), by.id]
        qualified = await _qualified(tx, eligibility, voters)
        await audit.record(tx, deps.clock, by.id, "approval.given", run.name, **_about(asked))
        if not rules.is_reached(asked, voters, qualified=qualified, involved=run.involved):
            if set(voters) - qualified:  # an earlier vote may count, but for what PagerDuty did not tell
                eligibility.must_be_told()
            await _show_later(deps, tx, asked, State.OPEN, by.id)
            return Decision(run, asked, missing=rules.missing(asked, set(voters) & qualified))
        await _close(deps, tx, run, asked, State.APPROVED, by.id)
        return Decision(await set_going(deps, tx, run), asked)


def _may_vote(asked: ApprovalRequest, by: Actor, eligibility: _Eligibility, involved: Collection[str]) -> None:
    is_named = eligibility.names(by.person)
    rules.may_vote(asked, by.id, involved=involved, is_named=is_named, whom=spoken(asked.who))


async def reject(deps: Deps, given: ApprovalClick, by: Actor, reason: str) -> Decision:
    """Those who may approve may reject, and so may those who asked. Raises as `approve`."""
    async with _refusals_are_kept(deps, given, by, "reject"):
        asked = await _look(deps, given, by)
        if not rules.is_said(reason):
            raise Refused("Say why: the person who asked for the run needs to know what to change.")
        learnt = await _learnt_for(deps, asked)
        async with begin(deps, by) as tx:
            run, asked = await _in_hand(deps, tx, given)
            eligibility = await _eligibility(deps, tx, run, await _lists(deps, tx, run, asked), learnt)
            if by.id not in run.involved and not eligibility.names(by.person):
                raise Refused(f"You are not among those who may decide this: {spoken(asked.who)}.")
            reason = redaction.typed(deps, run, reason)
            await store.vote(tx, asked.id, by.id, "reject", reason, deps.clock.now())
            await _close(deps, tx, run, asked, State.REJECTED, by.id)
            await audit.record(
                tx, deps.clock, by.id, "approval.rejected", run.name, reason=reason[:500], **_about(asked)
            )
            said = f"<@{by.id}> rejected it: {reason}"
            return Decision(await _stop(deps, tx, run, asked, Status.REJECTED, said, by.id), asked)


async def may_reject(deps: Deps, given: ApprovalClick, by: Actor) -> ApprovalRequest:
    """Before the form for the reason opens. Raises as `reject`."""
    async with _refusals_are_kept(deps, given, by, "open"):
        return await _look(deps, given, by)


async def break_glass(deps: Deps, given: ApprovalClick, by: Actor, reason: str) -> Decision:
    """Loud, with a reason, and reviewed by somebody else afterwards. Raises as `approve`."""
    async with _refusals_are_kept(deps, given, by, "break_glass"):
        asked = await _look(deps, given, by)
        learnt = await _learnt(deps, asked, [asked.break_glass])
        async with begin(deps, by) as tx:
            run, asked = await _in_hand(deps, tx, given)
            eligibility = await _eligibility(deps, tx, run, (asked.break_glass,), learnt)
            rules.may_break_glass(asked, is_named=eligibility.names(by.person), reason=reason)
            reason = redaction.typed(deps, run, reason)
            due = deps.clock.now() + rules.REVIEW_WITHIN
            await _close(deps, tx, run, asked, State.APPROVED, by.id, glass_broken=True, review_due_at=due)
            await _schedule(tx, asked, REVIEW, deps.clock.now() + REVIEW_EVERY, "1", nth=1)
            await audit.record(
                tx, deps.clock, by.id, "approval.glass_broken", run.name, reason=reason[:500], **_about(asked)
            )
            text = (
                f"<@{by.id}> broke the glass: {run} ({run.runbook}) starts without approval. "
                f"Reason: {redaction.quoted(reason)} "
                f"Somebody of {spoken(asked.who)} reviews it by tomorrow, in its thread."
            )
            await outbox.enqueue(deps, tx, run_deliveries.said(run, f"glass:{asked.id}", text, loud=True))
            return Decision(await set_going(deps, tx, run), asked)


async def review(deps: Deps, given: ApprovalClick, by: Actor) -> ApprovalRequest:
    """Raises as `approve`."""
    async with _refusals_are_kept(deps, given, by, "review"):
        _in_slack_only(by)
        async with deps.database.reading() as tx:
            asked = await _of_this_message(tx, given)
        learnt = await _learnt_for(deps, asked)
        async with begin(deps, by) as tx:
            run, asked = await runs_store.lock(tx, given.run), await _of_this_message(tx, given)
            eligibility = await _eligibility(deps, tx, run, await _lists(deps, tx, run, asked), learnt)
            _may_vote(asked, by, eligibility, {*run.involved, asked.decided_by or ""})
            if not asked.glass_broken:
                raise Conflict("No glass was broken here: there is nothing to review.")
            if not await store.review(tx, asked.id, by=by.id, at=deps.clock.now()):
                raise Conflict("This was reviewed already.")
            await outbox.enqueue(deps, tx, run_deliveries.approval_edit(run, asked.id))
            await audit.record(tx, deps.clock, by.id, "approval.reviewed", run.name, **_about(asked))
            await finish.log(deps, tx, run, by.id, f"reviewed the broken glass of {run}")
            return await store.get(tx, asked.id)


# --- the pieces -------------------------------------------------------------------------------------------------------


def _refusals_are_kept(
    deps: Deps, given: ApprovalClick, by: Actor, attempted: str
) -> AbstractAsyncContextManager[None]:
    return refusal_is_kept(deps, by, REFUSED, f"RUN-{given.run}", attempted=attempted, covers=given.covers)


async def _look(deps: Deps, given: ApprovalClick, by: Actor) -> ApprovalRequest:
    """Before anything is locked."""
    _in_slack_only(by)
    async with deps.database.reading() as tx:
        asked = await _newest(tx, given)
        rules.may_be_decided(asked, deps.clock.now(), names=await _names(tx, asked))
    return asked


def _in_slack_only(by: Actor) -> None:
    if by.source != "slack":
        raise Refused("Approvals are given in Slack only, in the run's thread.")


async def _in_hand(deps: Deps, tx: Tx, given: ApprovalClick) -> tuple[Run, ApprovalRequest]:
    """The run is locked. Raises where this very message cannot decide the question."""
    run = await runs_store.lock(tx, given.run)
    asked = await _newest(tx, given)
    rules.may_be_decided(asked, deps.clock.now(), names=await _names(tx, asked))
    if asked.ts is None:
        raise Conflict("This question is just being posted. Try again in a moment.")
    if (given.channel, given.ts) != (asked.channel, asked.ts):
        raise Refused(_NOT_THE_QUESTION.format(run=run))
    if asked.covers == WHOLE_RUN and asked.plan_hash != run.plan_hash:
        raise Conflict("What would run has changed since this was asked. Only the newest question counts.")
    return run, asked


async def _of_this_message(tx: Tx, given: ApprovalClick) -> ApprovalRequest:
    for asked in await store.of_run(tx, given.run):
        if asked.covers == given.covers and asked.ts and (asked.channel, asked.ts) == (given.channel, given.ts):
            return asked
    raise Refused(_NOT_THE_QUESTION.format(run=f"RUN-{given.run}"))


async def _newest(tx: Tx, given: ApprovalClick) -> ApprovalRequest:
    asked = await store.newest(tx, given.run, given.covers)
    if asked is None:
        raise Missing(
            f"RUN-{given.run} has asked no such question. `/runbook status RUN-{given.run}` shows where it is."
        )
    return asked


async def _names(tx: Tx, asked: ApprovalRequest) -> dict[str, str]:
    found = await people_store.find_all(tx, [asked.decided_by]) if asked.decided_by else []
    return {person.id: person.name for person in found}


@dataclass(frozen=True)
class _Learnt:
    """Asked before anything was locked."""

    groups: access.Groups
    told: oncall_now.ScheduleAnswers


async def _learnt_for(deps: Deps, asked: ApprovalRequest) -> _Learnt:
    async with deps.database.reading() as tx:
        lists = await _lists(deps, tx, await runs_store.get(tx, asked.run), asked)
    return await _learnt(deps, asked, lists)


async def _learnt(deps: Deps, asked: ApprovalRequest, lists: Sequence[Sequence[str]]) -> _Learnt:
    """At most 60 s old. May ask Slack and PagerDuty. Raises Refused where Slack did not tell."""
    async with deps.database.reading() as tx:
        service = (await runs_store.get(tx, asked.run)).service
    who = [entry for one in lists for entry in one]
    needed = access.groups_in(deps.catalogue, oncall_now.everybody(deps, who, service))
    groups = await permissions.memberships(deps, needed) if needed else {}
    permissions.must_be_told([group for group in needed if group not in groups], ())
    if any(map(access.is_on_call, who)):
        await permissions.memberships(deps, access.groups_in(deps.catalogue, oncall_now.trusted_entries(deps, service)))
    return _Learnt(groups, await oncall_now.ask(deps, who, service, strictly=True))


Lists = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _Eligibility:
    """`who` lists with all that is needed to apply them. `unavailable`: levels of which PagerDuty did not tell."""

    deps: Deps
    lists: Lists  # somebody must be on each of them
    roles: Mapping[str, str]
    groups: access.Groups
    unavailable: tuple[str, ...] = ()

    def includes(self, person: Person) -> bool:
        return all(
            access.includes(self.deps.catalogue, who, person, roles=self.roles, groups=self.groups)
            for who in self.lists
        )

    def names(self, person: Person) -> bool:
        """Raises Refused where it is not known, since PagerDuty did not tell."""
        found = self.includes(person)
        if not found and person.is_full_member:
            self.must_be_told()
        return found

    def must_be_told(self) -> None:
        permissions.must_be_told((), self.unavailable)


async def _lists(deps: Deps, tx: Tx, run: Run, asked: ApprovalRequest) -> Lists:
    """Where the file names nobody, today's `access.approve` as well: who has lost that since the question does not
    count, and who has gained it since was not asked.
    """
    runbook = await runs_store.version(tx, run.version)
    is_own = rules.named_for(runbook, asked.covers, run.severity)
    return (asked.who,) if is_own else (asked.who, deps.catalogue.access.approve)


async def _eligibility(deps: Deps, tx: Tx, run: Run, lists: Lists, learnt: _Learnt) -> _Eligibility:
    """Who is on call at this moment is on the lists in place of `oncall`, and nobody whose shift is over."""
    roles = await incidents_store.roles_of(tx, run.incident) if run.incident else {}
    opened = [await oncall_now.opened(deps, tx, who, run.service, learnt.told, strictly=True) for who in lists]
    unavailable = tuple(level for one in opened for level in one.unavailable)
    return _Eligibility(deps, tuple(one.who for one in opened), roles, learnt.groups, unavailable)


async def _qualified(tx: Tx, eligibility: _Eligibility, voters: Collection[str]) -> set[str]:
    """A vote of somebody who has left the list since does not count."""
    return {one.id for one in await people_store.find_all(tx, list(voters)) if eligibility.includes(one)}


async def _close(deps: Deps, tx: Tx, run: Run, asked: ApprovalRequest, state: State, by: str, **more: object) -> None:
    if not await store.decide(tx, asked.id, state, by=by, at=deps.clock.now(), **more):
        asked = await store.get(tx, asked.id)
        rules.may_be_decided(asked, deps.clock.now(), names=await _names(tx, asked))
    await _show_later(deps, tx, asked, state, by)
    await timers.cancel(tx, subject=run.name, kind=EXPIRE)


async def _show_later(deps: Deps, tx: Tx, asked: ApprovalRequest, state: State, by: str) -> None:
    """A click waits for nothing that others read."""
    await _schedule(tx, asked, VOTED, deps.clock.now(), f"{state}:{by}", by=by)


async def _schedule(tx: Tx, asked: ApprovalRequest, kind: str, due_at: datetime, key: str, **more: object) -> None:
    """The subject is the question, since a run's timers end with the run."""
    await timers.schedule(
        tx, kind=kind, subject=f"GATE-{asked.id}", due_at=due_at, dedupe_key=f"{kind}:{asked.id}:{key}",
        payload={"request_id": asked.id, **more},
    )  # fmt: skip


async def set_going(deps: Deps, tx: Tx, run: Run) -> Run:
    return await runs_store.change(
        tx, run.id, state="ready", status=Status.RUNNING.value, next_at=deps.clock.wall(), sentence=""
    )


async def _stop(deps: Deps, tx: Tx, run: Run, asked: ApprovalRequest, status: Status, sentence: str, by: str) -> Run:
    if asked.covers == UNDO:  # what was done stays done
        status = outcome_of(run, await runs_store.progress(tx, run.id))
        sentence = f"It was not taken back. {sentence}"
        run = await runs_store.change(tx, run.id, phase=Phase.DO.value)
    return await finish.end(deps, tx, run, status, sentence, by=by)


# --- timers -----------------------------------------------------------------------------------------------------------


async def show_vote(deps: Deps, tx: Tx, timer: Timer) -> None:
    asked = await store.get(tx, timer.payload["request_id"])
    run, by = await runs_store.get(tx, asked.run), str(timer.payload["by"])
    await outbox.enqueue(deps, tx, run_deliveries.approval_edit(run, asked.id))
    if asked.state is State.APPROVED and asked.decided_by == by:
        await finish.log(deps, tx, run, by, f"approved {run} ({run.runbook})", at=asked.decided_at)
        await finish.show(deps, tx, run)


async def expire(deps: Deps, tx: Tx, timer: Timer) -> None:
    asked = await store.get(tx, timer.payload["request_id"])
    run = await runs_store.lock(tx, asked.run)
    if not await store.decide(tx, asked.id, State.EXPIRED, by=None, at=deps.clock.now()):
        return
    await outbox.enqueue(deps, tx, run_deliveries.approval_edit(run, asked.id))
    await audit.record(tx, deps.clock, "tocsin", "approval.expired", run.name, **_about(asked))
    sentence = f"Nobody approved it by {asked.expires_at:%H:%M} UTC."
    await _stop(deps, tx, run, asked, Status.EXPIRED, sentence, "tocsin")
    asker = "Run it" if run.source == "automation" else f"<@{run.requested_by}>, ask for it again"
    text = f"{sentence} {asker} where it is still needed."
    await outbox.enqueue(deps, tx, run_deliveries.said(run, f"expired:{asked.id}", text))


async def remind_of_review(deps: Deps, tx: Tx, timer: Timer) -> None:
    asked = await store.get(tx, timer.payload["request_id"])
    if asked.reviewed_at is not None:
        return
    run = await runs_store.get(tx, asked.run)
    text = f"{run} was started by breaking the glass and nobody has reviewed it yet. {spoken(asked.who)}: please look."
    nth = int(timer.payload["nth"])
    await outbox.enqueue(deps, tx, run_deliveries.said(run, f"review:{asked.id}:{nth}", text, loud=True))
    await _schedule(tx, asked, REVIEW, deps.clock.now() + REVIEW_EVERY, f"{nth + 1}", nth=nth + 1)


# --- looking ----------------------------------------------------------------------------------------------------------


def spoken(who: Sequence[str]) -> str:
    return listing([access.spoken(entry) for entry in who], "or")


async def waiting_for(deps: Deps, by: Actor) -> list[tuple[Run, ApprovalRequest]]:
    async with deps.database.reading() as tx:
        asked = [*await store.open_ones(tx), *await store.unreviewed(tx)]
        found = {run.id: run for run in await runs_store.of_ids(tx, list({one.run for one in asked}))}
        roles = {
            one.incident: await incidents_store.roles_of(tx, one.incident) for one in found.values() if one.incident
        }
    mine = []
    for one in asked:
        run = found[one.run]
        held = roles.get(run.incident or 0, {})
        done = any(vote.person == by.id for vote in one.votes) or one.decided_by == by.id
        if by.id not in run.involved and not done and await _may_decide(deps, by, run, one, held):
            mine.append((run, one))
    return mine


async def _may_decide(deps: Deps, by: Actor, run: Run, asked: ApprovalRequest, roles: Mapping[str, str]) -> bool:
    try:
        return await permissions.is_named(deps, by.person, asked.who, roles=roles, service=run.service, strictly=False)
    except Refused:
        return False
