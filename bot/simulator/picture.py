"""The workspace as one JSON picture, for one person or for an observer who sees everything."""

from bot.simulator.workspace.shapes import file_json, im_partner, message_json, view_json
from bot.simulator.workspace.state import BOT_USER, TEAM_ID, TEAM_NAME, Channel, Json, Message, View, Workspace

PERSON_KEYS = ("id", "name", "real_name", "kind", "color")
NOISE = frozenset({"bot_profile", "team", "app_id", "type"})


async def clock_json(workspace: Workspace) -> Json:
    clock = workspace.clock
    timer = await clock.next_timer()
    return {"now": clock.now().isoformat(), "speed": clock.speed, "next_timer": timer.isoformat() if timer else None}


async def state_json(workspace: Workspace, me: str | None) -> Json:
    """`me` None sees everything."""
    channels = [one for one in workspace.channels.values() if me is None or one.is_open_to(me)]
    body: Json = {
        "team": {"id": TEAM_ID, "name": TEAM_NAME},
        "me": me,
        "seq": workspace.changes.seq,
        "clock": await clock_json(workspace),
        "people": [{key: vars(one)[key] for key in PERSON_KEYS} for one in workspace.people.values()],
        "usergroups": [{"id": group.id, "handle": group.handle} for group in workspace.usergroups.values()],
        "channels": [channel_json(channel, me) for channel in channels],
        "messages": {channel.id: messages_json(workspace, channel, me) for channel in channels},
        "commands": [
            {"command": one.command, "description": one.description, "usage_hint": one.usage_hint}
            for one in workspace.manifest.commands.values()
        ],
        "shortcuts": [vars(one) for one in workspace.manifest.shortcuts],
    }
    return body | (_own_json(workspace, me) if me else _everybodys_json(workspace))


def _own_json(workspace: Workspace, me: str) -> Json:
    return {
        "views": stack_json(workspace, me),
        "home": home_json(workspace, me),
        "notices": list(workspace.notices.get(me, ())),
    }


def _everybodys_json(workspace: Workspace) -> Json:
    return {
        "views": [],
        "views_by_user": {user: stack_json(workspace, user) for user in workspace.stacks},
        "home": None,
        "homes_by_user": {user: home_json(workspace, user) for user in workspace.homes},
        "notices": [{**notice, "user": user} for user, notices in workspace.notices.items() for notice in notices],
    }


def stack_json(workspace: Workspace, user: str) -> list[Json]:
    return [_shown_view(view) for view in workspace.stacks.get(user, ())]


def _shown_view(view: View) -> Json:
    return view_json(view) | {"errors": view.errors}


def home_json(workspace: Workspace, user: str) -> Json | None:
    return _shown_view(workspace.homes[user]) if user in workspace.homes else None


def channel_json(channel: Channel, me: str | None) -> Json:
    body: Json = {
        "id": channel.id,
        "name": channel.name,
        "is_private": channel.is_private,
        "is_archived": channel.archived,
        "is_member": me in channel.members if me else True,
        "topic": channel.topic["value"],
        "purpose": channel.purpose["value"],
        "members": list(channel.members),
        "bookmarks": [{key: one[key] for key in ("id", "title", "link")} for one in channel.bookmarks.values()],
        "pins": list(channel.pins),
        "created": channel.created,
        "last_ts": next(reversed(channel.messages), None),
    }
    if channel.is_im or channel.is_mpim:
        body |= {"is_im": True, "user": im_partner(channel, me or BOT_USER)}
    return body


def messages_json(workspace: Workspace, channel: Channel, me: str | None, thread_ts: str | None = None) -> list[Json]:
    own = [one for one in channel.ephemerals.values() if me is None or one.ephemeral_to == me]
    everything = [*channel.messages.values(), *own]
    if own:
        everything.sort(key=lambda one: one.ts)
    if thread_ts:
        everything = [one for one in everything if thread_ts in (one.ts, one.thread_ts)]
    return [_message_json(workspace, channel, one) for one in everything]


def _message_json(workspace: Workspace, channel: Channel, message: Message) -> Json:
    shape = message_json(workspace, message, with_metadata=True) | {"sim_at": message.sim_at.isoformat()}
    body = {"blocks": [], "attachments": []} | {key: value for key, value in shape.items() if key not in NOISE}
    if message.files:
        body["files"] = [_file_json(workspace, one) for one in message.files if one in workspace.files]
    if message.ts in channel.pins:
        body["pinned"] = True
    if message.ephemeral_to:
        thread = {"thread_ts": message.thread_ts} if message.thread_ts else {}
        body |= {"ephemeral": True, "ephemeral_to": message.ephemeral_to, **thread}
    return body


def _file_json(workspace: Workspace, file_id: str) -> Json:
    shape = file_json(workspace, workspace.files[file_id])
    return {key: shape[key] for key in ("id", "name", "title", "filetype", "size")} | {"url": shape["url_private"]}
