"""pins.*, bookmarks.*, reactions.*: what people and the app attach to channels and messages."""

import re

from bot.simulator.api.call import Call
from bot.simulator.content import messages
from bot.simulator.workspace.errors import Refused
from bot.simulator.workspace.shapes import message_json, reactions_json
from bot.simulator.workspace.state import APP_ID, Channel, Json, Message

MOST_PINS = 100
MOST_BOOKMARKS = 100
MOST_REACTIONS = 23
TIMESTAMP = re.compile(r"\d{10,}\.\d{6}")


def add_pin(call: Call) -> Json:
    channel, message = _item(call)
    if call.user not in channel.members:
        raise Refused("not_in_channel")
    if message.ts in channel.pins:
        raise Refused("already_pinned")
    if len(channel.pins) >= MOST_PINS:
        raise Refused("too_many_pins")
    messages.pin(call.workspace, channel, message, call.user)
    return {}


def remove_pin(call: Call) -> Json:
    channel, message = _item(call)
    if message.ts not in channel.pins:
        raise Refused("no_pin")
    messages.unpin(call.workspace, channel, message, call.user)
    return {}


def list_pins(call: Call) -> Json:
    channel = call.channel()
    return {"items": [messages.pinned_item(call.workspace, channel, ts) for ts in reversed(channel.pins)]}


def add_bookmark(call: Call) -> Json:
    channel = _bookmarkable(call)
    if call.args.text("type") != "link":
        raise Refused("invalid_bookmark_type")
    if len(channel.bookmarks) >= MOST_BOOKMARKS:
        raise Refused("too_many_bookmarks")
    now = call.workspace.epoch()
    bookmark: Json = {
        "id": call.workspace.new_id("Bk"),
        "channel_id": channel.id,
        "title": _title(call),
        "link": _link(call),
        "emoji": call.args.text("emoji") or None,
        "icon_url": None,
        "type": "link",
        "entity_id": None,
        "date_created": now,
        "date_updated": 0,
        "rank": str(len(channel.bookmarks)),
        "last_updated_by_user_id": call.user,
        "last_updated_by_team_id": "T0SIM",
        "shortcut_id": None,
        "app_id": APP_ID,
        "app_action_id": None,
    }
    channel.bookmarks[bookmark["id"]] = bookmark
    call.workspace.changes.mark()
    return {"bookmark": bookmark}


def edit_bookmark(call: Call) -> Json:
    _, bookmark = _bookmark(call)
    if "link" in call.args:
        bookmark["link"] = _link(call)
    if "title" in call.args:
        bookmark["title"] = _title(call)
    if "emoji" in call.args:
        bookmark["emoji"] = call.args.text("emoji")
    bookmark["date_updated"] = call.workspace.epoch()
    call.workspace.changes.mark()
    return {"bookmark": bookmark}


def list_bookmarks(call: Call) -> Json:
    return {"bookmarks": list(call.channel("channel_id").bookmarks.values())}


def remove_bookmark(call: Call) -> Json:
    channel, bookmark = _bookmark(call)
    del channel.bookmarks[bookmark["id"]]
    call.workspace.changes.mark()
    return {}


def add_reaction(call: Call) -> Json:
    channel, message = _item(call)
    if channel.archived:
        raise Refused("is_archived")
    if call.user not in channel.members:
        raise Refused("no_access")
    if channel.is_locked(message):
        raise Refused("thread_locked")
    if len(message.reactions) >= MOST_REACTIONS:
        raise Refused("too_many_emoji")
    if not messages.react(call.workspace, message, call.user, _emoji(call)):
        raise Refused("already_reacted")
    return {}


def remove_reaction(call: Call) -> Json:
    _, message = _item(call)
    if not messages.react(call.workspace, message, call.user, _emoji(call), remove=True):
        raise Refused("no_reaction")
    return {}


def get_reactions(call: Call) -> Json:
    channel, message = _item(call)
    body = message_json(call.workspace, message)
    if message.reactions:
        body["reactions"] = reactions_json(message)
    link = messages.permalink(call.workspace, channel, message.ts)
    return {"type": "message", "channel": channel.id, "message": body | {"permalink": link}}


def _item(call: Call) -> tuple[Channel, Message]:
    if "channel" not in call.args or "timestamp" not in call.args:
        raise Refused("no_item_specified")
    channel = call.channel()
    if not TIMESTAMP.fullmatch(call.args.text("timestamp")):
        raise Refused("bad_timestamp")
    return channel, call.message(channel, "timestamp")


def _emoji(call: Call) -> str:
    name = call.args.text("name").strip(":")
    if not re.fullmatch(r"[\w+'-]+(::skin-tone-[2-6])?", name):
        raise Refused("invalid_name")
    return name


def _bookmarkable(call: Call) -> Channel:
    channel = call.channel("channel_id")
    if channel.archived or call.user not in channel.members:
        raise Refused("access_denied")
    return channel


def _bookmark(call: Call) -> tuple[Channel, Json]:
    channel = _bookmarkable(call)
    bookmark = channel.bookmarks.get(call.args.text("bookmark_id"))
    if bookmark is None:
        raise Refused("not_found")
    return channel, bookmark


def _title(call: Call) -> str:
    if not call.args.text("title").strip():
        raise Refused("invalid_arguments", "[ERROR] must be more than 0 characters [json-pointer:/title]")
    return call.args.text("title")


def _link(call: Call) -> str:
    link = call.args.text("link")
    if not re.match(r"(https?|mailto|slack):\S+$", link):
        raise Refused("invalid_link")
    return link
