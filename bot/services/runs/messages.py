"""Delivery handlers that show runs: their live message, the questions in its thread, and what their steps have to
say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from bot.deps import Deps
from bot.domain.errors import Missing, Unclear, Undeliverable
from bot.domain.outgoing.delivery import Call, Delivery, Fate, NewDelivery, Plan, Skip, Wait
from bot.domain.runs import run as rules
from bot.domain.runs.approval import UNDO, WHOLE_RUN, ApprovalRequest
from bot.domain.runs.run import StepRun
from bot.engine import plan_in_force
from bot.engine.steps.bounds import MAX_OUTPUT
from bot.interactions import Block
from bot.ports import Tx
from bot.queue import outbox
from bot.services import subjects
from bot.services.messaging.fan_out import FanOut, Meant
from bot.services.messaging.file_upload import FileUpload, file
from bot.services.messaging.slack_errors import CHANNEL_GONE, THREAD_GONE
from bot.services.messaging.slack_post import Edit, M, Message, MovablePost, Post, Rendered, not_posted
from bot.services.runs import deliveries, queries, request
from bot.services.runs.deliveries import (
    AskApproval,
    AskManual,
    AskUnknown,
    EditApproval,
    EditQuestion,
    EditRun,
    PostRun,
    RunMessage,
    RunMessageToAll,
    RunNote,
    UploadOutput,
)
from bot.services.runs.queries import Shown
from bot.services.subjects import NO_CHANNEL, NOT_YET
from bot.services.workspace import channels, oncall_now
from bot.store.incidents import incidents as incidents_store
from bot.store.queue import deliveries as deliveries_store
from bot.store.runs import approvals as run_approvals, runs as store
from bot.views import run as view
from bot.views.kit import mrkdwn
from bot.views.kit.blocks import context, section
from bot.views.run import Live

Q = TypeVar("Q", AskUnknown, AskManual)
Said = tuple[str, list[Block]]  # the plain-text fallback, and what is shown


async def _of(tx: Tx, delivery: Delivery[Any]) -> Shown:
    number = rules.number(delivery.subject)
    if number is None:
        raise Missing(f"{delivery.subject} is no run.")
    return await queries.shown_in(tx, number)


def _live(shown: Shown) -> Live:
    return Live(shown.run, shown.runbook, shown.plan, shown.progress, shown.run.is_over and shown.undoable)


def _live_message(shown: Shown) -> Said:
    live = _live(shown)
    return view.fallback(live), view.live_message(live)


def _edited(channel: str | None, ts: str, said: Said) -> Call:
    text, blocks = said
    return Call({"channel": channel, "ts": ts, "text": text, "blocks": blocks})


async def _naming(deps: Deps, tx: Tx, shown: Shown, who: Sequence[str]) -> Live:
    return replace(_live(shown), on_call=await oncall_now.last_known(deps, tx, who, shown.run.service))


# --- the live message -------------------------------------------------------------------------------------------------


async def _channel(deps: Deps, tx: Tx, shown: Shown) -> str | None:
    if shown.run.channel:
        return shown.run.channel
    service = deps.catalogue.service_or_default(shown.run.service)
    return await channels.resolve(tx, service.alerts_channel or deps.config.alerts_channel)


class PostRunHandler(MovablePost[PostRun]):
    """Where its channel cannot be written to, who asked for the run hears of it, once. Where the thread of its
    alert's card is gone, it has a thread of its own.
    """

    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[PostRun]) -> Rendered:
        shown = await _of(tx, delivery)
        channel = await _channel(deps, tx, shown)
        return Message(channel, *_live_message(shown), shown.run.thread) if channel else NO_CHANNEL

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[PostRun], answer: dict[str, Any]) -> None:
        run = await store.lock(tx, rules.number(delivery.subject) or 0)
        there = {"channel": answer["channel"], "ts": answer["ts"], "edited_wall": deps.clock.wall()}
        thread = None if delivery.payload.elsewhere else run.thread
        run = await store.change(tx, run.id, thread=thread, **there)
        await outbox.retry_now(deps, tx, run.name)
        # It was rendered before this moment; whatever has changed since is shown by an edit.
        await outbox.enqueue(deps, tx, deliveries.edit(run.id, run.rank))

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[PostRun], problem: Undeliverable) -> Fate:
        run = (await _of(tx, delivery)).run
        if problem.error in CHANNEL_GONE and run.source != request.AUTOMATION:
            text = (
                f"I cannot post in its channel ({problem.error}): nobody sees {run} there, and nobody can approve it."
            )
            await outbox.enqueue(deps, tx, deliveries.direct_message(run, f"stranded:{run.id}", text))
        return await super().on_refused(deps, tx, delivery, problem)


class EditRunHandler(Edit[EditRun]):
    """At most one every three seconds for a run."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[EditRun]) -> Plan:
        shown = await _of(tx, delivery)
        run = shown.run
        if not run.channel or not run.ts:
            return await not_posted(tx, deliveries.posting(run))
        left = run.edited_wall + deps.config.edit_interval_seconds - deps.clock.wall()
        if left > 0:
            return Wait(left, "it was edited just now")
        return _edited(run.channel, run.ts, _live_message(shown))

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[EditRun], answer: dict[str, Any]) -> None:
        await store.change(tx, rules.number(delivery.subject) or 0, edited_wall=deps.clock.wall())

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[EditRun], problem: Undeliverable) -> Fate:
        if problem.error in CHANNEL_GONE and (await _of(tx, delivery)).run.is_over:
            return Skip(f"{problem.error}: there is no message to edit")
        return await super().on_refused(deps, tx, delivery, problem)


# --- in its thread ----------------------------------------------------------------------------------------------------


class InThread(MovablePost[M]):
    """A message in the run's thread. Where that cannot be written to, who asked for the run gets it; of a run that
    nobody asked for, the channel, where the thread alone is gone.
    """

    instead = "said to the person who asked for the run instead"

    async def is_lost(self, tx: Tx, delivery: Delivery[M], problem: Undeliverable) -> bool:
        if (await _of(tx, delivery)).run.source == request.AUTOMATION:
            return problem.error in THREAD_GONE
        return problem.error in CHANNEL_GONE or problem.permanent


def _in_thread(shown: Shown, said: Said, *, elsewhere: bool, loud: bool = False) -> Message | Wait:
    run = shown.run
    if elsewhere and run.source != request.AUTOMATION:
        return Message(run.requested_by, *said)
    thread = None if loud or elsewhere else run.root
    return Message(run.channel, *said, thread) if run.channel and run.ts else NOT_YET


class AskApprovalHandler(InThread[AskApproval]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[AskApproval]) -> Rendered:
        shown = await _of(tx, delivery)
        asked = _request(shown, delivery.payload)
        if asked is None:
            return Skip("it is not asked")
        if delivery.payload.elsewhere and shown.run.source != request.AUTOMATION:
            until = f"{asked.expires_at:%H:%M} UTC"
            text = f"{shown.run} waits for approval until {until}, and its channel is closed to me. Ask in another one."
            return _in_thread(shown, (text, [section(text)]), elsewhere=True)
        return _in_thread(shown, await _approval(deps, tx, shown, asked), elsewhere=delivery.payload.elsewhere)

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[AskApproval], answer: dict[str, Any]) -> None:
        if delivery.payload.elsewhere and (await _of(tx, delivery)).run.source != request.AUTOMATION:
            return
        await run_approvals.change(tx, delivery.payload.request_id, channel=answer["channel"], ts=answer["ts"])
        await outbox.retry_now(deps, tx, delivery.subject)


def _request(shown: Shown, about: AskApproval | EditApproval) -> ApprovalRequest | None:
    return next((one for one in shown.approval_requests if one.id == about.request_id), None)


async def _approval(deps: Deps, tx: Tx, shown: Shown, asked: ApprovalRequest) -> Said:
    live = await _naming(deps, tx, shown, asked.who)
    return view.approval_fallback(live, asked), view.approval_message(live, asked, _what_exactly(shown, asked))


def _what_exactly(shown: Shown, asked: ApprovalRequest) -> list[str]:
    run, progress = shown.run, shown.progress
    if asked.covers == WHOLE_RUN:
        return view.plan_lines(plan_in_force.plan(run, shown.runbook).steps)
    if asked.covers == UNDO:
        return view.plan_lines(plan_in_force.undo_steps(run, shown.runbook, progress))
    step = shown.runbook.step(asked.covers)
    if step is None:
        return []
    try:
        return [view.arguments_line(plan_in_force.step_arguments(run, step, progress))]
    except Unclear as problem:
        return [str(mrkdwn.escape(problem.sentence))]


class EditApprovalHandler(Edit[EditApproval]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[EditApproval]) -> Plan:
        shown = await _of(tx, delivery)
        asked = _request(shown, delivery.payload)
        if asked is None:
            return Skip("it is not asked")
        if not asked.ts:
            return await not_posted(tx, deliveries.asking(asked.id))
        return _edited(asked.channel, asked.ts, await _approval(deps, tx, shown, asked))


class _QuestionHandler(InThread[Q]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[Q]) -> Rendered:
        shown = await _of(tx, delivery)
        said = await _question(deps, tx, shown, delivery.payload)
        return said if isinstance(said, Skip) else _in_thread(shown, said, elsewhere=delivery.payload.elsewhere)

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[Q], answer: dict[str, Any]) -> None:
        await outbox.retry_now(deps, tx, delivery.subject)


class AskUnknownHandler(_QuestionHandler[AskUnknown]):
    """Somebody looks at the target, and says whether it happened."""


class AskManualHandler(_QuestionHandler[AskManual]):
    """Somebody does it, and says so."""


async def _question(deps: Deps, tx: Tx, shown: Shown, asked: AskUnknown | AskManual) -> Said | Skip:
    made = await _attempt(tx, shown, asked)
    if made is None:
        return Skip("it was answered meanwhile")
    if isinstance(asked, AskManual):
        return await _manual(deps, tx, shown, made)
    text = (
        f"{shown.run}: whether step {made.step} happened is not known. Look at the target, then answer in the thread."
    )
    return text, view.question_message(_live(shown), made)


async def _manual(deps: Deps, tx: Tx, shown: Shown, made: StepRun) -> Said | Skip:
    step = shown.runbook.step(made.step)
    if step is None:
        return Skip("it was done meanwhile")
    whom = tuple(step.body.get("who") or ())
    blocks = view.manual_message(await _naming(deps, tx, shown, whom), made, whom)
    return f"{shown.run}: step {step.id} waits for a person.", blocks


async def _attempt(tx: Tx, shown: Shown, asked: AskUnknown | AskManual) -> StepRun | None:
    every = await store.attempts(tx, shown.run.id)
    return next((made for made in every if (made.step, made.attempt) == (asked.step, asked.attempt)), None)


class EditQuestionHandler(Edit[EditQuestion]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[EditQuestion]) -> Plan:
        shown, about = await _of(tx, delivery), delivery.payload
        asked = (AskManual if about.asked == AskManual.kind else AskUnknown)(about.step, about.attempt)
        found = await deliveries_store.answer_to(tx, deliveries.asked_key(shown.run, asked))
        if found is None or found[0] in ("dropped", "failed"):
            return Skip("it was never asked")
        state, answer = found
        if state != "sent" or "ts" not in answer:
            return NOT_YET
        said = await _question(deps, tx, shown, asked)
        return said if isinstance(said, Skip) else _edited(answer["channel"], answer["ts"], said)


class RunNoteHandler(InThread[RunNote]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[RunNote]) -> Rendered:
        note, text = delivery.payload, view.escape_but_mentions(delivery.payload.text)
        said = text, [section(text)]
        return _in_thread(await _of(tx, delivery), said, elsewhere=note.elsewhere, loud=note.loud)


# --- what its steps say -----------------------------------------------------------------------------------------------


class RunMessageHandler(Post[RunMessage]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[RunMessage]) -> Rendered:
        shown, text = await _of(tx, delivery), mrkdwn.escape(delivery.payload.text)
        place = await subjects.targeted(tx, delivery.payload.to)
        if isinstance(place, Wait):
            return place
        signature = context(f"{shown.run} · {mrkdwn.literal(shown.runbook.title)}")
        return Message(place[0], text, [section(text), signature])


class RunMessageToAllHandler(FanOut[RunMessageToAll]):
    async def meant(self, deps: Deps, tx: Tx, delivery: Delivery[RunMessageToAll]) -> Meant:
        run = (await _of(tx, delivery)).run
        roles = await incidents_store.roles_of(tx, run.incident) if run.incident else {}
        return Meant([delivery.payload.to.removeprefix("dm:")], roles, run.service)

    def each(self, delivery: Delivery[RunMessageToAll], person: str) -> NewDelivery:
        message, key = RunMessage(f"dm:{person}", delivery.payload.text), f"run.message:{delivery.id}:{person}"
        return NewDelivery(message, delivery.subject, rank=delivery.rank, dedupe_key=key)


class UploadOutputHandler(FileUpload[UploadOutput]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[UploadOutput]) -> Plan:
        shown = await _of(tx, delivery)
        run = shown.run
        if not run.channel or not run.ts:
            return NOT_YET
        text = transcript(await store.attempts(tx, run.id), [str(step["id"]) for step in shown.plan])
        if not text:
            return Skip("its steps said nothing")
        return file(run.channel, run.root, f"{run.name.lower()}-output-{delivery.token}.txt", text)


def transcript(attempts: list[StepRun], order: list[str]) -> str:
    if not any(made.output.strip() for made in attempts):
        return ""
    place = {step: number for number, step in enumerate(order)}
    last = len(order)
    sorted_ = sorted(attempts, key=lambda made: (place.get(made.step, last), made.started_at, made.attempt))
    return "\n\n".join(_part(made) for made in sorted_)


def _part(made: StepRun) -> str:
    took = f", {made.took.total_seconds():.1f} s" if made.took else ""
    again = f", attempt {made.attempt}" if made.attempt > 1 else ""
    head = f"== {made.step}: {made.state}{again}{took}"
    cut = f"… only the first {MAX_OUTPUT:,} characters are kept; what came after is left out …"
    said = [made.output.rstrip(), cut if len(made.output) >= MAX_OUTPUT else ""]
    return "\n".join(part for part in (head, made.sentence, *said) if part)
