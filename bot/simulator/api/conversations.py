"""conversations.*: channels, their members and their history."""

from bisect import bisect_left, bisect_right
from functools import partial

from bot.simulator.api.call import Call
from bot.simulator.content import channels
from bot.simulator.workspace.errors import Refused, existing, refuse
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
    return {"channel": channel_json(channels.create(call.workspace, call.args.text("name"), is_private, call.user))}


def join(call: Call) -> Json:
    channel = call.plain_channel()
    refuse(method_not_supported_for_channel_type=channel.is_private, is_archived=channel.archived)
    if call.user in channel.members:
        warned = {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
        return {"channel": channel_json(channel), **warned}
    channels.add_member(call.workspace, channel, call.user)
    return {"channel": channel_json(channel)}


def leave(call: Call) -> Json:
    channel = call.plain_channel()
    refuse(is_archived=channel.archived, cant_leave_general=channel.id == GENERAL)
    if call.user not in channel.members:
        return {"not_in_channel": True}
    channels.remove_member(call.workspace, channel, call.user)
    return {}


def invite(call: Call) -> Json:
    """All or nothing, unless `force` is set: then the good ones come in."""
    channel = call.joined_channel()
    users = call.args.names("users")
    refuse(no_user=not users, too_many_users=len(users) > MOST_INVITED)
    refused = {user: error for user in users if (error := _cannot_invite(call, channel, user))}
    errors = [{"user": user, "ok": False, "error": refused[user]} for user in users if user in refused]
    if errors and not (call.args.flag("force") and len(errors) < len(users)):
        raise Refused(str(errors[0]["error"]), errors=errors)
    for user in users:
        if user not in refused:
            channels.add_member(call.workspace, channel, user, inviter=call.user)
    return {"channel": channel_json(channel), **({"errors": errors} if errors else {})}


def kick(call: Call) -> Json:
    channel = call.plain_channel()
    user = call.person(call.args.text("user")).id
    refuse(
        cant_kick_self=user == call.user,
        cant_kick_from_general=channel.id == GENERAL,
        not_in_channel=not {user, call.user} <= channel.members.keys(),
    )
    channels.remove_member(call.workspace, channel, user)
    return {"errors": {}}


def archive(call: Call) -> Json:
    channel = call.plain_channel()
    refuse(
        already_archived=channel.archived,
        cant_archive_general=channel.id == GENERAL,
        not_in_channel=call.user not in channel.members,
    )
    channels.archive(call.workspace, channel, call.user)
    return {}


def unarchive(call: Call) -> Json:
    channel = call.plain_channel()
    refuse(not_archived=not channel.archived)
    channels.unarchive(call.workspace, channel, call.user)
    return {}


def rename(call: Call) -> Json:
    channel = call.plain_channel()
    refuse(
        is_archived=channel.archived,
        not_in_channel=call.user not in channel.members,
        not_authorized=channel.creator != call.user,
    )
    channels.rename(call.workspace, channel, call.args.text("name"), call.user)
    return {"channel": channel_json(channel)}


def describe(call: Call, what: channels.Description) -> Json:
    channel = call.joined_channel()
    text = call.args.text(what)
    refuse(too_long=len(text) > MOST_TOPIC_CHARACTERS)
    channels.describe(call.workspace, channel, what, text, call.user)
    return {"channel": channel_json(channel)}


def list_(call: Call) -> Json:
    return call.listing("channels", visible_channels(call), partial(channel_json, with_count=True))


def visible_channels(call: Call, member: str | None = None) -> list[Channel]:
    names = call.args.names("types") or ["public_channel"]
    for name in names:
        refuse(invalid_types=name not in TYPES)
        call.need_scope_for(TYPES[name])
    families = {TYPES[name] for name in names}
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
    return {"channel": channel_json(call.channel(), with_count=call.args.flag("include_num_members"))}


def members(call: Call) -> Json:
    return call.listing("members", list(call.channel().members), str)


def history(call: Call) -> Json:
    channel = _readable(call)
    marks = {"pin_count": len(channel.pins), "channel_actions_ts": None, "channel_actions_count": 0}
    return _shown(call, channel, _between(call, channel.timeline)[::-1]) | marks


def replies(call: Call) -> Json:
    channel = _readable(call)
    named = existing(channel.messages.get(call.args.text("ts")), "thread_not_found")
    root = channel.messages.get(named.root_ts, named)
    return _shown(call, channel, [root.ts, *_between(call, root.replies)], default=1000)


def open_(call: Call) -> Json:
    if "channel" in call.args:
        return {"no_op": True, "already_open": True, "channel": channel_json(call.channel())}
    users = tuple(call.args.names("users"))
    refuse(users_list_not_supplied=not users, too_many_users=len(users) > MOST_OPENED)
    refuse(user_disabled=any(call.person(user).kind == "deactivated" for user in users))
    call.need_scope_for("im" if len(users) == 1 else "mpim")
    channel, existed = channels.open_dm(call.workspace, users)
    shape = channel_json(channel) if call.args.flag("return_im") else {"id": channel.id}
    return {"channel": shape, "no_op": existed, "already_open": existed}


def _cannot_invite(call: Call, channel: Channel, user: str) -> str | None:
    kind = call.workspace.people[user].kind if user in call.workspace.people else None
    reasons = {
        "cant_invite_self": user == call.user,
        "user_not_found": kind is None,
        "already_in_channel": user in channel.members,
        "cant_invite": kind in ("deactivated", "stranger"),
        "ura_max_channels": kind == "guest",
    }
    return next((code for code, holds in reasons.items() if holds), None)


def _readable(call: Call) -> Channel:
    channel = call.channel()
    refuse(not_in_channel=call.user not in channel.members)
    return channel


def _between(call: Call, stamps: list[str]) -> list[str]:
    """They sort as text: same length, no sign."""
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


def _shown(call: Call, channel: Channel, stamps: list[str], default: int = 100) -> Json:
    page, metadata = call.page(stamps, default)
    with_metadata = call.args.flag("include_all_metadata")
    shown = [message_json(call.workspace, channel.messages[ts], with_metadata) for ts in page]
    body = {"messages": shown, "has_more": bool(metadata["next_cursor"])}
    return body | ({"response_metadata": metadata} if metadata["next_cursor"] else {})
