"""What is to be told of runs, as deliveries: written in the transaction of the fact, rendered when they are sent."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.outgoing.delivery import EDITS, UPDATE, Movable, NewDelivery, Payload
from bot.domain.people.access import USER
from bot.domain.runs.approval import ApprovalRequest
from bot.domain.runs.run import Run
from bot.services.messaging import fan_out, file_upload

# --- the live message -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PostRun(Movable, kind="run.post"):
    """The run's message, which is edited as it goes and whose thread holds the rest."""


@dataclass(frozen=True)
class EditRun(Payload, kind="run.edit", method=UPDATE):
    """That message."""


def live(run: Run) -> NewDelivery:
    return _in_channel(run, PostRun(), posting(run))


def posting(run: Run) -> str:
    return f"run:{run.id}"


def edit(run_id: int, rank: int) -> NewDelivery:
    return NewDelivery(EditRun(), f"RUN-{run_id}", rate_limit=EDITS, rank=rank, collapse_key=f"run.edit:{run_id}")


# --- questions to people ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AskApproval(Movable, kind="run.approval"):
    request_id: int


@dataclass(frozen=True)
class EditApproval(Payload, kind="run.approval.edit", method=UPDATE):
    """That message, when something has become of the request."""

    request_id: int


@dataclass(frozen=True)
class AskUnknown(Movable, kind="run.question"):
    """Whether a `once` step happened."""

    step: str
    attempt: int


@dataclass(frozen=True)
class AskManual(Movable, kind="run.manual"):
    step: str
    attempt: int


@dataclass(frozen=True)
class EditQuestion(Payload, kind="run.question.edit", method=UPDATE):
    """The message of an AskUnknown or AskManual, by its kind, when somebody has answered."""

    asked: str
    step: str
    attempt: int


def approval(run: Run, asked: ApprovalRequest) -> NewDelivery:
    return _in_channel(run, AskApproval(asked.id), asking(asked.id))


def asking(request_id: int) -> str:
    return f"approval:{request_id}"


def approval_edit(run: Run, request_id: int) -> NewDelivery:
    return NewDelivery(
        EditApproval(request_id), run.name, rank=run.rank, collapse_key=f"run.approval.edit:{request_id}"
    )


def question(run: Run, asked: AskUnknown | AskManual) -> NewDelivery:
    return _in_channel(run, asked, asked_key(run, asked))


def asked_key(run: Run, asked: AskUnknown | AskManual) -> str:
    return f"{asked.kind}:{run.id}:{asked.step}:{asked.attempt}"


def question_edit(run: Run, asked: AskUnknown | AskManual) -> NewDelivery:
    edited = EditQuestion(asked.kind, asked.step, asked.attempt)
    return NewDelivery(edited, run.name, rank=run.rank, collapse_key=f"edit:{asked_key(run, asked)}")


# --- what a run says --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunNote(Movable, kind="run.thread_note"):
    """A sentence in the thread; `loud`: in the channel."""

    text: str
    loud: bool = False


@dataclass(frozen=True)
class UploadOutput(Payload, kind="run.file", method=file_upload.METHOD):
    """Everything its steps said, as a text file in the thread."""


@dataclass(frozen=True)
class RunMessage(Payload, kind="run.message"):
    """What a message step says to a channel or one person."""

    to: str
    text: str


@dataclass(frozen=True)
class RunMessageToAll(Payload, kind="run.message.recipients", method=fan_out.METHOD):
    """What a message step says to a list, of whom each gets a direct message."""

    to: str
    text: str


def said(run: Run, key: str, text: str, *, loud: bool = False) -> NewDelivery:
    return _in_channel(run, RunNote(text, loud), f"said:{run.id}:{key}")


def direct_message(run: Run, key: str, text: str) -> NewDelivery:
    return NewDelivery(RunNote(text, elsewhere=True), run.name, rank=run.rank, dedupe_key=f"direct_message:{key}")


def whole_output(run: Run, attempt: int) -> NewDelivery:
    return NewDelivery(UploadOutput(), run.name, rank=run.rank, dedupe_key=f"run.file:{run.id}:{attempt}")


def message(run: Run, step: str, attempt: int, to: str, text: str) -> NewDelivery:
    is_one = to.startswith("slack:") or bool(USER.fullmatch(to.removeprefix("dm:")))
    kind = RunMessage if is_one else RunMessageToAll
    return NewDelivery(kind(to, text), run.name, rank=run.rank, dedupe_key=f"run.message:{run.id}:{step}:{attempt}")


def _in_channel(run: Run, message: Payload, key: str) -> NewDelivery:
    return NewDelivery(message, run.name, rate_limit=run.channel, rank=run.rank, dedupe_key=key)
