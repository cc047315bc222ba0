"""Answering people within Slack's three seconds: the acknowledgement carries the truth; what comes later is said."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from slack_bolt.response import BoltResponse

from bot import telemetry
from bot.deps import Deps
from bot.domain.errors import Problem, Repeated, Undeliverable
from bot.domain.people.person import Actor
from bot.interactions import (
    Answer,
    BlockAction,
    Command,
    FieldErrors,
    Listeners,
    Modal,
    Nothing,
    Reply,
    Shortcut,
    Submission,
)
from bot.priority import answers_a_command, interactive
from bot.services.messaging import replies
from bot.services.workspace import permissions
from bot.slack import help_text, home, payloads
from bot.slack.background_tasks import Tasks
from bot.slack.payloads import Interaction, Kind
from bot.telemetry import Event
from bot.views.kit import mrkdwn

BUDGET_SECONDS = 2.0
REMEMBERED = 500
TEXT_LIMIT = 3_900

EXPIRED = frozenset({"expired_trigger_id", "trigger_expired", "invalid_trigger_id"})
SPENT = frozenset({"exchanged_trigger_id", "trigger_exchanged", "hash_conflict"})

Outcome = Answer | Problem


async def outcome(work: Awaitable[Answer], **about: str) -> Outcome:
    """Problems are answers too; a surprise becomes a calm sentence and a line in the log."""
    try:
        return await work
    except Repeated as before:
        return help_text.repeated(before.answer, before.subject)
    except Problem as problem:
        return problem
    except Undeliverable as problem:
        telemetry.get_logger().warning(Event.SLACK_ANSWER_LOST, error=problem.error, **about)
        return Problem(help_text.SILENT)
    except Exception:  # noqa: BLE001 - the one place where nothing may reach a person but a sentence
        reference = secrets.token_hex(4)
        telemetry.get_logger().exception(Event.SLACK_QUESTION_FAILED, reference=reference, **about)
        return Problem(help_text.BROKEN.format(reference=reference))


@dataclass
class _Late:
    """Set once the interaction was acknowledged without its answer."""

    value: bool = False


@dataclass(frozen=True)
class _Answering:
    task: asyncio.Task[Answer]
    late: _Late


class Dispatcher:
    def __init__(
        self, listeners: Listeners, deps: Callable[[], Deps], tasks: Tasks, budget_seconds: float = BUDGET_SECONDS
    ):
        self._listeners = listeners
        self._deps = deps
        self._tasks = tasks
        self._budget_seconds = budget_seconds
        self._answerings: OrderedDict[str, _Answering] = OrderedDict()

    async def answer(self, interaction: Interaction) -> BoltResponse:
        """After at most two seconds. The same interaction twice is carried out once."""
        case = self._answerings.get(interaction.key) or self._open(interaction)
        await asyncio.wait({case.task}, timeout=self._budget_seconds)
        if case.task.done():
            return acknowledgement(interaction, case.task.result())
        case.late.value = True
        return empty()

    def _open(self, interaction: Interaction) -> _Answering:
        late = _Late()
        with interactive():
            case = _Answering(self._tasks.spawn(self._handle(interaction, late)), late)
        answers_a_command(case.task)
        if interaction.key:
            self._answerings[interaction.key] = case
            while len(self._answerings) > REMEMBERED:
                self._answerings.popitem(last=False)
        return case

    async def _handle(self, interaction: Interaction, late: _Late) -> Answer:
        found = await outcome(self._ask(interaction), kind=interaction.kind.name, name=interaction.name)
        if isinstance(found, Modal):
            found = await outcome(self._show(interaction, found), kind="MODAL", name=interaction.name)
        answer = as_answer(interaction, found)
        if isinstance(answer, FieldErrors):
            # The corrected form comes with the same view and hash: it is a new question, not the old one again.
            self._answerings.pop(interaction.key, None)
        self._tell(interaction, answer, is_late=late.value)
        return answer

    async def _ask(self, interaction: Interaction) -> Answer:
        deps = self._deps()
        if not deps.workspace.team:
            raise Problem(help_text.STARTING)  # who belongs to this workspace cannot be told yet
        about, spawn = payloads.subject(interaction), self._tasks.spawn
        person = await permissions.admitted(
            deps, interaction.user, attempted=interaction.name, about=about, spawn=spawn
        )
        actor = Actor(person, key=interaction.key or None, channel=interaction.where.channel)
        return await _question(self._listeners, deps, interaction, actor)

    async def _show(self, interaction: Interaction, modal: Modal) -> Answer:
        if interaction.kind is Kind.SUBMISSION:
            return modal  # goes back in the acknowledgement
        chat, view = self._deps().chat, placed(modal.view, interaction)
        try:
            if interaction.in_modal and interaction.view:
                known = {"view_id": interaction.view.get("id"), "hash": interaction.view.get("hash")}
                await chat.call("views.update", {**known, "view": view})
            else:
                await chat.call("views.open", {"trigger_id": interaction.trigger, "view": view})
        except Undeliverable as problem:
            return _not_opened(modal, problem)
        return Nothing()

    def _tell(self, interaction: Interaction, answer: Answer, *, is_late: bool) -> None:
        if interaction.in_home and interaction.kind is Kind.BLOCK_ACTION:
            self._tasks.spawn(home.refresh(self._deps(), self._listeners, interaction.user, interaction.key))
        reply = late_reply(answer) if is_late else answer
        if isinstance(reply, Reply) and (is_late or interaction.kind is not Kind.COMMAND):
            self._tasks.spawn(self._say(interaction, reply))

    async def _say(self, interaction: Interaction, reply: Reply) -> None:
        deps = self._deps()
        if interaction.response_url:
            try:
                await deps.chat.respond(interaction.response_url, response(reply, interaction))
                return
            except Undeliverable as problem:
                telemetry.get_logger().warning(Event.SLACK_ANSWER_LOST, name=interaction.name, error=problem.error)
                if problem.maybe_done:
                    return
        key = f"answer:{interaction.key}"
        await replies.send(deps, reply, to=interaction.user, where=interaction.where, key=key)


async def _question(listeners: Listeners, deps: Deps, interaction: Interaction, actor: Actor) -> Answer:
    kind, name, where = interaction.kind, interaction.name, interaction.where
    if kind is Kind.COMMAND:
        picked = help_text.pick(listeners, name, interaction.text)
        if isinstance(picked, Reply):
            return picked
        verb, rest = picked
        return await verb.handler(Command(actor, rest, where), deps)
    if kind is Kind.SUBMISSION and name in listeners.submissions:
        values = payloads.fields(interaction.view or {})
        return await listeners.submissions[name](Submission(actor, name, values, interaction.metadata, where), deps)
    if kind is Kind.SHORTCUT and name in listeners.shortcuts:
        shortcut = Shortcut(actor, name, where, text=interaction.text, author=interaction.author)
        return await listeners.shortcuts[name](shortcut, deps)
    if kind is Kind.BLOCK_ACTION and name in listeners.block_actions:
        return await listeners.block_actions[name](_click(interaction, actor), deps)
    is_field = interaction.in_modal and "/" in name  # a choice in a form that nobody needs to hear of yet
    return Nothing() if is_field else Reply(help_text.GONE)


def _click(interaction: Interaction, actor: Actor) -> BlockAction:
    view = interaction.view or {}
    return BlockAction(
        actor,
        interaction.name,
        interaction.value,
        interaction.where,
        view=view.get("id"),
        home=interaction.in_home,
        values=payloads.fields(view),
        metadata=interaction.metadata,
    )


def placed(view: dict[str, Any], interaction: Interaction) -> dict[str, Any]:
    return {**view, "private_metadata": payloads.pack(interaction.where, str(view.get("private_metadata") or ""))}


def _not_opened(modal: Modal, problem: Undeliverable) -> Answer:
    if problem.error in SPENT:
        return Nothing()  # the same click came twice, or the form has changed since: what is on the screen counts
    label, action, value = modal.opener
    if not action:
        return Reply(help_text.TOO_SLOW.format(next=help_text.AGAIN))
    return button(help_text.TOO_SLOW.format(next=help_text.PRESS), label, action, value)


def button(text: str, label: str, action: str, value: str) -> Reply:
    return Reply(text, blocks=[help_text.section(text), help_text.opener(label, action, value)])


# --- answers, in Slack's shapes ------------------------------------------------------------------------------------


def as_answer(interaction: Interaction, found: Outcome) -> Answer:
    """A problem with a form is shown in the form, under its first field."""
    if not isinstance(found, Problem):
        return _named_by_block(interaction, found) if isinstance(found, FieldErrors) else found
    sentence = help_text.sentence(found.sentence)
    first = next(iter(payloads.field_blocks(interaction.view or {}).values()), None)
    if interaction.kind is Kind.SUBMISSION and first is not None:
        return FieldErrors({first: sentence})
    return Reply(sentence)


def _named_by_block(interaction: Interaction, errors: FieldErrors) -> Answer:
    blocks = payloads.field_blocks(interaction.view or {})
    if not blocks:
        return Reply("\n".join(errors.errors.values()))
    first = next(iter(blocks.values()))
    return FieldErrors({blocks.get(name, first): sentence for name, sentence in errors.errors.items()})


def late_reply(answer: Answer) -> Answer:
    """A form that was closed already cannot show its errors: they are said."""
    if isinstance(answer, FieldErrors):
        return Reply("That was not done. " + " ".join(answer.errors.values()))
    return answer


def acknowledgement(interaction: Interaction, answer: Answer) -> BoltResponse:
    if interaction.kind is Kind.COMMAND and isinstance(answer, Reply):
        return BoltResponse(status=200, body=message(answer))
    if interaction.kind is Kind.SUBMISSION and isinstance(answer, FieldErrors):
        return BoltResponse(status=200, body={"response_action": "errors", "errors": dict(answer.errors)})
    if interaction.kind is Kind.SUBMISSION and isinstance(answer, Modal):
        return BoltResponse(status=200, body={"response_action": "update", "view": placed(answer.view, interaction)})
    return empty()


def empty() -> BoltResponse:
    return BoltResponse(status=200, body="")


def message(reply: Reply) -> dict[str, Any]:
    kind, blocks = "in_channel" if reply.public else "ephemeral", {"blocks": reply.blocks} if reply.blocks else {}
    return {"response_type": kind, "text": mrkdwn.clip(reply.text, TEXT_LIMIT), **blocks}


def response(reply: Reply, interaction: Interaction) -> dict[str, Any]:
    """`replace` swaps the message that was pressed, anything else is a message of its own."""
    body = message(reply) | {"replace_original": reply.replace}
    thread = interaction.where.thread
    return body | ({"thread_ts": thread} if thread and not reply.replace else {})


def with_opener(answer: Answer, said: str) -> Answer:
    """Where no modal can be opened. `said` is the command in its own words."""
    if not isinstance(answer, Modal):
        return answer
    label, action, value = answer.opener
    if not action:
        return Reply(help_text.HERE.format(command=mrkdwn.literal(said)))
    return button(help_text.PRESS, label, action, value)
