"""Slack's payloads as questions, where no workspace is needed to say it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from bot.interactions import Where
from bot.slack import help_text, payloads
from bot.slack.payloads import field_name, fields, interaction, pack, unescape, unpack


def test_text_is_unescaped_once() -> None:
    """What Slack escaped is undone once, so that a typed &lt; stays one."""
    assert unescape("a &amp;lt; b &lt;@U1&gt;") == "a &lt; b <@U1>"


def test_text_is_bounded() -> None:
    """Nobody can send a novel."""
    assert len(unescape("x" * 100_000)) == payloads.TEXT_LIMIT


places = st.builds(Where, st.text(min_size=1), st.none() | st.text(min_size=1), st.none() | st.text(min_size=1))


@given(places, st.text(max_size=500))
def test_a_modal_knows_its_place(where: Where, carried: str) -> None:
    """What was packed is unpacked, whatever it holds."""
    if len(pack(where, carried)) > len(carried):
        assert unpack(pack(where, carried)) == (where, carried)


@given(st.text())
def test_any_metadata_is_read(metadata: str) -> None:
    """Metadata that is not ours is carried as it is."""
    assert isinstance(unpack(metadata)[1], str)


def test_metadata_too_long_for_both() -> None:
    """Where both do not fit, what the command carries wins."""
    assert pack(Where("C1"), "x" * 2_999) == "x" * 2_999


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ({"type": "plain_text_input", "value": None}, ""),
        ({"type": "number_input", "value": "3"}, "3"),
        ({"type": "static_select", "selected_option": None}, ""),
        ({"type": "radio_buttons", "selected_option": {"value": "a"}}, "a"),
        ({"type": "multi_static_select", "selected_options": [{"value": "a"}, {"value": "b"}]}, ["a", "b"]),
        ({"type": "users_select", "selected_user": "U1"}, "U1"),
        ({"type": "users_select", "selected_user": None}, ""),
        ({"type": "multi_users_select", "selected_users": ["U1"]}, ["U1"]),
        ({"type": "conversations_select", "selected_conversation": "C1"}, "C1"),
        ({"type": "datepicker", "selected_date": "2026-01-01"}, "2026-01-01"),
        ({"type": "datetimepicker", "selected_date_time": 5}, 5),
        ({"type": "checkboxes", "selected_options": []}, []),
    ],
)
def test_values_of_every_input(element: dict[str, Any], value: object) -> None:
    """Each kind of input gives text, a key, a list of keys or a number."""
    view = {"state": {"values": {"field:3": {"value": element}}}, "blocks": []}
    assert fields(view) == {"field": value}


def test_a_field_without_its_suffix() -> None:
    """The suffix that resets a select is no part of its name."""
    assert field_name("severity:shop") == "severity"


@pytest.mark.parametrize("body", [{}, {"type": "view_closed"}, {"type": "block_actions", "actions": []}])
def test_nothing_to_answer(body: dict[str, Any]) -> None:
    """What asks nothing is acknowledged only."""
    assert interaction(body) is None


def test_a_click_in_an_ephemeral() -> None:
    """An ephemeral has no message in its payload; its container knows the place."""
    press = interaction(
        {
            "type": "block_actions",
            "trigger_id": "1.2",
            "user": {"id": "U1"},
            "container": {"type": "message", "message_ts": "5.6", "channel_id": "C1", "thread_ts": "4.4"},
            "channel": {"id": "C1"},
            "actions": [{"action_id": "role.claim:x", "type": "button", "value": "INC-1:ops"}],
        }
    )
    assert press is not None
    assert (press.name, press.value, press.where) == ("role.claim", "INC-1:ops", Where("C1", "4.4", "5.6"))


def test_a_sentence_keeps_only_what_is_meant() -> None:
    """In a problem's sentence mentions, dates and links stay; broadcasts and unknown markup are text."""
    said = help_text.sentence("<!channel> <@U1> <#C1> <https://x|y> <b> <!date^1^{time}|x>")
    assert said == "&lt;!channel> <@U1> <#C1> <https://x|y> &lt;b> <!date^1^{time}|x>"
