"""The workspace's memory: people, channels, messages, views, files, and the one-use tickets Slack hands out."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from bot.simulator.workspace.changes import Changes
from bot.simulator.workspace.clock import SimClock
from bot.simulator.workspace.errors import NotPossible
from bot.simulator.workspace.journal import Journal
from bot.simulator.workspace.manifest import Manifest

TEAM_ID, TEAM_NAME, TEAM_DOMAIN = "T0SIM", "Simulated", "simulated"
OTHER_TEAM_ID = "T0OTHER"
APP_ID, BOT_ID, BOT_USER = "A0TOCSIN", "B0TOCSIN", "U0TOCSIN"
VERIFICATION_TOKEN = "simulated-verification-token"  # noqa: S105  Slack sends one with each payload; nobody checks it
KEPT_NOTICES = 100

Kind = Literal["member", "guest", "deactivated", "bot", "stranger"]
Json = dict[str, Any]


@dataclass
class Person:
    id: str
    name: str
    real_name: str
    kind: Kind = "member"
    tz: str = "Europe/London"
    tz_label: str = "Greenwich Mean Time"
    tz_offset: int = 0
    color: str = "4d5e80"
    updated: int = 0

    @property
    def email(self) -> str:
        return f"{self.name}@company.invalid"

    @property
    def team_id(self) -> str:
        return OTHER_TEAM_ID if self.kind == "stranger" else TEAM_ID


@dataclass(slots=True)
class Message:
    """One message; `ephemeral_to` names the only person who sees it. `sim_at` is the time people saw on the clock."""

    ts: str
    channel: str
    user: str
    text: str
    sim_at: datetime
    by_app: bool = False
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    subtype: str | None = None
    thread_ts: str | None = None
    broadcast: bool = False
    edited: Json | None = None
    metadata: Json | None = None
    files: list[str] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    replies: list[str] = field(default_factory=list)
    ephemeral_to: str | None = None
    extra: Json = field(default_factory=dict)

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass
class Channel:
    id: str
    name: str
    creator: str
    created: int
    is_private: bool = False
    is_im: bool = False
    is_mpim: bool = False
    archived: bool = False
    members: dict[str, None] = field(default_factory=dict)
    topic: Json = field(default_factory=lambda: {"value": "", "creator": "", "last_set": 0})
    purpose: Json = field(default_factory=lambda: {"value": "", "creator": "", "last_set": 0})
    previous_names: list[str] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    timeline: list[str] = field(default_factory=list)
    """The ts of what history shows, ascending: everything but thread replies."""
    ephemerals: dict[str, Message] = field(default_factory=dict)
    bookmarks: dict[str, Json] = field(default_factory=dict)
    pins: dict[str, Json] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)
    """The ts of the first messages of threads in which nobody may answer or react."""

    def is_locked(self, message: Message) -> bool:
        return (message.thread_ts or message.ts) in self.locked

    @property
    def family(self) -> str:
        """How Slack names this sort of conversation in scopes and event names."""
        if self.is_im:
            return "im"
        if self.is_mpim:
            return "mpim"
        return "groups" if self.is_private else "channels"

    def is_open_to(self, user: str) -> bool:
        """May this person look in: a member, or anybody where the channel is public."""
        return user in self.members or self.family == "channels"


@dataclass
class View:
    """A modal or a Home tab; `content` is what the app sent, with the ids Slack fills in."""

    id: str
    user: str
    content: Json
    hash: str
    root_id: str
    previous_id: str | None = None
    values: dict[str, dict[str, Json]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        return str(self.content["type"])


@dataclass
class Trigger:
    id: str
    user: str
    issued_at: float
    view_id: str | None = None
    used: bool = False


@dataclass
class ResponseUrl:
    """A place to answer one interaction: five posts in thirty minutes."""

    key: str
    user: str
    channel: str
    issued_at: float
    source: Message | None = None
    uses_left: int = 5


@dataclass
class File:
    id: str
    name: str
    title: str
    length: int
    user: str
    created: int
    content: bytes | None = None
    shared: bool = False
    channels: list[str] = field(default_factory=list)
    snippet_type: str | None = None


@dataclass
class UserGroup:
    id: str
    handle: str
    name: str
    users: list[str]
    created: int = 0


@dataclass
class Notice:
    """What Slack's client shows one person for a moment: a command timed out, a dialog failed."""

    id: str
    at: str
    kind: str
    text: str


class Workspace:
    """Everything one simulated workspace knows. Plain dictionaries; rules live in the modules that use them."""

    def __init__(self, manifest: Manifest, clock: SimClock, journal: Journal, changes: Changes, seed: int = 0) -> None:
        self.manifest = manifest
        self.clock = clock
        self.journal = journal
        self.changes = changes
        self.random = random.Random(seed)  # noqa: S311  repeatable on purpose
        self.people: dict[str, Person] = {}
        self.channels: dict[str, Channel] = {}
        self.channel_names: dict[str, str] = {}
        self.dms: dict[frozenset[str], str] = {}
        self.usergroups: dict[str, UserGroup] = {}
        self.files: dict[str, File] = {}
        self.views: dict[str, View] = {}
        self.external_ids: dict[str, str] = {}
        self.stacks: dict[str, list[View]] = {}
        self.homes: dict[str, View] = {}
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.notices: dict[str, deque[Notice]] = {}
        self.url = ""
        self.emit: Callable[[Json, Channel | None], None] = lambda event, channel: None
        self._last_ts = 0
        self._ids = 0

    def new_id(self, prefix: str) -> str:
        """The next id of the shape Slack uses: a letter or two, then capitals and digits; the same in every run."""
        self._ids += 1
        return f"{prefix}0{_base36(self._ids).rjust(8, '0')}"

    def new_ts(self) -> str:
        """The next message ts: Slack's time, strictly increasing, `seconds.microseconds`."""
        self._last_ts = max(int(self.clock.wall() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def epoch(self) -> int:
        return int(self.clock.wall())

    def record(self, entry: str, **details: Any) -> None:
        self.journal.add(entry, self.clock.wall(), **details)

    def violation(self, sentence: str, **details: Any) -> None:
        """Note in the journal that the app broke Slack's contract."""
        self.record("violation", violation=sentence, **details)

    def new_trigger(self, user: str, view_id: str | None = None) -> str:
        number = self.random.randrange(10**11, 10**12)
        trigger_id = f"{number}.{len(self.triggers) + 1:010d}.{self.random.randrange(16**32):032x}"
        self.triggers[trigger_id] = Trigger(trigger_id, user, self.clock.wall(), view_id)
        return trigger_id

    def new_response_url(self, user: str, channel: str, source: Message | None = None) -> str:
        key = f"{self.random.randrange(16**24):024x}"
        self.response_urls[key] = ResponseUrl(key, user, channel, self.clock.wall(), source)
        return f"{self.url}/response/{TEAM_ID}/{key}"

    def notify(self, user: str, kind: str, text: str) -> None:
        """Show one person a transient line, as Slack's client does when an app fails."""
        notice = Notice(self.new_id("N"), self.clock.now().isoformat(), kind, text)
        self.notices.setdefault(user, deque(maxlen=KEPT_NOTICES)).append(notice)
        self.record("notice", user=user, kind=kind, text=text)
        self.changes.mark()

    def find_person(self, who: object) -> Person:
        """By id or by name, whatever the case."""
        wanted = str(who).removeprefix("@")
        if person := self.people.get(wanted):
            return person
        for person in self.people.values():
            if wanted.lower() in (person.name.lower(), person.real_name.lower(), person.id.lower()):
                return person
        raise NotPossible("user_not_found", f"There is nobody called {wanted} in this workspace.")

    def find_channel(self, what: object) -> Channel:
        """By id or by name, with or without `#`."""
        wanted = str(what).removeprefix("#")
        channel_id = wanted if wanted in self.channels else self.channel_names.get(wanted.lower(), "")
        if channel := self.channels.get(channel_id):
            return channel
        raise NotPossible("channel_not_found", f"There is no channel called {wanted}.")


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[rest] + digits
    return digits or "0"
