"""pins.*, bookmarks.*, reactions.*: what people and the app attach to channels and messages."""

import re

from bot.simulator.api.call import Call
from bot.simulator.content import messages
from bot.simulator.workspace.errors import existing, invalid, refuse
from bot.simulator.workspace.shapes import message_json
from bot.simulator.workspace.state import APP_ID, TEAM_ID, Channel, Json, Message

MOST_PINS = 100
MOST_BOOKMARKS = 100
MOST_REACTIONS = 23
TIMESTAMP = re.compile(r"\d{10,}\.\d{6}")


def add_pin(call: Call) -> Json:
    channel, message = _item(call)
    refuse(
        not_in_channel=call.user not in channel.members,
        already_pinned=message.ts in channel.pins,
        too_many_pins=len(channel.pins) >= MOST_PINS,
    )
    messages.pin(call.workspace, channel, message, call.user)
    return {}


def remove_pin(call: Call) -> Json:
    channel, message = _item(call)
    refuse(no_pin=message.ts not in channel.pins)
    messages.unpin(call.workspace, channel, message, call.user)
    return {}


def list_pins(call: Call) -> Json:
    channel = call.channel()
    return {"items": [messages.pinned_item(call.workspace, channel, ts) for ts in reversed(channel.pins)]}


def add_bookmark(call: Call) -> Json:
    channel = _bookmarkable(call)
    refuse(
        invalid_bookmark_type=call.args.text("type") != "link",
        too_many_bookmarks=len(channel.bookmarks) >= MOST_BOOKMARKS,
    )
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
        "last_updated_by_team_id": TEAM_ID,
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
    refuse(
        is_archived=channel.archived,
        no_access=call.user not in channel.members,
        thread_locked=channel.is_locked(message),
        too_many_emoji=len(message.reactions) >= MOST_REACTIONS,
    )
    refuse(already_reacted=not messages.react(call.workspace, message, call.user, _emoji(call)))
    return {}


def remove_reaction(call: Call) -> Json:
    _, message = _item(call)
    refuse(no_reaction=not messages.react(call.workspace, message, call.user, _emoji(call), remove=True))
    return {}


def get_reactions(call: Call) -> Json:
    channel, message = _item(call)
    link = messages.permalink(call.workspace, channel, message.ts)
    body = message_json(call.workspace, message) | {"permalink": link}
    return {"type": "message", "channel": channel.id, "message": body}


def _item(call: Call) -> tuple[Channel, Message]:
    refuse(no_item_specified="channel" not in call.args or "timestamp" not in call.args)
    channel = call.channel()
    refuse(bad_timestamp=not TIMESTAMP.fullmatch(call.args.text("timestamp")))
    return channel, call.message(channel, "timestamp")


def _emoji(call: Call) -> str:
    name = call.args.text("name").strip(":")
    refuse(invalid_name=not re.fullmatch(r"[\w+'-]+(::skin-tone-[2-6])?", name))
    return name


def _bookmarkable(call: Call) -> Channel:
    channel = call.channel("channel_id")
    refuse(access_denied=channel.archived or call.user not in channel.members)
    return channel


def _bookmark(call: Call) -> tuple[Channel, Json]:
    channel = _bookmarkable(call)
    return channel, existing(channel.bookmarks.get(call.args.text("bookmark_id")), "not_found")


def _title(call: Call) -> str:
    title = call.args.text("title")
    invalid(not title.strip(), "must be more than 0 characters", "/title")
    return title


def _link(call: Call) -> str:
    link = call.args.text("link")
    refuse(invalid_link=not re.match(r"(https?|mailto|slack):\S+$", link))
    return link
