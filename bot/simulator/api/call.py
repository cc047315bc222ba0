"""One Web API call: the caller, its arguments, and the checks that methods share."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.simulator.arguments import Args
from bot.simulator.delivery.sockets import Sockets
from bot.simulator.workspace.errors import Refused, existing, refuse
from bot.simulator.workspace.state import BOT_USER, Channel, Json, Message, Person, Workspace

Item = TypeVar("Item")
MOST_ITEMS = 1000
SCOPE_FAMILIES = ("channels", "groups", "im", "mpim")


@dataclass(frozen=True)
class Call:
    """What a method's function is handed. `scopes` are those any one of which opens the method."""

    args: Args
    workspace: Workspace
    sockets: Sockets
    scopes: tuple[str, ...] = ()
    user: str = BOT_USER

    def visible_channel(self, channel_id: str) -> Channel:
        channel = existing(self.workspace.channels.get(channel_id), "channel_not_found")
        refuse(channel_not_found=not channel.is_open_to(self.user))
        return channel

    def channel(self, name: str = "channel") -> Channel:
        channel = self.visible_channel(self.args.text(name))
        self.need_scope_for(channel.family)
        return channel

    def joined_channel(self) -> Channel:
        channel = self.channel()
        refuse(is_archived=channel.archived, not_in_channel=self.user not in channel.members)
        return channel

    def plain_channel(self) -> Channel:
        channel = self.channel()
        refuse(method_not_supported_for_channel_type=channel.is_im or channel.is_mpim)
        return channel

    def need_scope_for(self, family: str) -> None:
        """conversations.* ask for channels:…, groups:…, im:…, mpim:…"""
        if any(scope.split(":")[0] in SCOPE_FAMILIES for scope in self.scopes):
            self.workspace.manifest.need_any([scope for scope in self.scopes if scope.split(":")[0] == family])

    def person(self, user_id: str, code: str = "user_not_found") -> Person:
        return existing(self.workspace.people.get(user_id), code)

    def message(self, channel: Channel, name: str = "ts") -> Message:
        return existing(channel.messages.get(self.args.text(name)), "message_not_found")

    def thread(self, channel: Channel) -> str | None:
        if "thread_ts" not in self.args:
            return None
        parent = existing(channel.messages.get(self.args.text("thread_ts")), "cannot_reply_to_message")
        refuse(
            cannot_reply_to_message=(parent.subtype or "").startswith("channel_"),
            restricted_action_thread_locked=channel.is_locked(parent),
        )
        return parent.root_ts

    def page(self, items: Sequence[Item], default: int = 100) -> tuple[list[Item], Json]:
        limit = self.args.number("limit", default) or default
        refuse(invalid_limit=limit < 0)
        start = self._start(len(items))
        end = start + min(limit, MOST_ITEMS)
        cursor = base64.b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
        return list(items[start:end]), {"next_cursor": cursor}

    def listing(self, name: str, items: Sequence[Item], show: Callable[[Item], Any], default: int = 100) -> Json:
        page, metadata = self.page(items, default)
        return {name: [show(one) for one in page], "response_metadata": metadata}

    def _start(self, count: int) -> int:
        if "cursor" not in self.args:
            return 0
        try:
            word, _, offset = base64.b64decode(self.args.text("cursor"), validate=True).decode().partition(":")
            start = int(offset)
        except (binascii.Error, ValueError) as problem:
            raise Refused("invalid_cursor") from problem
        refuse(invalid_cursor=word != "next" or not 0 <= start <= count)
        return start
