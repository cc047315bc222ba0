"""response_url: five answers within thirty minutes to one command, click or shortcut."""

from typing import Any

from bot.simulator.api.chat import checked_draft
from bot.simulator.content import messages
from bot.simulator.content.messages import Draft
from bot.simulator.workspace.errors import existing, refuse
from bot.simulator.workspace.state import BOT_USER, Channel, Json, Workspace

LIFETIME_SECONDS = 1800.0


def respond(workspace: Workspace, key: str, body: Any) -> None:
    """Raises Refused."""
    address = existing(workspace.response_urls.get(key), "invalid_url")
    refuse(
        expired_url=workspace.clock.wall() - address.issued_at > LIFETIME_SECONDS,
        used_url=address.uses_left <= 0,
        invalid_payload=not isinstance(body, dict),
    )
    address.uses_left -= 1
    channel = workspace.channels[address.channel]
    if body.get("delete_original"):
        messages.delete(workspace, channel, existing(address.source, "message_not_found"))
    elif body.get("replace_original") and address.source:
        messages.edit(workspace, channel, address.source, read_response(body))
    else:
        answer(workspace, channel, address.user, read_response(body), body)


def answer(workspace: Workspace, channel: Channel, user: str, draft: Draft, body: Json) -> None:
    if body.get("response_type") == "in_channel":
        messages.post(workspace, channel, BOT_USER, draft)
    else:
        messages.post_ephemeral(workspace, channel, user, draft)


def read_response(body: Json) -> Draft:
    draft = checked_draft(str(body.get("text") or ""), body.get("blocks"), body.get("attachments"))
    draft.thread_ts = body.get("thread_ts") or None
    return draft
