"""What can happen to a channel, with the lines Slack writes into it and the events that follow."""

import re

from bot.simulator.content.messages import system_message
from bot.simulator.workspace.errors import Refused
from bot.simulator.workspace.state import BOT_USER, TEAM_ID, Channel, Workspace

MOST_NAME_CHARACTERS = 80
NAME_RULE = re.compile(r"[\w-]+")


def checked_name(workspace: Workspace, name: str) -> str:
    """The name, if Slack would take it: lower case, no spaces or full stops, new (archived channels keep theirs)."""
    if not name:
        raise Refused("invalid_name_required")
    if len(name) > MOST_NAME_CHARACTERS:
        raise Refused("invalid_name_maxlength")
    if not re.search(r"\w", name.replace("_", "")):
        raise Refused("invalid_name_punctuation")
    if name != name.lower() or not NAME_RULE.fullmatch(name) or not name.isascii():
        raise Refused("invalid_name_specials")
    if name in workspace.channel_names:
        raise Refused("name_taken")
    return name


def create(workspace: Workspace, name: str, is_private: bool, creator: str) -> Channel:
    channel = Channel(
        workspace.new_id("C"), checked_name(workspace, name), creator, workspace.epoch(), is_private=is_private
    )
    workspace.channels[channel.id] = channel
    workspace.channel_names[channel.name] = channel.id
    channel.members[creator] = None
    system_message(workspace, channel, creator, "channel_join", f"<@{creator}> has joined the channel")
    if not is_private:
        workspace.emit({"type": "channel_created", "channel": _short(channel)}, channel)
    return channel


def open_dm(workspace: Workspace, users: tuple[str, ...]) -> tuple[Channel, bool]:
    """The direct conversation between the bot and these people; True when it existed before."""
    everybody = frozenset((*users, BOT_USER))
    if channel_id := workspace.dms.get(everybody):
        return workspace.channels[channel_id], True
    is_im = len(everybody) <= 2
    channel_id = workspace.new_id("D" if is_im else "C")
    name = "" if is_im else "mpdm-" + "--".join(workspace.people[one].name for one in sorted(everybody)) + "-1"
    channel = Channel(channel_id, name, BOT_USER, workspace.epoch(), is_im=is_im, is_mpim=not is_im, is_private=True)
    channel.members.update(dict.fromkeys((BOT_USER, *users)))
    workspace.channels[channel_id] = channel
    workspace.dms[everybody] = channel_id
    workspace.changes.mark()
    return channel, False


def add_member(workspace: Workspace, channel: Channel, user: str, inviter: str | None = None) -> None:
    channel.members[user] = None
    extra = {"inviter": inviter} if inviter else {}
    system_message(workspace, channel, user, "channel_join", f"<@{user}> has joined the channel", **extra)
    event = {
        "type": "member_joined_channel",
        "user": user,
        "channel": channel.id,
        "channel_type": "G" if channel.is_private else "C",
        "team": TEAM_ID,
        **extra,
    }
    workspace.emit(event, channel)


def remove_member(workspace: Workspace, channel: Channel, user: str) -> None:
    event = {
        "type": "member_left_channel",
        "user": user,
        "channel": channel.id,
        "channel_type": "G" if channel.is_private else "C",
        "team": TEAM_ID,
    }
    workspace.emit(event, channel)
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


def set_topic(workspace: Workspace, channel: Channel, value: str, user: str) -> None:
    channel.topic = {"value": value, "creator": user, "last_set": workspace.epoch()}
    words = f"<@{user}> set the channel topic: {value}"
    system_message(workspace, channel, user, "channel_topic", words, topic=value)


def set_purpose(workspace: Workspace, channel: Channel, value: str, user: str) -> None:
    channel.purpose = {"value": value, "creator": user, "last_set": workspace.epoch()}
    words = f"<@{user}> set the channel description: {value}"
    system_message(workspace, channel, user, "channel_purpose", words, purpose=value)


def _short(channel: Channel) -> dict[str, object]:
    return {
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "created": channel.created,
        "is_channel": not channel.is_private,
        "is_mpim": False,
    }
