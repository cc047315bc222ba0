"""What is to be told of runs, as deliveries: written in the transaction of the fact, rendered when they are sent."""

from __future__ import annotations

from typing import Any

from bot.domain.outgoing.delivery import EDITS, POST, UPDATE, NewDelivery
from bot.domain.people.access import USER
from bot.domain.runs.approval import ApprovalRequest
from bot.domain.runs.run import Run

QUESTION = "run.question"
MANUAL = "run.manual"


def live(run: Run) -> NewDelivery:
    """The run's message, which is edited as it goes and whose thread holds the rest."""
    return NewDelivery("run.post", run.name, POST, rate_limit=run.channel, rank=run.rank, dedupe_key=f"run:{run.id}")


def edit(run_id: int, rank: int) -> NewDelivery:
    return NewDelivery(
        "run.edit", f"RUN-{run_id}", UPDATE, rate_limit=EDITS, rank=rank, collapse_key=f"run.edit:{run_id}"
    )


def approval(run: Run, asked: ApprovalRequest) -> NewDelivery:
    return _in_thread(run, "run.approval", f"approval:{asked.id}", request_id=asked.id)


def approval_edit(run: Run, request_id: int) -> NewDelivery:
    key = f"run.approval.edit:{request_id}"
    return NewDelivery(
        "run.approval.edit", run.name, UPDATE, {"request_id": request_id}, rank=run.rank, collapse_key=key
    )


def question(run: Run, step: str, attempt: int) -> NewDelivery:
    """Whether a `once` step happened."""
    return _in_thread(run, QUESTION, asked_key(QUESTION, run.id, step, attempt), step=step, attempt=attempt)


def manual(run: Run, step: str, attempt: int) -> NewDelivery:
    return _in_thread(run, MANUAL, asked_key(MANUAL, run.id, step, attempt), step=step, attempt=attempt)


def asked_key(kind: str, run_id: int, step: str, attempt: int) -> str:
    """What a question to people is known by, once and for all."""
    return f"{kind}:{run_id}:{step}:{attempt}"


def asked_edit(run: Run, kind: str, step: str, attempt: int) -> NewDelivery:
    """Its message, when somebody has answered."""
    payload = {"kind": kind, "step": step, "attempt": attempt}
    key = f"edit:{asked_key(kind, run.id, step, attempt)}"
    return NewDelivery("run.question.edit", run.name, UPDATE, payload, rank=run.rank, collapse_key=key)


def said(run: Run, key: str, text: str, *, loud: bool = False) -> NewDelivery:
    """A sentence in the thread; `loud`: in the channel."""
    return _in_thread(run, "run.thread_note", f"said:{run.id}:{key}", text=text, loud=loud)


def direct_message(run: Run, key: str, text: str) -> NewDelivery:
    """A sentence for whoever asked for the run, where its thread cannot be written to."""
    return NewDelivery(
        "run.thread_note", run.name, POST, {"text": text, "dm": True}, rank=run.rank, dedupe_key=f"direct_message:{key}"
    )


def whole_output(run: Run, attempt: int) -> NewDelivery:
    """Everything its steps said, as a file in the thread."""
    key = f"run.file:{run.id}:{attempt}"
    return NewDelivery("run.file", run.name, "files.completeUploadExternal", rank=run.rank, dedupe_key=key)


def message(run: Run, step: str, attempt: int, to: str, text: str) -> NewDelivery:
    """What a message step says: to a channel or a person, or to a list, of whom each gets a direct message."""
    key = f"run.message:{run.id}:{step}:{attempt}"
    payload = {"to": to, "text": text}
    is_one = to.startswith("slack:") or bool(USER.fullmatch(to.removeprefix("dm:")))
    if is_one:
        return NewDelivery("run.message", run.name, POST, payload, rank=run.rank, dedupe_key=key)
    return NewDelivery("run.message.recipients", run.name, "users.info", payload, rank=run.rank, dedupe_key=key)


def _in_thread(run: Run, kind: str, key: str, **payload: Any) -> NewDelivery:
    return NewDelivery(kind, run.name, POST, payload, rate_limit=run.channel, rank=run.rank, dedupe_key=key)
