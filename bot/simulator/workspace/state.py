"""The workspace's memory: people, channels, messages, views, files, and the one-use tickets Slack hands out."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from bot.simulator.workspace.changes import Changes
from bot.simulator.workspace.clock import SimClock
from bot.simulator.workspace.errors import possible
from bot.simulator.workspace.journal import Journal
from bot.simulator.workspace.manifest import Manifest

TEAM_ID, TEAM_NAME, TEAM_DOMAIN = "T0SIM", "Simulated", "simulated"
OTHER_TEAM_ID = "T0OTHER"
APP_ID, BOT_ID, BOT_USER = "A0TOCSIN", "B0TOCSIN", "U0TOCSIN"
VERIFICATION_TOKEN = "simulated-verification-token"  # noqa: S105  Slack sends one with each payload; the app never checks it
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

    @property
    def root_ts(self) -> str:
        return self.thread_ts or self.ts

    @property
    def app_may_edit(self) -> bool:
        return self.by_app and not self.ephemeral_to


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
    """The ts of the first messages of locked threads: no answers, no reactions."""

    def is_locked(self, message: Message) -> bool:
        return message.root_ts in self.locked

    @property
    def family(self) -> str:
        if self.is_im or self.is_mpim:
            return "im" if self.is_im else "mpim"
        return "groups" if self.is_private else "channels"

    def is_open_to(self, user: str) -> bool:
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
    user: str
    issued_at: float
    used: bool = False


@dataclass
class ResponseUrl:
    """A place to answer one interaction: five posts in thirty minutes."""

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


class Workspace:
    """Plain dictionaries; the rules are in the modules that use them."""

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
        self.notices: dict[str, deque[Json]] = {}
        self.url = ""
        self.emit: Callable[[Json, Channel | None], None] = lambda event, channel: None
        self._last_ts = 0
        self._ids = 0

    def new_id(self, prefix: str) -> str:
        """The same in every run."""
        self._ids += 1
        return f"{prefix}0{_base36(self._ids).rjust(8, '0')}"

    def new_ts(self) -> str:
        """Slack's time, strictly increasing, `seconds.microseconds`."""
        self._last_ts = max(int(self.clock.wall() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def new_hex(self, below: int, digits: int) -> str:
        """Under `below`; the same in every run."""
        return f"{self.random.randrange(below):0{digits}x}"

    def epoch(self) -> int:
        return int(self.clock.wall())

    def add_channel(self, channel: Channel) -> None:
        self.channels[channel.id] = channel
        self.channel_names[channel.name] = channel.id

    def show(self, event: Json, channel: Channel | None) -> None:
        self.emit(event, channel)
        self.changes.mark()

    def record(self, entry: str, **details: Any) -> None:
        self.journal.add(entry, self.clock.wall(), **details)

    def violation(self, sentence: str, **details: Any) -> None:
        self.record("violation", violation=sentence, **details)

    def new_trigger(self, user: str) -> str:
        number = self.random.randrange(10**11, 10**12)
        trigger_id = f"{number}.{len(self.triggers) + 1:010d}.{self.new_hex(16**32, 32)}"
        self.triggers[trigger_id] = Trigger(user, self.clock.wall())
        return trigger_id

    def new_response_url(self, user: str, channel: str, source: Message | None = None) -> str:
        key = self.new_hex(16**24, 24)
        self.response_urls[key] = ResponseUrl(user, channel, self.clock.wall(), source)
        return f"{self.url}/response/{TEAM_ID}/{key}"

    def notify(self, user: str, kind: str, text: str) -> None:
        notice = {"id": self.new_id("N"), "at": self.clock.now().isoformat(), "kind": kind, "text": text}
        self.notices.setdefault(user, deque(maxlen=KEPT_NOTICES)).append(notice)
        self.record("notice", user=user, kind=kind, text=text)
        self.changes.mark()

    def find_person(self, who: object) -> Person:
        wanted = str(who).removeprefix("@")
        found = self.people.get(wanted) or self.named(wanted) or self.people.get(wanted.upper())
        return possible(found, "user_not_found", f"There is nobody called {wanted} in this workspace.")

    def named(self, word: str) -> Person | None:
        wanted = word.lower()
        return next((p for p in self.people.values() if wanted in (p.name.lower(), p.real_name.lower())), None)

    def find_channel(self, what: object) -> Channel:
        wanted = str(what).removeprefix("#")
        found = self.channels.get(wanted) or self.channels.get(self.channel_names.get(wanted.lower(), ""))
        return possible(found, "channel_not_found", f"There is no channel called {wanted}.")


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[rest] + digits
    return digits or "0"
