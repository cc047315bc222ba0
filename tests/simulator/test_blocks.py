"""Block Kit's rules, one by one, and against whatever else may come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from bot.simulator.content.blocks import BLOCKS, INPUT_ELEMENTS, Surface, check_blocks, check_view

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def section(text: str = "x", **more: Any) -> Json:
    return {"type": "section", "text": mrkdwn(text), **more}


def button(action_id: str = "a", **more: Any) -> Json:
    return {"type": "button", "action_id": action_id, "text": plain("Go"), **more}


def actions(*elements: Json, **more: Any) -> Json:
    return {"type": "actions", "elements": list(elements), **more}


def select(*values: str, **more: Any) -> Json:
    options = [{"text": plain(value), "value": value} for value in values]
    return {"type": "static_select", "action_id": "value", "options": options, **more}


def field(element: Json, **more: Any) -> Json:
    return {"type": "input", "label": plain("Label"), "element": element, **more}


def confirm(**texts: str) -> Json:
    words = {"title": "Sure", "confirm": "Yes", "deny": "No", **texts}
    return {
        **{key: plain(text) for key, text in words.items() if key != "text"},
        "text": mrkdwn(texts.get("text", "?")),
    }


TEXT_INPUT: Json = {"type": "plain_text_input", "action_id": "value"}
BULK = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}]}

GOOD: list[Json] = [
    section("x" * 3000),
    section(accessory=button(), fields=[mrkdwn("x" * 2000)] * 10),
    {"type": "header", "text": plain("x" * 150)},
    {"type": "divider"},
    {"type": "context", "elements": [mrkdwn("x")] * 10},
    {"type": "image", "image_url": "https://a.invalid/b.png", "alt_text": "a"},
    actions(*(button(f"a{n}") for n in range(25))),
    actions(button(value="x" * 2000, style="danger", url="https://a.invalid", confirm=confirm())),
    actions(select("a", "b", initial_option={"text": plain("a"), "value": "a"})),
    actions({"type": "overflow", "action_id": "o", "options": [{"text": plain("a"), "value": "a"}]}),
    actions({"type": "datepicker", "action_id": "d", "initial_date": "2026-11-20"}),
    field(TEXT_INPUT, optional=True, hint=plain("h"), dispatch_action=True),
    field({"type": "users_select", "action_id": "value"}),
    field({"type": "checkboxes", "action_id": "v", "options": [{"text": mrkdwn("a"), "value": "a"}]}),
    BULK,
]

BAD: list[tuple[Json, str]] = [
    (section("x" * 3001), "/blocks/0/text/text"),
    (section(""), "/blocks/0/text/text"),
    ({"type": "section"}, "text or fields"),
    (section(fields=[mrkdwn("x" * 2001)]), "/blocks/0/fields/0/text"),
    (section(fields=[mrkdwn("x")] * 11), "no more than 10 items"),
    (section(colour="red"), "invalid additional property: colour"),
    (section(block_id="x" * 256), "/blocks/0/block_id"),
    ({"type": "header", "text": mrkdwn("x")}, "/blocks/0/text/type"),
    ({"type": "header", "text": plain("x" * 151)}, "less than 151"),
    ({"type": "context", "elements": [mrkdwn("x")] * 11}, "no more than 10 items"),
    ({"type": "context", "elements": [button()]}, "context element"),
    (actions(), "no fewer than 1"),
    (actions(*(button(f"a{n}") for n in range(26))), "no more than 25"),
    (actions(button("same"), button("same")), "`action_id` already exists"),
    (actions(button("x" * 256)), "less than 256"),
    (actions(button(text=plain("x" * 76))), "less than 76"),
    (actions(button(text=mrkdwn("x"))), "/text/type"),
    (actions(button(value="x" * 2001)), "less than 2001"),
    (actions(button(value=7)), "must be a string"),
    (actions(button(style="default")), "primary, danger"),
    (actions(button(url="https://" + "x" * 3000)), "less than 3001"),
    (actions(button(confirm=confirm(title="x" * 101))), "/confirm/title/text"),
    (actions(button(confirm=confirm(text="x" * 301))), "/confirm/text/text"),
    (actions(button(confirm=confirm(deny="x" * 31))), "/confirm/deny/text"),
    (actions(TEXT_INPUT), "element of an actions block"),
    (actions(select()), "no fewer than 1"),
    (actions(select(*(str(n) for n in range(101)))), "no more than 100"),
    (actions(select("a", "a")), "duplicate value"),
    (actions(select("x" * 76)), "less than 76"),
    (actions(select("a", placeholder=plain("x" * 151))), "less than 151"),
    (actions(select("a", initial_option={"text": plain("b"), "value": "b"})), "initial option"),
    (actions({"type": "static_select", "action_id": "s"}), "either options or option_groups"),
    (actions({"type": "overflow", "options": [{"text": plain(n), "value": n} for n in "abcdef"]}), "no more than 5"),
    (actions({"type": "datepicker", "initial_date": "tomorrow"}), "YYYY-MM-DD"),
    (field(button()), "input element"),
    (field({"type": "number_input"}), "is_decimal_allowed"),
    ({"type": "image", "alt_text": "a"}, "either image_url or slack_file"),
    ({"type": "alert", "text": mrkdwn("x")}, "unsupported type"),
    ({"type": "banner"}, "unsupported type"),
    ({"type": "markdown", "text": "x" * 12_001}, "less than 12001"),
    ({"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 21]}, "no more than 20"),
    ({}, "unsupported type"),
]


@pytest.mark.parametrize("block", GOOD)
def test_good_blocks(block: Json) -> None:
    """What Slack documents as allowed is allowed in a message."""
    assert check_blocks([block], "message") == []


@pytest.mark.parametrize(("block", "words"), BAD)
def test_bad_blocks(block: Json, words: str) -> None:
    """What is too long, missing, double or in the wrong place is named."""
    found = check_blocks([block], "message")
    assert any(words in sentence for sentence in found), found


def test_how_many_blocks() -> None:
    """A message holds 50 blocks, a modal and a Home tab 100."""
    for surface, most in (("message", 50), ("modal", 100), ("home", 100)):
        assert check_blocks([section()] * most, surface) == []  # type: ignore[arg-type]
        assert check_blocks([section()] * (most + 1), surface)  # type: ignore[arg-type]


def test_the_whole_message() -> None:
    """block_ids are unique, markdown adds up, and there is one table."""
    assert "`block_id` already exists" in check_blocks([section(block_id="a"), section(block_id="a")], "message")[0]
    assert check_blocks([{"type": "markdown", "text": "x" * 6001}] * 2, "message")
    table = {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]}
    assert check_blocks([table], "message") == []
    assert check_blocks([table, table], "message")


def modal(*blocks: Json, **more: Any) -> Json:
    return {"type": "modal", "title": plain("Title"), "blocks": list(blocks), **more}


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (modal(section(), title=plain("x" * 25)), "/view/title/text"),
        (modal(section(), submit=plain("x" * 25)), "/view/submit/text"),
        (modal(section(), close=plain("x" * 25)), "/view/close/text"),
        (modal(section(), private_metadata="x" * 3001), "/view/private_metadata"),
        (modal(section(), callback_id="x" * 256), "/view/callback_id"),
        (modal(field(TEXT_INPUT)), "submit"),
        (modal({"type": "table", "rows": []}), "block of a modal"),
        ({"type": "modal", "blocks": []}, "title"),
        ({"type": "modal", "title": plain("x")}, "blocks"),
        ({"type": "home", "title": plain("x"), "blocks": []}, "invalid additional property: title"),
        ({"type": "page"}, "/view/type"),
        (None, "/view/type"),
    ],
)
def test_bad_views(view: Any, words: str) -> None:
    """Views have limits of their own, and inputs need a submit button."""
    assert any(words in sentence for sentence in check_view(view)), check_view(view)


def test_good_views() -> None:
    """A form with a submit button and a Home tab pass."""
    assert check_view(modal(field(TEXT_INPUT), submit=plain("Go"))) == []
    assert check_view({"type": "home", "blocks": [actions(button())]}) == []


NAMES = st.sampled_from(
    ["type", "text", "elements", "element", "options", "option_groups", "accessory", "fields", "value", "rows",
     "initial_option", "block_id", "action_id", "confirm", "label"]
)  # fmt: skip
KINDS = st.sampled_from(
    [*INPUT_ELEMENTS, "section", "actions", "input", "table", "context", "card", "carousel", "button"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | KINDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES, inner, max_size=5)
        | st.fixed_dictionaries({"type": KINDS}, optional={"elements": inner, "element": inner, "options": inner})
    ),
    max_leaves=12,
)


@given(ANYTHING, st.sampled_from(sorted(BLOCKS)))
def test_nothing_surprises_the_rules(rubbish: Any, surface: Surface) -> None:
    """Whatever an app sends, the answer is a list of sentences."""
    for blocks in (rubbish, [rubbish]):
        assert all(isinstance(sentence, str) for sentence in check_blocks(blocks, surface))
    assert all(isinstance(sentence, str) for sentence in check_view({"type": "modal", "blocks": rubbish}))
