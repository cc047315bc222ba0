"""What can happen to a channel, with the lines Slack writes into it and the events that follow."""

import re
from typing import Literal

from bot.simulator.content.messages import system_message
from bot.simulator.workspace.errors import refuse
from bot.simulator.workspace.state import BOT_USER, TEAM_ID, Channel, Workspace

MOST_NAME_CHARACTERS = 80
Description = Literal["topic", "purpose"]
SHOWN_NAMES = {"topic": "topic", "purpose": "description"}


def checked_name(workspace: Workspace, name: str) -> str:
    """Lower case, no spaces or full stops, new (archived channels keep theirs)."""
    refuse(
        invalid_name_required=not name,
        invalid_name_maxlength=len(name) > MOST_NAME_CHARACTERS,
        invalid_name_punctuation=not re.search(r"\w", name.replace("_", "")),
        invalid_name_specials=not re.fullmatch(r"[a-z0-9_-]+", name),
        name_taken=name in workspace.channel_names,
    )
    return name


def create(workspace: Workspace, name: str, is_private: bool, creator: str) -> Channel:
    checked_name(workspace, name)
    channel = Channel(workspace.new_id("C"), name, creator, workspace.epoch(), is_private, members={creator: None})
    workspace.add_channel(channel)
    system_message(workspace, channel, creator, "channel_join", f"<@{creator}> has joined the channel")
    if not is_private:
        workspace.emit({"type": "channel_created", "channel": _short(channel)}, channel)
    return channel


def open_dm(workspace: Workspace, users: tuple[str, ...]) -> tuple[Channel, bool]:
    everybody = frozenset((*users, BOT_USER))
    if channel_id := workspace.dms.get(everybody):
        return workspace.channels[channel_id], True
    is_im = len(everybody) <= 2
    name = "" if is_im else "mpdm-" + "--".join(workspace.people[one].name for one in sorted(everybody)) + "-1"
    channel = Channel(
        workspace.new_id("D" if is_im else "C"),
        name,
        BOT_USER,
        workspace.epoch(),
        is_im=is_im,
        is_mpim=not is_im,
        is_private=True,
        members=dict.fromkeys((BOT_USER, *users)),
    )
    workspace.channels[channel.id] = channel
    workspace.dms[everybody] = channel.id
    workspace.changes.mark()
    return channel, False


def add_member(workspace: Workspace, channel: Channel, user: str, inviter: str | None = None) -> None:
    channel.members[user] = None
    extra = {"inviter": inviter} if inviter else {}
    system_message(workspace, channel, user, "channel_join", f"<@{user}> has joined the channel", **extra)
    _emit_membership(workspace, "member_joined_channel", channel, user, extra)


def remove_member(workspace: Workspace, channel: Channel, user: str) -> None:
    _emit_membership(workspace, "member_left_channel", channel, user, {})
    channel.members.pop(user, None)
    system_message(workspace, channel, user, "channel_leave", f"<@{user}> has left the channel")


def archive(workspace: Workspace, channel: Channel, user: str) -> None:
    system_message(workspace, channel, user, "channel_archive", f"<@{user}> archived the channel")
    channel.archived = True
    workspace.emit({"type": "channel_archive", "channel": channel.id, "user": user}, channel)
    workspace.changes.mark()


def unarchive(workspace: Workspace, channel: Channel, user: str) -> None:
    channel.archived = False
    system_message(workspace, channel, user, "channel_unarchive", f"<@{user}> un-archived the channel")
    workspace.emit({"type": "channel_unarchive", "channel": channel.id, "user": user}, channel)


def rename(workspace: Workspace, channel: Channel, name: str, user: str) -> None:
    new_name, old_name = checked_name(workspace, name), channel.name
    del workspace.channel_names[old_name]
    workspace.channel_names[new_name] = channel.id
    channel.previous_names.insert(0, old_name)
    channel.name = new_name
    words = f'<@{user}> has renamed the channel from "{old_name}" to "{new_name}"'
    system_message(workspace, channel, user, "channel_name", words, old_name=old_name, name=new_name)
    workspace.emit({"type": "channel_rename", "channel": _short(channel)}, channel)


def describe(workspace: Workspace, channel: Channel, what: Description, value: str, user: str) -> None:
    setattr(channel, what, {"value": value, "creator": user, "last_set": workspace.epoch()})
    words = f"<@{user}> set the channel {SHOWN_NAMES[what]}: {value}"
    system_message(workspace, channel, user, f"channel_{what}", words, **{what: value})


def _emit_membership(workspace: Workspace, name: str, channel: Channel, user: str, extra: dict[str, str]) -> None:
    sort = "G" if channel.is_private else "C"
    event = {"type": name, "user": user, "channel": channel.id, "channel_type": sort, "team": TEAM_ID, **extra}
    workspace.emit(event, channel)


def _short(channel: Channel) -> dict[str, object]:
    return {
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "created": channel.created,
        "is_channel": not channel.is_private,
        "is_mpim": False,
    }
