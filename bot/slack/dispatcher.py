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
from bot.interactions import Answer, Ask, FieldErrors, Mark, Modal, Nothing, Press, Reply, Submission, Table
from bot.priority import a_person_waits, answers_a_person
from bot.services.messaging import replies
from bot.services.workspace import permissions
from bot.slack import help_text, home, payloads
from bot.slack.background_tasks import Tasks
from bot.slack.payloads import Kind, Occasion
from bot.telemetry import Event
from bot.views.kit import mrkdwn

BUDGET_SECONDS = 2.0
REMEMBERED = 500
TEXT_LIMIT = 3_900

EXPIRED = frozenset({"expired_trigger_id", "trigger_expired", "invalid_trigger_id"})
SPENT = frozenset({"exchanged_trigger_id", "trigger_exchanged", "hash_conflict"})

Outcome = Answer | Problem


async def outcome(work: Awaitable[Answer], **about: str) -> Outcome:
    """What a question came to. Problems are answers too; a surprise becomes a calm sentence and a line in the log."""
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
    """Set once the occasion was acknowledged without its answer."""

    value: bool = False


@dataclass(frozen=True)
class _Case:
    """One occasion being answered."""

    task: asyncio.Task[Answer]
    late: _Late


class Desk:
    """Takes an occasion to the table's function and its answer back to the person."""

    def __init__(self, table: Table, deps: Callable[[], Deps], tasks: Tasks, budget_seconds: float = BUDGET_SECONDS):
        self._table = table
        self._deps = deps
        self._tasks = tasks
        self._budget_seconds = budget_seconds
        self._cases: OrderedDict[str, _Case] = OrderedDict()

    async def answer(self, occasion: Occasion) -> BoltResponse:
        """The acknowledgement, after at most two seconds. The same occasion twice is carried out once."""
        case = self._cases.get(occasion.key) or self._open(occasion)
        await asyncio.wait({case.task}, timeout=self._budget_seconds)
        if case.task.done():
            return acknowledgement(occasion, case.task.result())
        case.late.value = True
        return empty()

    def _open(self, occasion: Occasion) -> _Case:
        late = _Late()
        with a_person_waits():
            case = _Case(self._tasks.spawn(self._handle(occasion, late)), late)
        answers_a_person(case.task)
        if occasion.key:
            self._cases[occasion.key] = case
            while len(self._cases) > REMEMBERED:
                self._cases.popitem(last=False)
        return case

    async def _handle(self, occasion: Occasion, late: _Late) -> Answer:
        found = await outcome(self._ask(occasion), kind=occasion.kind.name, name=occasion.name)
        if isinstance(found, Modal):
            found = await outcome(self._show(occasion, found), kind="MODAL", name=occasion.name)
        answer = as_answer(occasion, found)
        if isinstance(answer, FieldErrors):
            # The corrected form comes with the same view and hash: it is a new question, not the old one again.
            self._cases.pop(occasion.key, None)
        self._tell(occasion, answer, is_late=late.value)
        return answer

    async def _ask(self, occasion: Occasion) -> Answer:
        deps = self._deps()
        if not deps.config.team:
            raise Problem(help_text.STARTING)  # who belongs to this workspace cannot be told yet
        about, spawn = payloads.subject(occasion), self._tasks.spawn
        person = await permissions.admitted(deps, occasion.user, deed=occasion.name, about=about, spawn=spawn)
        actor = Actor(person, key=occasion.key or None, channel=occasion.where.channel)
        return await _question(self._table, deps, occasion, actor)

    async def _show(self, occasion: Occasion, modal: Modal) -> Answer:
        """Open the modal while the trigger lives, or change the one that was pressed."""
        if occasion.kind is Kind.SUBMISSION:
            return modal  # goes back in the acknowledgement
        chat, view = self._deps().chat, placed(modal.view, occasion)
        try:
            if occasion.in_modal and occasion.view:
                known = {"view_id": occasion.view.get("id"), "hash": occasion.view.get("hash")}
                await chat.call("views.update", {**known, "view": view})
            else:
                await chat.call("views.open", {"trigger_id": occasion.trigger, "view": view})
        except Undeliverable as problem:
            return _not_opened(modal, problem)
        return Nothing()

    def _tell(self, occasion: Occasion, answer: Answer, *, is_late: bool) -> None:
        """Say what the acknowledgement cannot: answers to clicks and forms, and whatever comes too late for it."""
        if occasion.in_home and occasion.kind is Kind.PRESS:
            self._tasks.spawn(home.refresh(self._deps(), self._table, occasion.user, occasion.key))
        in_acknowledgement = occasion.kind is Kind.COMMAND and not is_late
        reply = late_reply(answer) if is_late else answer
        if isinstance(reply, Reply) and not in_acknowledgement:
            self._tasks.spawn(self._say(occasion, reply))

    async def _say(self, occasion: Occasion, reply: Reply) -> None:
        deps = self._deps()
        if occasion.response_url:
            try:
                await deps.chat.respond(occasion.response_url, response(reply, occasion))
                return
            except Undeliverable as problem:
                telemetry.get_logger().warning(Event.SLACK_ANSWER_LOST, name=occasion.name, error=problem.error)
                if problem.maybe_done:
                    return
        where = occasion.where
        await replies.send(deps, reply, to=occasion.user, where=where, key=f"answer:{occasion.key}")


async def _question(table: Table, deps: Deps, occasion: Occasion, actor: Actor) -> Answer:
    """The function that the table names, asked in its own words."""
    if occasion.kind is Kind.COMMAND:
        picked = help_text.pick(table, occasion.name, occasion.text)
        if isinstance(picked, Reply):
            return picked
        verb, rest = picked
        return await verb.ask(Ask(actor, rest, occasion.where), deps)
    if occasion.kind is Kind.SUBMISSION and occasion.name in table.submissions:
        return await table.submissions[occasion.name](_submission(occasion, actor), deps)
    if occasion.kind is Kind.MARK and occasion.name in table.marks:
        mark = Mark(actor, occasion.name, occasion.where, text=occasion.text, author=occasion.author)
        return await table.marks[occasion.name](mark, deps)
    if occasion.kind is Kind.PRESS and occasion.name in table.presses:
        return await table.presses[occasion.name](_press(occasion, actor), deps)
    is_field = occasion.in_modal and "/" in occasion.name  # a choice in a form that nobody needs to hear of yet
    return Nothing() if is_field else Reply(help_text.GONE)


def _submission(occasion: Occasion, actor: Actor) -> Submission:
    values = payloads.fields(occasion.view or {})
    return Submission(actor, occasion.name, values, occasion.carried, occasion.where)


def _press(occasion: Occasion, actor: Actor) -> Press:
    view = occasion.view or {}
    return Press(
        actor,
        occasion.name,
        occasion.value,
        occasion.where,
        view=view.get("id"),
        home=occasion.in_home,
        values=payloads.fields(view),
        carried=occasion.carried,
    )


def placed(view: dict[str, Any], occasion: Occasion) -> dict[str, Any]:
    """The view, knowing from where it was opened."""
    carried = str(view.get("private_metadata") or "")
    return {**view, "private_metadata": payloads.pack(occasion.where, carried)}


def _not_opened(modal: Modal, problem: Undeliverable) -> Answer:
    if problem.error in SPENT:
        return Nothing()  # the same click came twice, or the form has changed since: what is on the screen counts
    label, action, value = modal.opener
    if not action:
        return Reply(help_text.TOO_SLOW.format(next=help_text.AGAIN))
    return button(help_text.TOO_SLOW.format(next=help_text.PRESS), label, action, value)


def button(text: str, label: str, action: str, value: str) -> Reply:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    return Reply(text, blocks=[section, help_text.opener(label, action, value)])


# --- answers, in Slack's shapes ------------------------------------------------------------------------------------


def as_answer(occasion: Occasion, found: Outcome) -> Answer:
    """A problem with a form is shown in the form, under its first field."""
    if not isinstance(found, Problem):
        return _named_by_block(occasion, found) if isinstance(found, FieldErrors) else found
    sentence = help_text.sentence(found.sentence)
    first = next(iter(payloads.field_blocks(occasion.view or {}).values()), None)
    if occasion.kind is Kind.SUBMISSION and first is not None:
        return FieldErrors({first: sentence})
    return Reply(sentence)


def _named_by_block(occasion: Occasion, errors: FieldErrors) -> Answer:
    """Errors by field name as errors by block_id; one for a field that is not in the form goes to the first."""
    blocks = payloads.field_blocks(occasion.view or {})
    if not blocks:
        return Reply("\n".join(errors.errors.values()))
    first = next(iter(blocks.values()))
    return FieldErrors({blocks.get(name, first): sentence for name, sentence in errors.errors.items()})


def late_reply(answer: Answer) -> Answer:
    """A form that was closed already cannot show its errors: they are said."""
    if isinstance(answer, FieldErrors):
        return Reply("That was not done. " + " ".join(answer.errors.values()))
    return answer


def acknowledgement(occasion: Occasion, answer: Answer) -> BoltResponse:
    """What goes back in the answer to Slack's own request."""
    if occasion.kind is Kind.COMMAND and isinstance(answer, Reply):
        return BoltResponse(status=200, body=message(answer))
    if occasion.kind is Kind.SUBMISSION and isinstance(answer, FieldErrors):
        return BoltResponse(status=200, body={"response_action": "errors", "errors": dict(answer.errors)})
    if occasion.kind is Kind.SUBMISSION and isinstance(answer, Modal):
        return BoltResponse(status=200, body={"response_action": "update", "view": placed(answer.view, occasion)})
    return empty()


def empty() -> BoltResponse:
    """Received; nothing to show."""
    return BoltResponse(status=200, body="")


def message(reply: Reply) -> dict[str, Any]:
    body: dict[str, Any] = {"response_type": "in_channel" if reply.public else "ephemeral"}
    body["text"] = mrkdwn.clip(reply.text, TEXT_LIMIT)
    return body | ({"blocks": reply.blocks} if reply.blocks else {})


def response(reply: Reply, occasion: Occasion) -> dict[str, Any]:
    """For a response_url: `replace` swaps the message that was pressed, anything else is a message of its own."""
    body = message(reply) | {"replace_original": reply.replace}
    thread = occasion.where.thread
    return body | ({"thread_ts": thread} if thread and not reply.replace else {})


def with_opener(answer: Answer, said: str) -> Answer:
    """A modal where none can be opened: a button that opens it. `said` is the command in its own words."""
    if not isinstance(answer, Modal):
        return answer
    label, action, value = answer.opener
    if not action:
        return Reply(help_text.HERE.format(command=mrkdwn.literal(said)))
    return button(help_text.PRESS, label, action, value)
