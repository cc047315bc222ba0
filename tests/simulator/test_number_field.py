"""A number's field: what Slack takes of an app, and what its own form lets a person send."""

from __future__ import annotations

from typing import Any

import pytest

from bot.simulator.content.blocks import check_view
from bot.simulator.content.inputs import complaints, initial_values


def view(**element: Any) -> dict[str, Any]:
    number = {"type": "number_input", "action_id": "value", "is_decimal_allowed": False, **element}
    label = {"type": "plain_text", "text": "Count"}
    block = {"type": "input", "block_id": "count", "label": label, "element": number}
    return {"type": "modal", "title": label, "submit": label, "blocks": [block]}


@pytest.mark.parametrize(
    ("element", "said"),
    [
        ({"initial_value": "5", "min_value": "1", "max_value": "10"}, None),
        ({"initial_value": "-0.5", "is_decimal_allowed": True}, None),
        ({"initial_value": "11", "max_value": "10"}, "in order"),
        ({"min_value": "9", "max_value": "1"}, "in order"),
        ({"initial_value": "1e5"}, "a number, written as a string"),
        ({"min_value": 1}, "a number, written as a string"),
    ],
)
def test_what_slack_takes(element: dict[str, Any], said: str | None) -> None:
    """Numbers are strings, and the first value lies within the bounds."""
    found = check_view(view(**element))
    assert (said in found[0]) if said else not found


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("5", None),
        ("0", "at least 1"),
        ("10.5", "whole number"),
        ("11", "at most 10"),
        ("many", "Please enter a number."),
        (None, "required"),
    ],
)
def test_what_its_form_lets_through(typed: str | None, said: str | None) -> None:
    """A number out of its bounds never reaches the app."""
    blocks = view(min_value="1", max_value="10")["blocks"]
    values = initial_values(blocks)
    values["count"]["value"]["value"] = typed
    found = complaints(blocks, values)
    assert (said in found["count"]) if said else not found
