"""chat.*: what the app says, and takes back."""

from typing import Any

from bot.simulator.api.call import Call
from bot.simulator.content import channels, messages
from bot.simulator.content.blocks import check_blocks
from bot.simulator.content.messages import Draft
from bot.simulator.workspace.errors import Refused
from bot.simulator.workspace.shapes import message_json
from bot.simulator.workspace.state import Channel, Json

MOST_CHARACTERS = 40_000
MOST_CHARACTERS_IN_UPDATE = 4_000
MOST_ATTACHMENTS = 100
MOST_METADATA_CHARACTERS = 16_000
MOST_BLOCKS_CHARACTERS = 100_000


def post_message(call: Call) -> Json:
    channel = _address(call)
    draft = read_draft(call, MOST_CHARACTERS)
    draft.thread_ts = call.thread(channel)
    draft.broadcast = call.args.flag("reply_broadcast")
    message = messages.post(call.workspace, channel, call.user, draft)
    return {"channel": channel.id, "ts": message.ts, "message": message_json(call.workspace, message, True)}


def post_ephemeral(call: Call) -> Json:
    channel = _address(call)
    person = call.person(call.args.text("user"), "user_not_in_channel")
    if person.id not in channel.members:
        raise Refused("user_not_in_channel")
    draft = read_draft(call, MOST_CHARACTERS)
    draft.thread_ts = call.thread(channel)
    message = messages.post_ephemeral(call.workspace, channel, person.id, draft)
    return {"message_ts": message.ts}


def update(call: Call) -> Json:
    channel = call.channel()
    message = call.message(channel)
    if not messages.app_is_author(message):
        raise Refused("cant_update_message")
    if channel.archived:
        raise Refused("is_inactive")
    draft = read_draft(call, MOST_CHARACTERS_IN_UPDATE)
    messages.edit(call.workspace, channel, message, draft)
    body = message_json(call.workspace, message, True)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": body}


def delete(call: Call) -> Json:
    channel = call.channel()
    message = call.message(channel)
    if not messages.app_is_author(message):
        raise Refused("cant_delete_message")
    messages.delete(call.workspace, channel, message)
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(call: Call) -> Json:
    channel = call.channel()
    message = call.message(channel, "message_ts")
    return {"channel": channel.id, "permalink": messages.permalink(call.workspace, channel, message.ts)}


def read_draft(call: Call, most_characters: int) -> Draft:
    """What the call wants to say, if Slack would take it."""
    text = call.args.text("text") or call.args.text("markdown_text")
    blocks = checked_blocks(call.args.nested("blocks"))
    attachments = checked_attachments(call.args.nested("attachments"))
    if not (text or blocks or attachments):
        raise Refused("no_text")
    if len(text) > most_characters:
        raise Refused("msg_too_long")
    return Draft(text, blocks, attachments, metadata=checked_metadata(call.args.nested("metadata")))


def checked_blocks(blocks: Any) -> list[Json]:
    if blocks is None:
        return []
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    if problems := check_blocks(blocks, "message"):
        raise Refused("invalid_blocks", *problems)
    if sum(len(str(block)) for block in blocks) > MOST_BLOCKS_CHARACTERS:
        raise Refused("msg_blocks_too_long")
    return blocks


def checked_attachments(attachments: Any) -> list[Json]:
    if attachments is None:
        return []
    if not isinstance(attachments, list) or not all(isinstance(one, dict) for one in attachments):
        raise Refused("invalid_attachments")
    if len(attachments) > MOST_ATTACHMENTS:
        raise Refused("too_many_attachments")
    for index, one in enumerate(attachments):
        if problems := check_blocks(one.get("blocks") or [], "message", f"/attachments/{index}/blocks"):
            raise Refused("invalid_blocks", *problems)
    return attachments


def checked_metadata(metadata: Any) -> Json | None:
    """`event_type` and a flat `event_payload`: scalars, objects of scalars, lists of such objects."""
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_type"), str):
        raise Refused("invalid_metadata_format")
    payload = metadata.get("event_payload")
    if not isinstance(payload, dict) or not all(_is_flat(value) for value in payload.values()):
        raise Refused("invalid_metadata_format")
    if len(str(payload)) > MOST_METADATA_CHARACTERS:
        raise Refused("metadata_too_large")
    return metadata


def _is_flat(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, dict) and _is_flat(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(item, str | int | float | bool) for item in value.values())
    return isinstance(value, str | int | float | bool)


def _address(call: Call) -> Channel:
    """A channel by id or #name, or a person, which means their direct conversation."""
    wanted = call.args.text("channel")
    if wanted in call.workspace.people:
        return channels.open_dm(call.workspace, (wanted,))[0]
    wanted = call.workspace.channel_names.get(wanted.removeprefix("#"), wanted)
    channel = call.workspace.channels.get(wanted)
    if channel is None or not channel.is_open_to(call.user):
        raise Refused("channel_not_found")
    if channel.archived:
        raise Refused("is_archived")
    if call.user not in channel.members and "chat:write.public" not in call.workspace.manifest.scopes:
        raise Refused("not_in_channel")
    return channel
