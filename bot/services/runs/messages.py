"""Delivery handlers that show runs: their live message, the questions in its thread, and what their steps have to
say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Missing, Unclear, Undeliverable
from bot.domain.outgoing import delivery as outgoing_delivery
from bot.domain.outgoing.delivery import Call, Delivery, Found, NewDelivery, Plan, Skip, Wait
from bot.domain.runs import run as rules
from bot.domain.runs.approval import UNDO, WHOLE_RUN, ApprovalRequest
from bot.domain.runs.run import StepRun
from bot.engine import plan_in_force
from bot.engine.steps.bounds import MAX_OUTPUT
from bot.interactions import Block
from bot.ports import Tx
from bot.queue import outbox
from bot.services.messaging.slack_errors import CHANNEL_GONE, MESSAGE_GONE
from bot.services.messaging.slack_post import Message, Plain, Post
from bot.services.runs import deliveries as run_deliveries
from bot.services.runs import queries, request
from bot.services.runs.queries import Shown
from bot.services.workspace import channels, oncall_now, recipients
from bot.store.incidents import incidents as incidents_store
from bot.store.queue import deliveries as deliveries_store
from bot.store.runs import approvals as run_approvals
from bot.store.runs import runs as store
from bot.views import run as view
from bot.views.kit import mrkdwn
from bot.views.kit.blocks import context, section
from bot.views.run import Live

SOON_SECONDS = 0.5
CHANNEL_WAIT_SECONDS = 60.0
NOT_YET = "its message is on its way"


async def _of(tx: Tx, delivery: Delivery) -> Shown:
    number = rules.number(delivery.subject)
    if number is None:
        raise Missing(f"{delivery.subject} is no run.")
    return await queries.shown_in(tx, number)


def _live(shown: Shown) -> Live:
    can_undo = shown.run.is_over and shown.undoable
    return Live(shown.run, shown.runbook, shown.plan, shown.progress, can_undo)


async def _naming(deps: Deps, tx: Tx, shown: Shown, who: Sequence[str]) -> Live:
    """With the people who are on call now, for a question that is for them."""
    return replace(_live(shown), on_call=await oncall_now.last_known(deps, tx, who, shown.run.service))


# --- the live message -------------------------------------------------------------------------------------------------


async def _channel(deps: Deps, tx: Tx, shown: Shown) -> str | None:
    if shown.run.channel:
        return shown.run.channel
    service = deps.catalogue.service_or_default(shown.run.service)
    return await channels.resolve(tx, service.alerts_channel or deps.config.alerts_channel)


async def _posted(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    shown = await _of(tx, delivery)
    channel = await _channel(deps, tx, shown)
    if not channel:
        return Wait(CHANNEL_WAIT_SECONDS, "the channel for it cannot be used yet")
    live = _live(shown)
    return Message(channel, view.fallback(live), view.live_message(live), shown.run.thread)


async def _was_posted(deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
    number = rules.number(delivery.subject) or 0
    run = await store.lock(tx, number)
    run = await store.change(tx, run.id, channel=answer["channel"], ts=answer["ts"], edited_wall=deps.clock.wall())
    await outbox.retry_now(deps, tx, run.name)
    # It was rendered before this moment; whatever has changed since is shown by an edit.
    await outbox.enqueue(deps, tx, run_deliveries.edit(run.id, run.rank))


class LivePost(Post):
    """Where its channel cannot be written to, whoever asked for the run hears of it, once."""

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        run = (await _of(tx, delivery)).run
        if problem.error in CHANNEL_GONE and run.source != request.AUTOMATION:
            text = (
                f"I cannot post in its channel ({problem.error}): nobody sees {run} there, and nobody can approve it."
            )
            await outbox.enqueue(deps, tx, run_deliveries.direct_message(run, f"stranded:{run.id}", text))
        return await super().on_refused(deps, tx, delivery, problem)


class EditLive(Plain):
    """At most one every three seconds for a run; the newest state is always shown in the end."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        shown = await _of(tx, delivery)
        run = shown.run
        if not run.channel or not run.ts:
            return Wait(SOON_SECONDS, NOT_YET)
        left = run.edited_wall + deps.config.edit_interval_seconds - deps.clock.wall()
        if left > 0:
            return Wait(left, "it was edited just now")
        live = _live(shown)
        blocks = view.live_message(live)
        return Call({"channel": run.channel, "ts": run.ts, "text": view.fallback(live), "blocks": blocks})

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        await store.change(tx, rules.number(delivery.subject) or 0, edited_wall=deps.clock.wall())

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        if problem.error in MESSAGE_GONE or (problem.error in CHANNEL_GONE and (await _of(tx, delivery)).run.is_over):
            return Skip(f"{problem.error}: there is no message to edit any more")
        return await super().on_refused(deps, tx, delivery, problem)


# --- in its thread ----------------------------------------------------------------------------------------------------


class InThread(Post):
    """A message in the run's thread. Where that cannot be written to, whoever asked for the run gets it."""

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        is_gone = problem.error in CHANNEL_GONE or problem.permanent
        if not is_gone or delivery.payload.get("dm") or (await _of(tx, delivery)).run.source == request.AUTOMATION:
            return await super().on_refused(deps, tx, delivery, problem)
        payload = {**delivery.payload, "dm": True}
        key = f"dm:{delivery.id}"
        await outbox.enqueue(
            deps, tx, NewDelivery(delivery.kind, delivery.subject, outgoing_delivery.POST, payload, dedupe_key=key)
        )
        return Skip(f"{problem.error}: said to whoever asked for the run instead")


def _in_thread(shown: Shown, delivery: Delivery, text: str, blocks: list[Block]) -> Message | Wait:
    run = shown.run
    if delivery.payload.get("dm"):
        return Message(run.requested_by, text, blocks)
    if not run.channel or not run.ts:
        return Wait(SOON_SECONDS, NOT_YET)
    return Message(run.channel, text, blocks, None if delivery.payload.get("loud") else run.root)


async def _question_asked(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    shown = await _of(tx, delivery)
    asked = next((one for one in shown.approval_requests if one.id == delivery.payload["request_id"]), None)
    if asked is None:
        return Skip("it is not asked any more")
    if delivery.payload.get("dm"):
        until = f"{asked.expires_at:%H:%M} UTC"
        text = f"{shown.run} waits for approval until {until}, and its channel is closed to me. Ask in another one."
        return Message(shown.run.requested_by, text, [section(text)])
    text, blocks = await _approval(deps, tx, shown, asked)
    return _in_thread(shown, delivery, text, blocks)


async def _approval(deps: Deps, tx: Tx, shown: Shown, asked: ApprovalRequest) -> tuple[str, list[Block]]:
    live = await _naming(deps, tx, shown, asked.who)
    return view.approval_fallback(live, asked), view.approval_message(live, asked, _what_exactly(shown, asked))


def _what_exactly(shown: Shown, asked: ApprovalRequest) -> list[str]:
    """The plan, or the one step as it would be done now."""
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


async def _question_posted(deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
    if delivery.payload.get("dm"):
        return
    request_id = delivery.payload["request_id"]
    await run_approvals.change(tx, request_id, channel=answer["channel"], ts=answer["ts"])
    await outbox.retry_now(deps, tx, delivery.subject)


class EditApproval(Plain):
    """The question's message, when something has become of it."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        shown = await _of(tx, delivery)
        asked = next((one for one in shown.approval_requests if one.id == delivery.payload["request_id"]), None)
        if asked is None:
            return Skip("it is not asked any more")
        if not asked.ts:
            return Wait(SOON_SECONDS, NOT_YET)
        text, blocks = await _approval(deps, tx, shown, asked)
        return Call({"channel": asked.channel, "ts": asked.ts, "text": text, "blocks": blocks})

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        if problem.error in MESSAGE_GONE:
            return Skip(f"{problem.error}: there is no message to edit any more")
        return await super().on_refused(deps, tx, delivery, problem)


async def _attempt(tx: Tx, shown: Shown, delivery: Delivery) -> StepRun | None:
    every = await store.attempts(tx, shown.run.id)
    wanted = (delivery.payload["step"], delivery.payload["attempt"])
    return next((made for made in every if (made.step, made.attempt) == wanted), None)


async def _unknown(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    shown = await _of(tx, delivery)
    made = await _attempt(tx, shown, delivery)
    if made is None:
        return Skip("it was answered meanwhile")
    text = (
        f"{shown.run}: whether step {made.step} happened is not known. Look at the target, then answer in the thread."
    )
    return _in_thread(shown, delivery, text, view.question_message(_live(shown), made))


async def _manual(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    shown = await _of(tx, delivery)
    made = await _attempt(tx, shown, delivery)
    step = shown.runbook.step(delivery.payload["step"])
    if made is None or step is None:
        return Skip("it was done meanwhile")
    whom = tuple(step.body.get("who") or ())
    blocks = view.manual_message(await _naming(deps, tx, shown, whom), made, whom)
    return _in_thread(shown, delivery, f"{shown.run}: step {step.id} waits for a person.", blocks)


class EditAsked(Plain):
    """The message of a question to people, when it is not asked any more."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        shown, about = await _of(tx, delivery), delivery.payload
        key = run_deliveries.asked_key(about["kind"], shown.run.id, about["step"], about["attempt"])
        found = await deliveries_store.answer_to(tx, key)
        if found is None or found[0] in ("dropped", "failed"):
            return Skip("it was never asked")
        state, answer = found
        if state != "sent" or "ts" not in answer:
            return Wait(SOON_SECONDS, NOT_YET)
        message = await (_unknown if about["kind"] == run_deliveries.QUESTION else _manual)(deps, tx, delivery)
        if not isinstance(message, Message):
            return message
        where = {"channel": answer["channel"], "ts": answer["ts"]}
        return Call({**where, "text": message.text, "blocks": message.blocks})

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        if problem.error in MESSAGE_GONE:
            return Skip(f"{problem.error}: there is no message to edit any more")
        return await super().on_refused(deps, tx, delivery, problem)


async def _said(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    shown = await _of(tx, delivery)
    text = view.escape_but_mentions(str(delivery.payload["text"]))
    return _in_thread(shown, delivery, text, [section(text)])


# --- what its steps say -----------------------------------------------------------------------------------------------


async def _message(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    """A message step: to a channel, or to one person."""
    shown = await _of(tx, delivery)
    kind, _, target = str(delivery.payload["to"]).partition(":")
    text = mrkdwn.escape(str(delivery.payload["text"]))
    channel = await channels.resolve(tx, target.removeprefix("#")) if kind == "slack" else target
    if not channel:
        return Wait(CHANNEL_WAIT_SECONDS, "that channel cannot be used yet")
    return Message(channel, text, [section(text), *_signature(shown)])


class MessageRecipients(Plain):
    """Who a message step means: each of them gets a direct message."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        run = (await _of(tx, delivery)).run
        roles = await incidents_store.roles_of(tx, run.incident) if run.incident else {}
        who = str(delivery.payload["to"]).removeprefix("dm:")
        return Call({"who": who, "roles": roles, "service": run.service})

    async def send(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        who, roles = [arguments["who"]], arguments["roles"]
        return {"people": await recipients.expand(deps, who, roles, service=arguments["service"])}

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        for person in answer["people"]:
            payload = {"to": f"dm:{person}", "text": delivery.payload["text"]}
            key = f"run.message:{delivery.id}:{person}"
            new = NewDelivery("run.message", delivery.subject, outgoing_delivery.POST, payload, dedupe_key=key)
            await outbox.enqueue(deps, tx, new)


def _signature(shown: Shown) -> list[Block]:
    return [context(f"{shown.run} · {mrkdwn.literal(shown.runbook.title)}")]


class WholeOutput(Plain):
    """Everything its steps said, as a text file in the thread. Its name carries the delivery's id."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        shown = await _of(tx, delivery)
        run = shown.run
        if not run.channel or not run.ts:
            return Wait(SOON_SECONDS, NOT_YET)
        text = transcript(await store.attempts(tx, run.id), [str(step["id"]) for step in shown.plan])
        if not text:
            return Skip("its steps said nothing")
        name = f"{run.name.lower()}-output-{delivery.token}.txt"
        return Call({"channel": run.channel, "thread": run.root, "name": name, "content": text})

    async def send(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        return await deps.chat.upload(
            name=arguments["name"],
            content=arguments["content"],
            channel=arguments["channel"],
            thread=arguments["thread"],
            comment="",
        )

    async def find_sent(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any]) -> Found | None:
        page = await deps.chat.call("files.list", {"channel": arguments["channel"], "count": 100})
        same = [one for one in page.get("files", []) if one.get("name") == arguments["name"]]
        return Found({"ok": True}) if same else None


def transcript(attempts: list[StepRun], order: list[str]) -> str:
    """Step by step in the plan's order, what was taken back last, as plain text; empty where none said anything."""
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


live = LivePost(_posted, _was_posted)
approval = InThread(_question_asked, _question_posted)
unknown = InThread(_unknown)
manual = InThread(_manual)
said = InThread(_said)
message = Post(_message)
