"""conversations.*: channels, their members and their history."""

from bisect import bisect_left, bisect_right

from bot.simulator.api.call import Call
from bot.simulator.content import channels
from bot.simulator.workspace.errors import Refused
from bot.simulator.workspace.shapes import channel_json, message_json
from bot.simulator.workspace.state import Channel, Json

MOST_TOPIC_CHARACTERS = 250
MOST_INVITED = 100
MOST_OPENED = 8
TYPES = {"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}
GENERAL = "C0GENERAL"


def create(call: Call) -> Json:
    is_private = call.args.flag("is_private")
    call.need_scope_for("groups" if is_private else "channels")
    channel = channels.create(call.workspace, call.args.text("name"), is_private, call.user)
    return {"channel": channel_json(channel)}


def join(call: Call) -> Json:
    channel = call.plain_channel()
    if channel.is_private:
        raise Refused("method_not_supported_for_channel_type")
    if channel.archived:
        raise Refused("is_archived")
    if call.user in channel.members:
        answer: Json = {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
        return {"channel": channel_json(channel), **answer}
    channels.add_member(call.workspace, channel, call.user)
    return {"channel": channel_json(channel)}


def leave(call: Call) -> Json:
    channel = call.plain_channel()
    if channel.archived:
        raise Refused("is_archived")
    if channel.id == GENERAL:
        raise Refused("cant_leave_general")
    if call.user not in channel.members:
        return {"not_in_channel": True}
    channels.remove_member(call.workspace, channel, call.user)
    return {}


def invite(call: Call) -> Json:
    """All or nothing, unless `force` is set: then the good ones come in."""
    channel = call.joined_channel()
    users = call.args.names("users")
    if not users:
        raise Refused("no_user")
    if len(users) > MOST_INVITED:
        raise Refused("too_many_users")
    errors = [error for user in users if (error := _cannot_invite(call, channel, user))]
    if errors and not (call.args.flag("force") and len(errors) < len(users)):
        raise Refused(errors[0]["error"], errors=errors)
    refused = {error["user"] for error in errors}
    for user in users:
        if user not in refused:
            channels.add_member(call.workspace, channel, user, inviter=call.user)
    return {"channel": channel_json(channel), **({"errors": errors} if errors else {})}


def kick(call: Call) -> Json:
    channel = call.plain_channel()
    user = call.args.text("user")
    call.person(user)
    if user == call.user:
        raise Refused("cant_kick_self")
    if channel.id == GENERAL:
        raise Refused("cant_kick_from_general")
    if call.user not in channel.members or user not in channel.members:
        raise Refused("not_in_channel")
    channels.remove_member(call.workspace, channel, user)
    return {"errors": {}}


def archive(call: Call) -> Json:
    channel = call.plain_channel()
    if channel.archived:
        raise Refused("already_archived")
    if channel.id == GENERAL:
        raise Refused("cant_archive_general")
    if call.user not in channel.members:
        raise Refused("not_in_channel")
    channels.archive(call.workspace, channel, call.user)
    return {}


def unarchive(call: Call) -> Json:
    channel = call.plain_channel()
    if not channel.archived:
        raise Refused("not_archived")
    channels.unarchive(call.workspace, channel, call.user)
    return {}


def rename(call: Call) -> Json:
    channel = call.plain_channel()
    if channel.archived:
        raise Refused("is_archived")
    if call.user not in channel.members:
        raise Refused("not_in_channel")
    if channel.creator != call.user:
        raise Refused("not_authorized")
    channels.rename(call.workspace, channel, call.args.text("name"), call.user)
    return {"channel": channel_json(channel)}


def set_topic(call: Call) -> Json:
    channel = call.joined_channel()
    channels.set_topic(call.workspace, channel, _short_text(call, "topic"), call.user)
    return {"channel": channel_json(channel)}


def set_purpose(call: Call) -> Json:
    channel = call.joined_channel()
    channels.set_purpose(call.workspace, channel, _short_text(call, "purpose"), call.user)
    return {"channel": channel_json(channel)}


def list_(call: Call) -> Json:
    found = visible_channels(call, member=None)
    page, metadata = call.page(found)
    return {"channels": [channel_json(one, with_count=True) for one in page], "response_metadata": metadata}


def visible_channels(call: Call, member: str | None) -> list[Channel]:
    """The conversations of the asked-for types that the app may see; only those `member` is in, if given."""
    families = set()
    for name in call.args.names("types") or ["public_channel"]:
        if name not in TYPES:
            raise Refused("invalid_types")
        call.need_scope_for(TYPES[name])
        families.add(TYPES[name])
    skip_archived = call.args.flag("exclude_archived")
    return [
        channel
        for channel in call.workspace.channels.values()
        if channel.family in families
        and channel.is_open_to(call.user)
        and not (skip_archived and channel.archived)
        and (member is None or member in channel.members)
    ]


def info(call: Call) -> Json:
    channel = call.channel()
    return {"channel": channel_json(channel, with_count=call.args.flag("include_num_members"))}


def members(call: Call) -> Json:
    page, metadata = call.page(list(call.channel().members))
    return {"members": page, "response_metadata": metadata}


def history(call: Call) -> Json:
    """The newest messages first; thread replies only where they were broadcast."""
    channel = _readable(call)
    page, metadata = call.page(_between(call, channel.timeline)[::-1])
    body: Json = {"messages": _shown(call, channel, page), "has_more": bool(metadata["next_cursor"])}
    body |= {"pin_count": len(channel.pins), "channel_actions_ts": None, "channel_actions_count": 0}
    return body | ({"response_metadata": metadata} if metadata["next_cursor"] else {})


def replies(call: Call) -> Json:
    """A thread from its first message on, oldest first."""
    channel = _readable(call)
    root = channel.messages.get(call.args.text("ts"))
    if root is None:
        raise Refused("thread_not_found")
    if root.is_reply:
        root = channel.messages.get(root.thread_ts or "", root)
    page, metadata = call.page([root.ts, *_between(call, root.replies)], default=1000)
    body: Json = {"messages": _shown(call, channel, page), "has_more": bool(metadata["next_cursor"])}
    return body | ({"response_metadata": metadata} if metadata["next_cursor"] else {})


def open_(call: Call) -> Json:
    """A direct conversation with up to eight people, or the one whose id is given."""
    if "channel" in call.args:
        channel = call.channel()
        return {"no_op": True, "already_open": True, "channel": channel_json(channel)}
    users = tuple(call.args.names("users"))
    if not users:
        raise Refused("users_list_not_supplied")
    if len(users) > MOST_OPENED:
        raise Refused("too_many_users")
    if any(call.person(user).kind == "deactivated" for user in users):
        raise Refused("user_disabled")
    call.need_scope_for("im" if len(users) == 1 else "mpim")
    channel, existed = channels.open_dm(call.workspace, users)
    shape = channel_json(channel) if call.args.flag("return_im") else {"id": channel.id}
    return {"channel": shape, "no_op": existed, "already_open": existed}


def _cannot_invite(call: Call, channel: Channel, user: str) -> Json | None:
    error = ""
    if user == call.user:
        error = "cant_invite_self"
    elif (person := call.workspace.people.get(user)) is None:
        error = "user_not_found"
    elif user in channel.members:
        error = "already_in_channel"
    elif person.kind in ("deactivated", "stranger"):
        error = "cant_invite"
    elif person.kind == "guest":
        error = "ura_max_channels"
    return {"user": user, "ok": False, "error": error} if error else None


def _short_text(call: Call, name: str) -> str:
    text = call.args.text(name)
    if len(text) > MOST_TOPIC_CHARACTERS:
        raise Refused("too_long")
    return text


def _readable(call: Call) -> Channel:
    channel = call.channel()
    if call.user not in channel.members:
        raise Refused("not_in_channel")
    return channel


def _between(call: Call, stamps: list[str]) -> list[str]:
    """Those of the ascending `stamps` between `oldest` and `latest`. They sort as text: same length, no sign."""
    inclusive = call.args.flag("inclusive")
    start, end = 0, len(stamps)
    if oldest := _stamp(call, "oldest"):
        start = (bisect_left if inclusive else bisect_right)(stamps, oldest)
    if latest := _stamp(call, "latest"):
        end = (bisect_right if inclusive else bisect_left)(stamps, latest)
    return stamps[start:end]


def _stamp(call: Call, name: str) -> str | None:
    if name not in call.args or call.args.text(name) in ("0", "now"):
        return None
    seconds, _, fraction = call.args.text(name).partition(".")
    if not seconds.isdecimal() or not (fraction or "0").isdecimal():
        raise Refused(f"invalid_ts_{name}")
    return f"{int(seconds):010d}.{fraction[:6].ljust(6, '0')}"


def _shown(call: Call, channel: Channel, page: list[str]) -> list[Json]:
    with_metadata = call.args.flag("include_all_metadata")
    return [message_json(call.workspace, channel.messages[ts], with_metadata) for ts in page]
