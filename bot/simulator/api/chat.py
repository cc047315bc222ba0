"""chat.*: what the app says, and takes back."""

from typing import Any

from bot.simulator.api.call import Call
from bot.simulator.content import channels, messages
from bot.simulator.content.blocks import check_blocks
from bot.simulator.content.messages import Draft
from bot.simulator.workspace.errors import Refused, refuse
from bot.simulator.workspace.shapes import message_json
from bot.simulator.workspace.state import Channel, Json

MOST_CHARACTERS = 40_000
MOST_CHARACTERS_IN_UPDATE = 4_000
MOST_ATTACHMENTS = 100
MOST_METADATA_CHARACTERS = 16_000
MOST_BLOCKS_CHARACTERS = 100_000


def post_message(call: Call) -> Json:
    channel = _address(call)
    draft = _read_draft(call, MOST_CHARACTERS)
    draft.thread_ts = call.thread(channel)
    draft.broadcast = call.args.flag("reply_broadcast")
    message = messages.post(call.workspace, channel, call.user, draft)
    return {"channel": channel.id, "ts": message.ts, "message": message_json(call.workspace, message, True)}


def post_ephemeral(call: Call) -> Json:
    channel = _address(call)
    person = call.person(call.args.text("user"), "user_not_in_channel")
    refuse(user_not_in_channel=person.id not in channel.members)
    draft = _read_draft(call, MOST_CHARACTERS)
    draft.thread_ts = call.thread(channel)
    return {"message_ts": messages.post_ephemeral(call.workspace, channel, person.id, draft).ts}


def update(call: Call) -> Json:
    channel = call.channel()
    message = call.message(channel)
    refuse(cant_update_message=not message.app_may_edit, is_inactive=channel.archived)
    messages.edit(call.workspace, channel, message, _read_draft(call, MOST_CHARACTERS_IN_UPDATE))
    body = message_json(call.workspace, message, True)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": body}


def delete(call: Call) -> Json:
    channel = call.channel()
    message = call.message(channel)
    refuse(cant_delete_message=not message.app_may_edit)
    messages.delete(call.workspace, channel, message)
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(call: Call) -> Json:
    channel = call.channel()
    message = call.message(channel, "message_ts")
    return {"channel": channel.id, "permalink": messages.permalink(call.workspace, channel, message.ts)}


def checked_draft(text: str, blocks: Any, attachments: Any, most_characters: int = MOST_CHARACTERS) -> Draft:
    draft = Draft(text, checked_blocks(blocks), _checked_attachments(attachments))
    refuse(no_text=not (text or draft.blocks or draft.attachments), msg_too_long=len(text) > most_characters)
    return draft


def checked_blocks(blocks: Any) -> list[Json]:
    if blocks is None:
        return []
    refuse(invalid_blocks_format=not isinstance(blocks, list))
    if problems := check_blocks(blocks, "message"):
        raise Refused("invalid_blocks", *problems)
    refuse(msg_blocks_too_long=sum(len(str(block)) for block in blocks) > MOST_BLOCKS_CHARACTERS)
    return list(blocks)


def _checked_attachments(attachments: Any) -> list[Json]:
    if attachments is None:
        return []
    if not isinstance(attachments, list) or not all(isinstance(one, dict) for one in attachments):
        raise Refused("invalid_attachments")
    refuse(too_many_attachments=len(attachments) > MOST_ATTACHMENTS)
    for index, one in enumerate(attachments):
        if problems := check_blocks(one.get("blocks") or [], "message", f"/attachments/{index}/blocks"):
            raise Refused("invalid_blocks", *problems)
    return attachments


def _checked_metadata(metadata: Any) -> Json | None:
    """`event_type` and a flat `event_payload`: scalars, objects of scalars, lists of such objects."""
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_type"), str):
        raise Refused("invalid_metadata_format")
    payload = metadata.get("event_payload")
    if not isinstance(payload, dict) or not all(_is_flat(value) for value in payload.values()):
        raise Refused("invalid_metadata_format")
    refuse(metadata_too_large=len(str(payload)) > MOST_METADATA_CHARACTERS)
    return metadata


def _is_flat(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, dict) and _is_flat(item) for item in value)
    scalars = value.values() if isinstance(value, dict) else (value,)
    return all(isinstance(item, str | int | float | bool) for item in scalars)


def _read_draft(call: Call, most_characters: int) -> Draft:
    text = call.args.text("text") or call.args.text("markdown_text")
    draft = checked_draft(text, call.args.nested("blocks"), call.args.nested("attachments"), most_characters)
    draft.metadata = _checked_metadata(call.args.nested("metadata"))
    return draft


def _address(call: Call) -> Channel:
    wanted = call.args.text("channel")
    if wanted in call.workspace.people:
        return channels.open_dm(call.workspace, (wanted,))[0]
    channel = call.visible_channel(call.workspace.channel_names.get(wanted.removeprefix("#"), wanted))
    is_outside = call.user not in channel.members and "chat:write.public" not in call.workspace.manifest.scopes
    refuse(is_archived=channel.archived, not_in_channel=is_outside)
    return channel
