"""response_url: five answers within thirty minutes to one command, click or shortcut."""

from typing import Any

from bot.simulator.api.chat import MOST_CHARACTERS, checked_attachments, checked_blocks
from bot.simulator.content import messages
from bot.simulator.content.messages import Draft
from bot.simulator.workspace.errors import Refused
from bot.simulator.workspace.state import BOT_USER, Channel, Json, ResponseUrl, Workspace

LIFETIME_SECONDS = 1800.0


def respond(workspace: Workspace, key: str, body: Any) -> None:
    """Do what the app asks at this address; Refused says why not."""
    address = _usable(workspace, key)
    if not isinstance(body, dict):
        raise Refused("invalid_payload")
    address.uses_left -= 1
    channel = workspace.channels[address.channel]
    if body.get("delete_original"):
        _delete_original(workspace, channel, address)
        return
    draft = read_response(body)
    if body.get("replace_original") and address.source:
        messages.edit(workspace, channel, address.source, draft)
        return
    answer(workspace, channel, address.user, draft, body)


def answer(workspace: Workspace, channel: Channel, user: str, draft: Draft, body: Json) -> None:
    """Say it to the one person, or to the channel where `response_type` says so."""
    if body.get("response_type") == "in_channel":
        messages.post(workspace, channel, BOT_USER, draft)
    else:
        messages.post_ephemeral(workspace, channel, user, draft)


def read_response(body: Json) -> Draft:
    """The message in a response or in the acknowledgement of a command, if Slack would take it."""
    text = str(body.get("text") or "")
    draft = Draft(text, checked_blocks(body.get("blocks")), checked_attachments(body.get("attachments")))
    if not (draft.text or draft.blocks or draft.attachments):
        raise Refused("no_text")
    if len(text) > MOST_CHARACTERS:
        raise Refused("msg_too_long")
    draft.thread_ts = body.get("thread_ts") or None
    return draft


def _usable(workspace: Workspace, key: str) -> ResponseUrl:
    address = workspace.response_urls.get(key)
    if address is None:
        raise Refused("invalid_url")
    if workspace.clock.wall() - address.issued_at > LIFETIME_SECONDS:
        raise Refused("expired_url")
    if address.uses_left <= 0:
        raise Refused("used_url")
    return address


def _delete_original(workspace: Workspace, channel: Channel, address: ResponseUrl) -> None:
    if address.source is None:
        raise Refused("message_not_found")
    messages.delete(workspace, channel, address.source)
