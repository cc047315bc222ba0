"""What can happen to messages: posted, edited, deleted, reacted to, pinned; and the events that follow."""

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

from bot.simulator.content.blocks import interactive_elements
from bot.simulator.workspace.shapes import message_json
from bot.simulator.workspace.state import BOT_USER, Channel, Json, Message, Workspace

CHANNEL_TYPES = {"channels": "channel", "groups": "group", "im": "im", "mpim": "mpim"}
MENTION = re.compile(rf"<@{BOT_USER}(\|[^>]*)?>")


@dataclass
class Draft:
    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    thread_ts: str | None = None
    broadcast: bool = False
    metadata: Json | None = None
    files: list[str] = field(default_factory=list)
    subtype: str | None = None
    extra: Json = field(default_factory=dict)


def post(workspace: Workspace, channel: Channel, user: str, draft: Draft) -> Message:
    """The app hears its own messages too."""
    message = _written(workspace, channel, user, draft)
    channel.messages[message.ts] = message
    if message.is_reply and (parent := channel.messages.get(message.root_ts)):
        parent.replies.append(message.ts)
        message.subtype = "thread_broadcast" if message.broadcast else message.subtype
    if not message.is_reply or message.broadcast:
        channel.timeline.append(message.ts)
    workspace.emit(_message_event(workspace, channel, message_json(workspace, message)), channel)
    _emit_mention(workspace, channel, message)
    workspace.changes.mark()
    return message


def post_ephemeral(workspace: Workspace, channel: Channel, to: str, draft: Draft) -> Message:
    """It is in no history and raises no event."""
    message = _written(workspace, channel, BOT_USER, draft)
    message.ephemeral_to = to
    channel.ephemerals[message.ts] = message
    workspace.changes.mark()
    return message


def system_message(workspace: Workspace, channel: Channel, user: str, subtype: str, text: str, **extra: Any) -> Message:
    return post(workspace, channel, user, Draft(text, subtype=subtype, extra=extra))


def edit(workspace: Workspace, channel: Channel, message: Message, draft: Draft) -> None:
    before = message_json(workspace, message)
    message.text, message.blocks = draft.text, give_block_ids(workspace, draft.blocks)
    message.attachments = _attached(workspace, draft.attachments)
    if draft.metadata is not None:
        message.metadata = draft.metadata
    message.edited = {"user": message.user, "ts": workspace.new_ts()}
    if not message.ephemeral_to:
        after = message_json(workspace, message)
        _emit_change(workspace, channel, "message_changed", message=after, previous_message=before)
    workspace.changes.mark()


def delete(workspace: Workspace, channel: Channel, message: Message) -> None:
    """A thread's first message leaves its replies behind."""
    if channel.messages.pop(message.ts, None) and (not message.is_reply or message.broadcast):
        del channel.timeline[bisect_left(channel.timeline, message.ts)]
    channel.ephemerals.pop(message.ts, None)
    channel.pins.pop(message.ts, None)
    if message.is_reply and (parent := channel.messages.get(message.root_ts)):
        parent.replies.remove(message.ts)
    if not message.ephemeral_to:
        before = message_json(workspace, message)
        _emit_change(workspace, channel, "message_deleted", deleted_ts=message.ts, previous_message=before)
    workspace.changes.mark()


def react(workspace: Workspace, message: Message, user: str, name: str, remove: bool = False) -> bool:
    users = message.reactions.get(name, [])
    if (user in users) is not remove:
        return False
    message.reactions[name] = [one for one in users if one != user] if remove else [*users, user]
    if not message.reactions[name]:
        del message.reactions[name]
    event = {
        "type": "reaction_removed" if remove else "reaction_added",
        "user": user,
        "reaction": name,
        "item": {"type": "message", "channel": message.channel, "ts": message.ts},
        "item_user": message.user,
    }
    workspace.show(event, workspace.channels[message.channel])
    return True


def pin(workspace: Workspace, channel: Channel, message: Message, user: str) -> None:
    channel.pins[message.ts] = {"created": workspace.epoch(), "created_by": user}
    _emit_pin(workspace, "pin_added", channel, message, user)


def unpin(workspace: Workspace, channel: Channel, message: Message, user: str) -> None:
    del channel.pins[message.ts]
    _emit_pin(workspace, "pin_removed", channel, message, user, has_pins=bool(channel.pins))


def pinned_item(workspace: Workspace, channel: Channel, ts: str) -> Json:
    pin_info = channel.pins.get(ts, {"created": workspace.epoch(), "created_by": ""})
    body = message_json(workspace, channel.messages[ts]) | {"permalink": permalink(workspace, channel, ts)}
    if ts in channel.pins:
        body["pinned_to"] = [channel.id]
    return {"type": "message", "channel": channel.id, "message": body, **pin_info}


def permalink(workspace: Workspace, channel: Channel, ts: str) -> str:
    message = channel.messages[ts]
    link = f"{workspace.url}/archives/{channel.id}/p{ts.replace('.', '')}"
    return f"{link}?thread_ts={message.thread_ts}&cid={channel.id}" if message.is_reply else link


def give_block_ids(workspace: Workspace, blocks: list[Json]) -> list[Json]:
    """Slack names every block and every element that the app left nameless."""
    for block in blocks:
        block.setdefault("block_id", workspace.new_hex(36**5, 5))
        for element in interactive_elements(block):
            element.setdefault("action_id", workspace.new_hex(36**5, 5))
    return blocks


def _attached(workspace: Workspace, attachments: list[Json]) -> list[Json]:
    for attachment in attachments:
        give_block_ids(workspace, attachment.get("blocks") or [])
    return attachments


def _written(workspace: Workspace, channel: Channel, user: str, draft: Draft) -> Message:
    return Message(
        ts=workspace.new_ts(),
        channel=channel.id,
        user=user,
        text=draft.text,
        sim_at=workspace.clock.now(),
        by_app=user == BOT_USER and draft.subtype is None,
        blocks=give_block_ids(workspace, draft.blocks),
        attachments=_attached(workspace, draft.attachments),
        subtype=draft.subtype,
        thread_ts=draft.thread_ts,
        broadcast=draft.broadcast,
        metadata=draft.metadata,
        files=draft.files,
        extra=draft.extra,
    )


def _message_event(workspace: Workspace, channel: Channel, body: Json) -> Json:
    event = {**body, "channel": channel.id, "channel_type": CHANNEL_TYPES[channel.family], "event_ts": body["ts"]}
    if "bot_id" not in body and "subtype" not in body:
        event["client_msg_id"] = workspace.new_hex(16**32, 32)
    return event


def _emit_change(workspace: Workspace, channel: Channel, subtype: str, **body: Any) -> None:
    ts = workspace.new_ts()
    place = {"channel": channel.id, "channel_type": CHANNEL_TYPES[channel.family], "ts": ts, "event_ts": ts}
    workspace.emit({"type": "message", "subtype": subtype, "hidden": True, **body, **place}, channel)


def _emit_mention(workspace: Workspace, channel: Channel, message: Message) -> None:
    if channel.is_im or message.user == BOT_USER or message.subtype not in (None, "thread_broadcast", "file_share"):
        return
    if MENTION.search(message.text):
        body = message_json(workspace, message)
        body.pop("subtype", None)
        workspace.emit({**body, "type": "app_mention", "channel": channel.id, "event_ts": message.ts}, channel)


def _emit_pin(workspace: Workspace, name: str, channel: Channel, message: Message, user: str, **more: Any) -> None:
    event = {
        "type": name,
        "user": user,
        "channel_id": channel.id,
        "item": pinned_item(workspace, channel, message.ts),
        "item_user": message.user,
        "pin_count": str(len(channel.pins)),
        "pinned_info": {"channel": channel.id, "pinned_by": user, "pinned_ts": workspace.epoch()},
        **more,
    }
    workspace.show(event, channel)
