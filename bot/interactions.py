"""Slack's questions with no Slack in them: what people ask (Command, BlockAction, …) and are answered (Reply, …)."""

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
class Command:
    """A sentence for the bot: `/incident <text>`, or the same in a mention. `text` is what follows the verb."""

    by: Actor
    text: str
    where: Where
    can_open_modal: bool = True  # a mention has no trigger: it gets a button instead


@dataclass(frozen=True)
class BlockAction:
    """A click on a button or a choice in a select. `value` is the subject's id or the chosen key."""

    by: Actor
    action: str
    value: str
    where: Where
    view: str | None = None  # id of the view it was pressed in
    home: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)  # what that modal holds at this moment, by field
    metadata: str = ""  # that modal's private_metadata

    def text(self, name: str) -> str:
        return str(self.values.get(name) or "")


@dataclass(frozen=True)
class Submission:
    """A modal sent off. `values` is field name -> text, key, list of keys or bool; `metadata` is private_metadata."""

    by: Actor
    callback: str
    values: Mapping[str, Any]
    metadata: str
    where: Where

    def text(self, name: str) -> str:
        return str(self.values.get(name) or "")


@dataclass(frozen=True)
class Shortcut:
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

CommandHandler = Callable[["Command", "Deps"], Awaitable[Answer]]
BlockActionHandler = Callable[["BlockAction", "Deps"], Awaitable[Answer]]
SubmissionHandler = Callable[["Submission", "Deps"], Awaitable[Answer]]
ShortcutHandler = Callable[["Shortcut", "Deps"], Awaitable[Answer]]


@dataclass(frozen=True)
class Subcommand:
    """One thing people can say after a command. `usage` (what follows the verb) and `summary` make the help."""

    handler: CommandHandler
    usage: str
    summary: str


@dataclass(frozen=True)
class Listeners:
    """Everything the bot can do. Read `commands/__init__.py`."""

    commands: Mapping[str, Mapping[str, Subcommand]]  # "/incident" -> verb -> what it does; "" is the bare command
    aliases: Mapping[str, Mapping[str, str]]  # "/incident" -> alias -> verb
    shapes: Mapping[str, Mapping[str, str]]  # "/incident" -> how an id looks -> the verb meant by an id alone
    block_actions: Mapping[str, BlockActionHandler]  # action_id up to the colon
    submissions: Mapping[str, SubmissionHandler]  # callback_id
    shortcuts: Mapping[str, ShortcutHandler]  # callback_id of a shortcut
    home: Callable[[Actor, Deps], Awaitable[dict[str, Any]]]
    events: Mapping[str, Callable[[dict[str, Any], Actor, Deps], Awaitable[None]]]  # event type -> what it means
