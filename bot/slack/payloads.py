"""Slack's payloads as questions. Pure: what arrives is bounded and typed here, and never trusted further."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from bot.interactions import Where

Json = dict[str, Any]

TEXT_LIMIT = 12_000
VALUE_LIMIT = 3_000
METADATA_LIMIT = 3_000

_SUBJECT = re.compile(r"[A-Z]{3}-[0-9]{1,9}\b", re.ASCII)


class Kind(Enum):
    COMMAND = auto()
    BLOCK_ACTION = auto()
    SUBMISSION = auto()
    SHORTCUT = auto()


@dataclass(frozen=True)
class Interaction:
    """One thing somebody did, and the ways in which it can be answered. `key` is the same when Slack says it twice."""

    kind: Kind
    key: str
    user: str
    name: str  # the command, action_id or callback_id
    text: str = ""  # what follows the command, or the marked message
    value: str = ""  # of the button or the choice
    author: str = ""  # of the marked message
    where: Where = field(default_factory=Where)
    trigger: str | None = None
    response_url: str | None = None
    view: Json | None = None  # the modal or Home view it happened in

    @property
    def in_modal(self) -> bool:
        return self.view is not None and self.view.get("type") == "modal"

    @property
    def in_home(self) -> bool:
        return self.view is not None and self.view.get("type") == "home"

    @property
    def metadata(self) -> str:
        return unpack(str((self.view or {}).get("private_metadata") or ""))[1]


def subject(interaction: Interaction) -> str:
    found = _SUBJECT.match(interaction.value or interaction.metadata)
    return found[0] if found else ""


def unescape(text: str) -> str:
    """Slack escapes three characters, once. Mentions keep their form: `<@U1|ada>`, `<#C1|ops>`."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")[:TEXT_LIMIT]


def interaction(body: Mapping[str, Any]) -> Interaction | None:
    """None for what needs an empty acknowledgement only (a closed modal)."""
    if "command" in body:
        return _command(body)
    readers = {
        "block_actions": _click,
        "view_submission": _submission,
        "shortcut": _shortcut,
        "message_action": _shortcut,
    }
    reader = readers.get(str(body.get("type")))
    return reader(body) if reader else None


def _command(body: Mapping[str, Any]) -> Interaction:
    return Interaction(
        Kind.COMMAND,
        key=str(body.get("trigger_id") or ""),
        user=str(body.get("user_id") or ""),
        name=str(body["command"]),
        text=unescape(str(body.get("text") or "")),
        where=Where(channel=_text(body.get("channel_id"))),
        trigger=_text(body.get("trigger_id")),
        response_url=_text(body.get("response_url")),
    )


def _click(body: Mapping[str, Any]) -> Interaction | None:
    action = next(iter(body.get("actions") or []), None)
    if action is None:
        return None
    view = body.get("view")
    return Interaction(
        Kind.BLOCK_ACTION,
        key=str(body.get("trigger_id") or action.get("action_ts") or ""),
        user=_user(body),
        name=_action_name(action, view),
        value=_chosen(action)[:VALUE_LIMIT],
        where=_where_of_view(view) if view else _where_of_message(body),
        trigger=_text(body.get("trigger_id")),
        response_url=_text(body.get("response_url")),
        view=view,
    )


def _action_name(action: Mapping[str, Any], view: Mapping[str, Any] | None) -> str:
    """Up to the colon. A field of a modal has the action_id `value`: it is named after the modal and the field."""
    name = str(action.get("action_id") or "").split(":")[0]
    if name == "value" and view:
        return f"{view.get('callback_id')}/{field_name(str(action.get('block_id') or ''))}"
    return name


def _chosen(action: Mapping[str, Any]) -> str:
    value = _input_value(action, single=False)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _submission(body: Mapping[str, Any]) -> Interaction:
    view = body["view"]
    return Interaction(
        Kind.SUBMISSION,
        key=f"view:{view.get('id')}:{view.get('hash')}",
        user=_user(body),
        name=str(view.get("callback_id") or ""),
        where=_where_of_view(view),
        trigger=_text(body.get("trigger_id")),
        view=view,
    )


def _shortcut(body: Mapping[str, Any]) -> Interaction:
    message = body.get("message") or {}
    return Interaction(
        Kind.SHORTCUT,
        key=str(body.get("trigger_id") or ""),
        user=_user(body),
        name=str(body.get("callback_id") or ""),
        text=unescape(str(message.get("text") or "")),
        author=str(message.get("user") or message.get("bot_id") or ""),
        where=Where(
            channel=_text((body.get("channel") or {}).get("id")),
            thread=_text(message.get("thread_ts")),
            ts=_text(body.get("message_ts") or message.get("ts")),
        ),
        trigger=_text(body.get("trigger_id")),
        response_url=_text(body.get("response_url")),
    )


def _user(body: Mapping[str, Any]) -> str:
    return str((body.get("user") or {}).get("id") or "")


def _text(value: Any) -> str | None:
    return str(value) if value else None


def _where_of_message(body: Mapping[str, Any]) -> Where:
    container, message = body.get("container") or {}, body.get("message") or {}
    return Where(
        channel=_text((body.get("channel") or {}).get("id") or container.get("channel_id")),
        thread=_text(message.get("thread_ts") or container.get("thread_ts")),
        ts=_text(container.get("message_ts") or message.get("ts")),
    )


def _where_of_view(view: Mapping[str, Any]) -> Where:
    return unpack(str(view.get("private_metadata") or ""))[0]


# --- what a modal carries: Slack does not say from where it was opened, so the door writes it along ------------------


def pack(where: Where, metadata: str) -> str:
    """private_metadata that knows its place. Where it would be too long, what the command carries goes alone."""
    packed = json.dumps({"at": [where.channel, where.thread, where.ts], "metadata": metadata}, ensure_ascii=False)
    return packed if len(packed) <= METADATA_LIMIT else metadata


def unpack(metadata: str) -> tuple[Where, str]:
    try:
        packed = json.loads(metadata)
        channel, thread, ts = packed["at"]
        return Where(_text(channel), _text(thread), _text(ts)), str(packed["metadata"])
    except (ValueError, TypeError, KeyError):
        return Where(), metadata


# --- the values of a modal -----------------------------------------------------------------------------------------


def field_name(block_id: str) -> str:
    return block_id.split(":")[0]


def fields(view: Mapping[str, Any]) -> dict[str, Any]:
    """Field name -> text, key, list of keys, or a bool where there is one checkbox. Nothing chosen is ""."""
    state = (view.get("state") or {}).get("values") or {}
    elements = {block.get("block_id"): block.get("element") or {} for block in view.get("blocks") or []}
    return {
        field_name(block_id): _input_value(
            inputs.get("value") or next(iter(inputs.values()), {}),
            single=len(elements.get(block_id, {}).get("options") or ()) == 1,
        )
        for block_id, inputs in state.items()
    }


def _input_value(element: Mapping[str, Any], *, single: bool) -> Any:
    if element.get("type") == "checkboxes":
        chosen = [option["value"] for option in element.get("selected_options") or []]
        return bool(chosen) if single else chosen
    if "selected_options" in element:
        return [option["value"] for option in element["selected_options"] or []]
    if "selected_option" in element:
        return (element["selected_option"] or {}).get("value", "")
    names = ("value", "rich_text_value", *(name for name in element if name.startswith("selected_")))
    value = next((element[name] for name in names if element.get(name) is not None), "")
    return unescape(value) if isinstance(value, str) else value


def field_blocks(view: Mapping[str, Any]) -> dict[str, str]:
    inputs = [block for block in view.get("blocks") or [] if block.get("type") == "input" and block.get("block_id")]
    return {field_name(block["block_id"]): block["block_id"] for block in inputs}
