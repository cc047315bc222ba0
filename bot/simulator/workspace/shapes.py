"""Our records in the JSON shapes of Slack's Web API and events."""

from pathlib import PurePath

from bot.simulator.workspace.state import (
    APP_ID,
    BOT_ID,
    BOT_USER,
    TEAM_ID,
    Channel,
    File,
    Json,
    Message,
    Person,
    UserGroup,
    View,
    Workspace,
)


def person_json(person: Person, with_email: bool = True) -> Json:
    profile: Json = {
        "real_name": person.real_name,
        "real_name_normalized": person.real_name,
        "display_name": person.name,
        "display_name_normalized": person.name,
        "title": "",
        "team": person.team_id,
    }
    if person.kind == "bot":
        profile |= {"bot_id": BOT_ID, "api_app_id": APP_ID}
    elif with_email:
        profile["email"] = person.email
    is_guest = person.kind == "guest"
    return {
        "id": person.id,
        "team_id": person.team_id,
        "name": person.name,
        "real_name": person.real_name,
        "deleted": person.kind == "deactivated",
        "color": person.color,
        "tz": person.tz,
        "tz_label": person.tz_label,
        "tz_offset": person.tz_offset,
        "profile": profile,
        "is_admin": False,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": is_guest,
        "is_ultra_restricted": is_guest,
        "is_bot": person.kind == "bot",
        "is_app_user": False,
        "is_email_confirmed": True,
        "locale": "en-GB",
        "who_can_share_contact_card": "EVERYONE",
        "updated": person.updated,
        **({"is_stranger": True} if person.kind == "stranger" else {}),
    }


def channel_json(channel: Channel, with_count: bool = False) -> Json:
    if channel.is_im:
        return _im_json(channel)
    return {
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": not channel.is_private,
        "is_group": channel.is_private,
        "is_im": False,
        "is_mpim": channel.is_mpim,
        "is_private": channel.is_private,
        "is_archived": channel.archived,
        "is_general": channel.id == "C0GENERAL",
        "is_shared": False,
        "is_ext_shared": False,
        "is_org_shared": False,
        "is_member": BOT_USER in channel.members,
        "created": channel.created,
        "updated": channel.created * 1000,
        "creator": channel.creator,
        "unlinked": 0,
        "context_team_id": TEAM_ID,
        "shared_team_ids": [TEAM_ID],
        "pending_shared": [],
        "pending_connected_team_ids": [],
        "is_pending_ext_shared": False,
        "parent_conversation": None,
        "topic": channel.topic,
        "purpose": channel.purpose,
        "previous_names": channel.previous_names,
        **({"num_members": len(channel.members)} if with_count else {}),
    }


def _im_json(channel: Channel) -> Json:
    return {
        "id": channel.id,
        "created": channel.created,
        "is_im": True,
        "is_archived": False,
        "is_org_shared": False,
        "context_team_id": TEAM_ID,
        "user": im_partner(channel),
        "is_user_deleted": False,
        "priority": 0,
    }


def im_partner(channel: Channel, seen_by: str = BOT_USER) -> str:
    return next((user for user in channel.members if user != seen_by), seen_by)


def bot_profile() -> Json:
    return {"id": BOT_ID, "app_id": APP_ID, "name": "tocsin", "user_id": BOT_USER, "team_id": TEAM_ID, "deleted": False}


def message_json(workspace: Workspace, message: Message, with_metadata: bool = False) -> Json:
    body: Json = {"type": "message", "ts": message.ts, "user": message.user, "text": message.text, "team": TEAM_ID}
    if message.by_app:
        body |= {"bot_id": BOT_ID, "app_id": APP_ID, "bot_profile": bot_profile()}
    if message.files:
        body["files"] = [file_json(workspace, workspace.files[one]) for one in message.files if one in workspace.files]
    where_any = {
        "subtype": message.subtype,
        "blocks": message.blocks,
        "attachments": message.attachments,
        "edited": message.edited,
        "reactions": reactions_json(message),
        "metadata": message.metadata if with_metadata else None,
    }
    body |= {key: value for key, value in where_any.items() if value}
    return body | _thread_json(workspace, message) | message.extra


def _thread_json(workspace: Workspace, message: Message) -> Json:
    channel = workspace.channels[message.channel]
    if message.is_reply:
        parent = channel.messages.get(message.root_ts)
        return {"thread_ts": message.thread_ts, **({"parent_user_id": parent.user} if parent else {})}
    if not message.replies:
        return {}
    replies = [channel.messages[ts] for ts in message.replies]
    users = list(dict.fromkeys(reply.user for reply in replies))
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users": users[:5],
        "reply_users_count": len(users),
        "latest_reply": replies[-1].ts,
        "is_locked": channel.is_locked(message),
        "subscribed": False,
    }


def reactions_json(message: Message) -> list[Json]:
    return [{"name": name, "users": users, "count": len(users)} for name, users in message.reactions.items()]


def file_json(workspace: Workspace, file: File) -> Json:
    filetype = file.snippet_type or PurePath(file.name).suffix.lstrip(".") or "text"
    link = f"{workspace.url}/_sim/files/{file.id}"
    return {
        "id": file.id,
        "created": file.created,
        "timestamp": file.created,
        "name": file.name,
        "title": file.title,
        "mimetype": "text/plain",
        "filetype": filetype,
        "pretty_type": filetype.upper(),
        "user": file.user,
        "user_team": TEAM_ID,
        "editable": False,
        "size": file.length,
        "mode": "hosted",
        "is_external": False,
        "is_public": bool(file.channels),
        "url_private": link,
        "url_private_download": link,
        "permalink": link,
        "channels": [one for one in file.channels if one.startswith("C")],
        "groups": [one for one in file.channels if one.startswith("G")],
        "ims": [one for one in file.channels if one.startswith("D")],
    }


def usergroup_json(group: UserGroup, with_users: bool) -> Json:
    return {
        "id": group.id,
        "team_id": TEAM_ID,
        "is_usergroup": True,
        "is_external": False,
        "name": group.name,
        "description": "",
        "handle": group.handle,
        "date_create": group.created,
        "date_update": group.created,
        "date_delete": 0,
        "auto_type": None,
        "created_by": "U0ADA",
        "updated_by": "U0ADA",
        "deleted_by": None,
        "prefs": {"channels": [], "groups": []},
        "user_count": len(group.users),
        **({"users": group.users} if with_users else {}),
    }


def view_json(view: View) -> Json:
    content = view.content
    return {
        "id": view.id,
        "team_id": TEAM_ID,
        "type": view.type,
        "blocks": content["blocks"],
        "private_metadata": content.get("private_metadata", ""),
        "callback_id": content.get("callback_id", ""),
        "external_id": content.get("external_id", ""),
        "state": {"values": view.values},
        "hash": view.hash,
        "title": content.get("title") or {"type": "plain_text", "text": "View Title", "emoji": True},
        "submit": content.get("submit"),
        "close": content.get("close"),
        "clear_on_close": bool(content.get("clear_on_close", False)),
        "notify_on_close": bool(content.get("notify_on_close", False)),
        "previous_view_id": view.previous_id,
        "root_view_id": view.root_id,
        "app_id": APP_ID,
        "app_installed_team_id": TEAM_ID,
        "bot_id": BOT_ID,
    }
