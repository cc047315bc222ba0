"""The pieces of Block Kit that the views use. Text is given escaped (`mrkdwn`) or stays plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.interactions import Block, Modal
from bot.views.kit.mrkdwn import clip

SECTION_LIMIT = 2900
FIELD_LIMIT = 1900
HEADER_LIMIT = 150
OPTION_LIMIT = 75


def plain(text: str, limit: int) -> dict[str, Any]:
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return {"type": "plain_text", "text": short or " ", "emoji": False}


def mrkdwn(text: str, limit: int = SECTION_LIMIT) -> dict[str, Any]:
    """Verbatim: Slack makes no links or mentions of its own out of it."""
    return {"type": "mrkdwn", "text": clip(text, limit) or " ", "verbatim": True}


def header(text: str) -> Block:
    return {"type": "header", "text": plain(text, HEADER_LIMIT)}


def section(text: str, accessory: Block | None = None) -> Block:
    return {"type": "section", "text": mrkdwn(text), **_given(accessory=accessory)}


def fields(*pairs: tuple[str, str]) -> Block:
    """Up to ten `(label, text)`."""
    return {"type": "section", "fields": [mrkdwn(f"*{label}*\n{text}", FIELD_LIMIT) for label, text in pairs]}


def sections(lines: Sequence[str], each: int) -> list[Block]:
    return [section("\n".join(lines[start : start + each])) for start in range(0, len(lines), each)]


def context(*texts: str) -> Block:
    return {"type": "context", "elements": [mrkdwn(text) for text in texts]}


def divider() -> Block:
    return {"type": "divider"}


def actions(*buttons: Block | None) -> list[Block]:
    there = [button for button in buttons if button]
    return [{"type": "actions", "elements": there}] if there else []


def button(text: str, action: str, value: str, *, style: str = "", confirm: Block | None = None) -> Block:
    element: Block = {"type": "button", "text": plain(text, 75), "action_id": action, "value": value}
    return element | _given(style=style, confirm=confirm)


def _given(**wishes: Any) -> Block:
    """Slack takes no empty text and no null for something that is left out."""
    return {name: value for name, value in wishes.items() if value}


def confirm(title: str, text: str, yes: str, no: str = "Not yet") -> Block:
    return {
        "title": plain(title, 100),
        "text": plain(text, 300),
        "confirm": plain(yes, 30),
        "deny": plain(no, 30),
    }


def option(text: str, value: str) -> Block:
    return {"text": plain(text, OPTION_LIMIT), "value": value}


def field(
    name: str, label: str, element: Block, *, optional: bool = False, hint: str = "", dispatch: bool = False
) -> Block:
    """An input of a modal: the block's id is the field's name, its element's action id is `value`."""
    return {
        "type": "input",
        "block_id": name,
        "label": plain(label, 2000),
        "element": {**element, "action_id": "value"},
        "optional": optional,
        **_given(hint=hint and plain(hint, 2000), dispatch_action=dispatch),
    }


def text_input(initial: str = "", *, multiline: bool = False, limit: int = 3000, placeholder: str = "") -> Block:
    element: Block = {"type": "plain_text_input", "multiline": multiline, "max_length": min(limit, 3000)}
    shown = placeholder and plain(placeholder, 150)
    return element | _given(initial_value=initial[: min(limit, 3000)], placeholder=shown)


def select(options: Sequence[Block], initial: str | None = None) -> Block:
    chosen = next((one for one in options if one["value"] == initial), None)
    return {"type": "static_select", "options": list(options), **_given(initial_option=chosen)}


def checkbox(text: str, value: str, *, ticked: bool = False) -> Block:
    options = [option(text, value)]
    return {"type": "checkboxes", "options": options, **_given(initial_options=options if ticked else [])}


def modal(callback: str, title: str, blocks: list[Block], *, submit: str = "", metadata: str = "") -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": callback,
        "title": plain(title, 24),
        "close": plain("Cancel" if submit else "Close", 24),
        "blocks": blocks[:100],
        "private_metadata": metadata,
        **_given(submit=submit and plain(submit, 24)),
    }


def question(
    callback: str, title: str, name: str, label: str, metadata: str, submit: str, *, limit: int = 500
) -> Modal:
    fields = [field(name, label, text_input(multiline=True, limit=limit))]
    return Modal(modal(callback, title, fields, submit=submit, metadata=metadata))
