"""What people can fill in: the elements of a view that hold a value, as Slack's `state.values` shows them."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from bot.simulator.content.blocks import interactive_elements, offered_options
from bot.simulator.workspace.errors import forbid, possible
from bot.simulator.workspace.state import Json, Workspace

STATE_KEYS = {
    "plain_text_input": "value",
    "email_text_input": "value",
    "url_text_input": "value",
    "number_input": "value",
    "rich_text_input": "rich_text_value",
    "static_select": "selected_option",
    "external_select": "selected_option",
    "radio_buttons": "selected_option",
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "multi_static_select": "selected_options",
    "multi_external_select": "selected_options",
    "checkboxes": "selected_options",
    "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "file_input": "files",
}
"""Element type -> the key of its value."""

INITIAL_KEYS = {
    "value": "initial_value",
    "rich_text_value": "initial_value",
    "selected_option": "initial_option",
    "selected_user": "initial_user",
    "selected_channel": "initial_channel",
    "selected_conversation": "initial_conversation",
    "selected_options": "initial_options",
    "selected_users": "initial_users",
    "selected_channels": "initial_channels",
    "selected_conversations": "initial_conversations",
    "selected_date": "initial_date",
    "selected_time": "initial_time",
    "selected_date_time": "initial_date_time",
}

WRITTEN_FORMS = {
    "email_text_input": (r"[^@\s]+@[^@\s]+\Z", "Please enter a valid email address."),
    "url_text_input": (r"https?://\S+", "Please enter a valid URL."),
    "number_input": (r"-?\d+(\.\d+)?\Z", "Please enter a number."),
}

Values = dict[str, dict[str, Json]]


def stateful(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    for block in blocks:
        for element in interactive_elements(block):
            if element["type"] in STATE_KEYS:
                yield block, element


def initial_values(blocks: list[Json]) -> Values:
    values: Values = {}
    for block, element in stateful(blocks):
        key = STATE_KEYS[element["type"]]
        nothing: Any = [] if key.endswith("s") else None
        state = {"type": element["type"], key: element.get(INITIAL_KEYS.get(key, ""), nothing)}
        values.setdefault(block["block_id"], {})[element["action_id"]] = state
    return values


def kept_values(blocks: list[Json], before: Values) -> Values:
    """What was typed stays where block_id, action_id and type stayed."""
    values = initial_values(blocks)
    for block_id, actions in values.items():
        for action_id, state in actions.items():
            old = before.get(block_id, {}).get(action_id)
            if old and old["type"] == state["type"]:
                actions[action_id] = old
    return values


def fill_in(workspace: Workspace, blocks: list[Json], values: Values, wishes: dict[str, Any]) -> None:
    """Plain `wishes`: {block_id: value or {action_id: value}}. Changes `values` in place."""
    elements = {(block["block_id"], element["action_id"]): element for block, element in stateful(blocks)}
    for block_id, wish in wishes.items():
        own = {action_id: element for (one, action_id), element in elements.items() if one == block_id}
        forbid(not own, "no_such_input", f"There is no input called {block_id} here.")
        for action_id, value in _by_action(own, wish).items():
            values[block_id][action_id] = state_of(workspace, own[action_id], value)


def state_of(workspace: Workspace, element: Json, value: Any) -> Json:
    key = STATE_KEYS[element["type"]]
    return {"type": element["type"], key: _entered(workspace, element, key, value)}


def complaints(blocks: list[Json], values: Values) -> dict[str, str]:
    """{block_id: sentence}, as Slack's own client finds them before it sends a form."""
    found: dict[str, str] = {}
    for block, element in stateful(blocks):
        if block["type"] != "input":
            continue
        value = values[block["block_id"]][element["action_id"]][STATE_KEYS[element["type"]]]
        if value in (None, "", []):
            if not block.get("optional"):
                found[block["block_id"]] = "Please complete this required field."
        elif sentence := _complaint(element, value):
            found[block["block_id"]] = sentence
    return found


def _by_action(own: dict[str, Json], wish: Any) -> dict[str, Any]:
    if isinstance(wish, dict) and wish.keys() & own.keys():
        return {action_id: value for action_id, value in wish.items() if action_id in own}
    return {next(iter(own)): wish}


def _entered(workspace: Workspace, element: Json, key: str, value: Any) -> Any:
    if key == "value":
        return None if value in (None, "") else str(value)
    if key == "selected_option":
        return None if value in (None, "") else _option(element, value)
    if key == "selected_options":
        return _options(element, value)
    if key in ("selected_user", "selected_users"):
        return _each(value, lambda one: workspace.find_person(one).id, key)
    if key in ("selected_channel", "selected_channels", "selected_conversation", "selected_conversations"):
        return _each(value, lambda one: workspace.find_channel(one).id, key)
    return value


def _each(value: Any, find: Any, key: str) -> Any:
    if key.endswith("s"):
        return [find(one) for one in (value if isinstance(value, list) else [value] if value else ())]
    return find(value) if value else None


def _options(element: Json, value: Any) -> list[Json]:
    if isinstance(value, bool):
        return [element["options"][0]] if value else []
    chosen = value if isinstance(value, list) else [value] if value else []
    return [_option(element, one) for one in chosen]


def _option(element: Json, value: Any) -> Json:
    wanted = value.get("value") if isinstance(value, dict) else str(value)
    offered = offered_options(element)
    found = next((one for one in offered if wanted in (one["value"], one["text"]["text"])), None)
    keys = ", ".join(str(one["value"]) for one in offered)
    return possible(found, "no_such_option", f"There is no option {wanted} here; there are {keys}.")


def _complaint(element: Json, value: Any) -> str | None:
    form, sentence = WRITTEN_FORMS.get(element["type"], ("", ""))
    if form and not re.match(form, value):
        return sentence
    if element["type"] == "plain_text_input":
        return _length_complaint(len(value), element.get("min_length", 0), element.get("max_length", 3000))
    return _number_complaint(element, value) if element["type"] == "number_input" else None


def _number_complaint(element: Json, value: str) -> str | None:
    if "." in value and not element["is_decimal_allowed"]:
        return "Please enter a whole number."
    least, most = element.get("min_value"), element.get("max_value")
    if least and Decimal(value) < Decimal(least):
        return f"Please enter a number of at least {least}."
    return f"Please enter a number of at most {most}." if most and Decimal(value) > Decimal(most) else None


def _length_complaint(length: int, least: int, most: int) -> str | None:
    if length > most:
        return f"Please use no more than {most} characters."
    return f"Please use at least {least} characters." if length < least else None
