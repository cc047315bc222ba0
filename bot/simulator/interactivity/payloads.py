"""The payloads of commands, clicks, forms and shortcuts, with every field Slack sends."""

from typing import Any

from bot.simulator.workspace.shapes import message_json, view_json
from bot.simulator.workspace.state import (
    APP_ID,
    TEAM_DOMAIN,
    TEAM_ID,
    VERIFICATION_TOKEN,
    Channel,
    Json,
    Message,
    Person,
    View,
    Workspace,
)


def slash_command(workspace: Workspace, person: Person, channel: Channel, command: str, text: str) -> Json:
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": TEAM_ID,
        "team_domain": TEAM_DOMAIN,
        "channel_id": channel.id,
        "channel_name": channel_name(channel),
        "user_id": person.id,
        "user_name": person.name,
        "command": command,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": workspace.new_response_url(person.id, channel.id),
        "trigger_id": workspace.new_trigger(person.id),
    }


def message_click(
    workspace: Workspace, person: Person, channel: Channel, message: Message, action: Json, values: Json
) -> Json:
    container = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.ephemeral_to is not None,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    return _interaction(
        workspace,
        "block_actions",
        person,
        container=container,
        channel={"id": channel.id, "name": channel_name(channel)},
        message=message_json(workspace, message),
        state={"values": values},
        response_url=workspace.new_response_url(person.id, channel.id, message),
        actions=[{**action, "action_ts": workspace.new_ts()}],
    )


def view_click(workspace: Workspace, person: Person, view: View, action: Json) -> Json:
    return _interaction(
        workspace,
        "block_actions",
        person,
        container={"type": "view", "view_id": view.id},
        view=view_json(view),
        hash=view.hash,
        actions=[{**action, "action_ts": workspace.new_ts()}],
    )


def view_submission(workspace: Workspace, person: Person, view: View) -> Json:
    return _interaction(workspace, "view_submission", person, view=view_json(view), response_urls=[])


def view_closed(workspace: Workspace, person: Person, view: View) -> Json:
    body = _interaction(workspace, "view_closed", person, view=view_json(view), is_cleared=False)
    del body["trigger_id"]
    return body


def shortcut(workspace: Workspace, person: Person, callback_id: str, place: tuple[Channel, Message] | None) -> Json:
    if place is None:
        return _interaction(workspace, "shortcut", person, callback_id=callback_id, action_ts=workspace.new_ts())
    channel, message = place
    return _interaction(
        workspace,
        "message_action",
        person,
        callback_id=callback_id,
        action_ts=workspace.new_ts(),
        channel={"id": channel.id, "name": channel_name(channel)},
        message_ts=message.ts,
        message=message_json(workspace, message),
        response_url=workspace.new_response_url(person.id, channel.id),
    )


def channel_name(channel: Channel) -> str:
    """Interactions call direct conversations `directmessage` and hide the names of private channels."""
    if channel.is_im:
        return "directmessage"
    return "privategroup" if channel.is_private else channel.name


def _interaction(workspace: Workspace, kind: str, person: Person, **own: Any) -> Json:
    return {
        "type": kind,
        "token": VERIFICATION_TOKEN,
        "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN},
        "user": {"id": person.id, "username": person.name, "name": person.name, "team_id": person.team_id},
        "api_app_id": APP_ID,
        "is_enterprise_install": False,
        "enterprise": None,
        "trigger_id": workspace.new_trigger(person.id),
        **own,
    }
