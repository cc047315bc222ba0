"""Slack's questions with no Slack in them: what people ask (Ask, Press, …), what they are answered (Reply, Modal)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bot.domain.people.person import Actor

if TYPE_CHECKING:
    from bot.deps import Deps

Block = dict[str, Any]


@dataclass(frozen=True)
class Where:
    """A place in the workspace: a channel, and the thread or message in it."""

    channel: str | None = None
    thread: str | None = None  # ts of the thread's parent
    ts: str | None = None  # ts of the message that was pressed or marked


@dataclass(frozen=True)
class Ask:
    """A sentence for the bot: `/incident <text>`, or the same in a mention. `text` has no verb in it any more."""

    by: Actor
    text: str
    where: Where
    can_open_modal: bool = True  # a mention has no trigger: it gets a button instead


@dataclass(frozen=True)
class Press:
    """A click on a button or a choice in a select. `value` is the subject's id or the chosen key."""

    by: Actor
    action: str
    value: str
    where: Where
    view: str | None = None  # id of the view it was pressed in
    home: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)  # what that modal holds at this moment, by field
    carried: str = ""  # that modal's private_metadata


@dataclass(frozen=True)
class Submission:
    """A modal sent off. `values` is field name -> text, key, list of keys or bool; `carried` is private_metadata."""

    by: Actor
    callback: str
    values: Mapping[str, Any]
    carried: str
    where: Where


@dataclass(frozen=True)
class Mark:
    """A shortcut: global, or on the message `where` with its text and author."""

    by: Actor
    callback: str
    where: Where
    text: str = ""
    author: str = ""


@dataclass(frozen=True)
class Reply:
    """What the person reads, only them unless `public`. `replace` swaps the ephemeral message that was pressed."""

    text: str
    blocks: list[Block] = field(default_factory=list)
    public: bool = False
    replace: bool = False


@dataclass(frozen=True)
class Modal:
    """A view to open, or, when pressed in a modal, what that modal becomes.

    `opener` is the button for places where no modal can be opened (a mention), or where Slack was too slow.
    """

    view: dict[str, Any]
    opener: tuple[str, str, str] = ("", "", "")  # label, action_id, value


@dataclass(frozen=True)
class FieldErrors:
    """What is wrong with a submission, by field name: the modal stays open and keeps what was typed."""

    errors: Mapping[str, str]


@dataclass(frozen=True)
class Nothing:
    """Acknowledged; whatever happens shows elsewhere (the card, the thread)."""


Answer = Reply | Modal | FieldErrors | Nothing

AskFunction = Callable[["Ask", "Deps"], Awaitable[Answer]]
PressFunction = Callable[["Press", "Deps"], Awaitable[Answer]]
SubmissionFunction = Callable[["Submission", "Deps"], Awaitable[Answer]]
MarkFunction = Callable[["Mark", "Deps"], Awaitable[Answer]]


@dataclass(frozen=True)
class Verb:
    """One thing people can say after a command. `usage` (what follows the verb) and `summary` make the help."""

    ask: AskFunction
    usage: str
    summary: str


@dataclass(frozen=True)
class Table:
    """Everything the bot can do. Read `commands/__init__.py`."""

    commands: Mapping[str, Mapping[str, Verb]]  # "/incident" -> verb -> what it does; "" is the bare command
    aliases: Mapping[str, Mapping[str, str]]  # "/incident" -> alias -> verb
    shapes: Mapping[str, Mapping[str, str]]  # "/incident" -> how an id looks -> the verb meant by an id alone
    presses: Mapping[str, PressFunction]  # action_id up to the colon
    submissions: Mapping[str, SubmissionFunction]  # callback_id
    marks: Mapping[str, MarkFunction]  # callback_id of a shortcut
    home: Callable[[Actor, Deps], Awaitable[dict[str, Any]]]
    events: Mapping[str, Callable[[dict[str, Any], Actor, Deps], Awaitable[None]]]  # event type -> what it means
