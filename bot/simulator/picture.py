"""What people see: the workspace as one JSON picture, for one person or for somebody who sees everything."""

from typing import Any

from bot.simulator.workspace.shapes import file_json, im_partner, message_json, view_json
from bot.simulator.workspace.state import BOT_USER, TEAM_ID, TEAM_NAME, Channel, Json, Message, View, Workspace


async def clock_json(workspace: Workspace) -> Json:
    clock = workspace.clock
    timer = await clock.next_timer()
    return {"now": clock.now().isoformat(), "speed": clock.speed, "next_timer": timer.isoformat() if timer else None}


async def state_json(workspace: Workspace, me: str | None) -> Json:
    """Everything `me` can see; None sees all there is."""
    channels = [one for one in workspace.channels.values() if me is None or one.is_open_to(me)]
    body: Json = {
        "team": {"id": TEAM_ID, "name": TEAM_NAME},
        "me": me,
        "seq": workspace.changes.seq,
        "clock": await clock_json(workspace),
        "people": [_person_json(workspace, user) for user in workspace.people],
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
        "home": _home_json(workspace, me),
        "notices": [vars(notice) for notice in workspace.notices.get(me, ())],
    }


def _everybodys_json(workspace: Workspace) -> Json:
    return {
        "views": [],
        "views_by_user": {user: stack_json(workspace, user) for user in workspace.stacks},
        "home": None,
        "homes_by_user": {user: _home_json(workspace, user) for user in workspace.homes},
        "notices": [
            {**vars(notice), "user": user} for user, notices in workspace.notices.items() for notice in notices
        ],
    }


def stack_json(workspace: Workspace, user: str) -> list[Json]:
    """A person's open modals, the topmost last."""
    return [shown_view(view) for view in workspace.stacks.get(user, ())]


def shown_view(view: View) -> Json:
    return view_json(view) | {"errors": view.errors}


def _home_json(workspace: Workspace, user: str) -> Json | None:
    home = workspace.homes.get(user)
    return shown_view(home) if home else None


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
    """The channel's messages in the order of their ts, with the ephemeral ones `me` may see; or one thread's."""
    own = [one for one in channel.ephemerals.values() if me is None or one.ephemeral_to == me]
    everything = [*channel.messages.values(), *own]
    if own:
        everything.sort(key=lambda one: one.ts)
    if thread_ts:
        everything = [one for one in everything if thread_ts in (one.ts, one.thread_ts)]
    return [_message_json(workspace, channel, one) for one in everything]


def _message_json(workspace: Workspace, channel: Channel, message: Message) -> Json:
    body = message_json(workspace, message, with_metadata=True) | {"sim_at": message.sim_at.isoformat()}
    body.setdefault("blocks", [])
    body.setdefault("attachments", [])
    for noise in ("bot_profile", "team", "app_id", "type"):
        body.pop(noise, None)
    if message.files:
        body["files"] = [_file_json(workspace, one) for one in message.files if one in workspace.files]
    if message.ts in channel.pins:
        body["pinned"] = True
    if message.ephemeral_to:
        body |= {"ephemeral": True, "ephemeral_to": message.ephemeral_to}
        if message.thread_ts:
            body["thread_ts"] = message.thread_ts
    return body


def _file_json(workspace: Workspace, file_id: str) -> Json:
    shape: dict[str, Any] = file_json(workspace, workspace.files[file_id])
    return {key: shape[key] for key in ("id", "name", "title", "filetype", "size")} | {"url": shape["url_private"]}


def _person_json(workspace: Workspace, user: str) -> Json:
    person = workspace.people[user]
    return {
        "id": person.id,
        "name": person.name,
        "real_name": person.real_name,
        "kind": person.kind,
        "color": person.color,
    }
