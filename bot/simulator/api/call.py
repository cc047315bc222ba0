"""One Web API call: who asks, with which arguments; and the questions every method asks first."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.simulator.arguments import Args
from bot.simulator.delivery.sockets import Sockets
from bot.simulator.workspace.errors import Refused
from bot.simulator.workspace.state import BOT_USER, Channel, Json, Message, Person, Workspace

Item = TypeVar("Item")
MOST_ITEMS = 1000
SCOPE_FAMILIES = ("channels", "groups", "im", "mpim")


@dataclass(frozen=True)
class Call:
    """What a method's function is handed. `scopes` are those any one of which opens the method."""

    method: str
    args: Args
    workspace: Workspace
    sockets: Sockets
    scopes: tuple[str, ...] = ()
    user: str = BOT_USER

    def channel(self, name: str = "channel") -> Channel:
        """The conversation the call names, if the app may know of it and has the scope for its sort."""
        channel = self.workspace.channels.get(self.args.text(name))
        if channel is None or not channel.is_open_to(self.user):
            raise Refused("channel_not_found")
        self.need_scope_for(channel.family)
        return channel

    def joined_channel(self, name: str = "channel") -> Channel:
        """The same, and the app is in it and it is not archived."""
        channel = self.channel(name)
        if channel.archived:
            raise Refused("is_archived")
        if self.user not in channel.members:
            raise Refused("not_in_channel")
        return channel

    def plain_channel(self, name: str = "channel") -> Channel:
        """The same as `channel`, but direct conversations are refused."""
        channel = self.channel(name)
        if channel.is_im or channel.is_mpim:
            raise Refused("method_not_supported_for_channel_type")
        return channel

    def need_scope_for(self, family: str) -> None:
        """conversations.* ask for the scope of that sort of conversation: channels:…, groups:…, im:…, mpim:…"""
        own = [scope for scope in self.scopes if scope.split(":")[0] in SCOPE_FAMILIES]
        needed = [scope for scope in own if scope.split(":")[0] == family]
        granted = self.workspace.manifest.scopes
        if own and not granted.intersection(needed):
            raise Refused("missing_scope", needed=",".join(needed), provided=",".join(sorted(granted)))

    def person(self, user_id: str, code: str = "user_not_found") -> Person:
        if person := self.workspace.people.get(user_id):
            return person
        raise Refused(code)

    def message(self, channel: Channel, name: str = "ts") -> Message:
        """A message everybody in the channel sees; ephemeral ones cannot be named."""
        if message := channel.messages.get(self.args.text(name)):
            return message
        raise Refused("message_not_found")

    def thread(self, channel: Channel) -> str | None:
        """The first message of the thread that `thread_ts` names; Slack's own lines have no threads."""
        if "thread_ts" not in self.args:
            return None
        parent = channel.messages.get(self.args.text("thread_ts"))
        if parent is None or (parent.subtype or "").startswith("channel_"):
            raise Refused("cannot_reply_to_message")
        if channel.is_locked(parent):
            raise Refused("restricted_action_thread_locked")
        return parent.thread_ts if parent.is_reply else parent.ts

    def page(self, items: Sequence[Item], default: int = 100) -> tuple[list[Item], Json]:
        """The slice that `cursor` and `limit` ask for, and the response_metadata that leads to the next one."""
        limit = self.args.number("limit", default) or default
        if limit < 0:
            raise Refused("invalid_limit")
        start = self._start(len(items))
        end = start + min(limit, MOST_ITEMS)
        cursor = base64.b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
        return list(items[start:end]), {"next_cursor": cursor}

    def _start(self, count: int) -> int:
        if "cursor" not in self.args:
            return 0
        try:
            word, _, offset = base64.b64decode(self.args.text("cursor"), validate=True).decode().partition(":")
            start = int(offset)
        except (binascii.Error, ValueError) as problem:
            raise Refused("invalid_cursor") from problem
        if word != "next" or not 0 <= start <= count:
            raise Refused("invalid_cursor")
        return start
