"""Block Kit's rules, by hand: what a message, a modal and a Home tab may hold, and how long each text may be.

Every check returns sentences in Slack's own form, `[ERROR] must be … [json-pointer:/blocks/0/text]`; none means valid.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, Concatenate, Literal, ParamSpec

from bot.simulator.workspace.state import Json

Surface = Literal["message", "modal", "home"]
Problems = Iterator[str]
Check = Callable[[Any, str], Problems]
Settings = ParamSpec("Settings")

MOST_BLOCKS = {"message": 50, "modal": 100, "home": 100}
MARKDOWN_CHARACTERS = 12_000
TABLE_CHARACTERS = 10_000


def problem(sentence: str, pointer: str) -> str:
    return f"[ERROR] {sentence} [json-pointer:{pointer}]"


# --- the small checks everything is made of ---


def with_settings(rule: Callable[Concatenate[Any, str, Settings], Problems]) -> Callable[Settings, Check]:
    """The rule as a maker of checks, which is given everything but the value and its pointer: `text(75)`."""

    def make(*settings: Settings.args, **more: Settings.kwargs) -> Check:
        return lambda value, at: rule(value, at, *settings, **more)

    return make


@with_settings
def text(value: Any, at: str, limit: int, least: int = 0) -> Problems:
    if not isinstance(value, str):
        yield problem("must be a string", at)
    elif len(value) > limit:
        yield problem(f"must be less than {limit + 1} characters", at)
    elif len(value) < least:
        yield problem(f"must be more than {least - 1} characters", at)


def url(value: Any, at: str) -> Problems:
    yield from text(3000, 1)(value, at)
    if isinstance(value, str) and not re.match(r"(https?|slack|mailto|tel):", value):
        yield problem("must be a valid url", at)


def flag(value: Any, at: str) -> Problems:
    if not isinstance(value, bool):
        yield problem("must be a boolean", at)


def number(value: Any, at: str) -> Problems:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield problem("must be a number", at)


@with_settings
def matching(value: Any, at: str, pattern: str, what: str) -> Problems:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        yield problem(f"must be {what}", at)


@with_settings
def one_of(value: Any, at: str, *values: object) -> Problems:
    if value not in values:
        yield problem(f"must be one of {', '.join(map(str, values))}", at)


def anything(value: Any, at: str) -> Problems:
    yield from ()


@with_settings
def many(value: Any, at: str, check_one: Check, most: int, least: int = 1) -> Problems:
    if not isinstance(value, list):
        yield problem("must be an array", at)
        return
    if len(value) > most:
        yield problem(f"no more than {most} items allowed", at)
    if len(value) < least:
        yield problem(f"no fewer than {least} items allowed", at)
    for index, item in enumerate(value):
        yield from check_one(item, f"{at}/{index}")


@with_settings
def thing(value: Any, at: str, required: dict[str, Check], optional: dict[str, Check] | None = None) -> Problems:
    if not isinstance(value, dict):
        yield problem("must be an object", at)
        return
    for name in required.keys() - value.keys():
        yield problem(f"missing required field: {name}", at)
    allowed = {**required, **(optional or {})}
    for name, item in value.items():
        if name not in allowed:
            yield problem(f"invalid additional property: {name}", at)
        elif item is not None or name in required:
            yield from allowed[name](item, f"{at}/{name}")


@with_settings
def typed(value: Any, at: str, kinds: dict[str, Check], what: str) -> Problems:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind in kinds:
        yield from kinds[kind](value, at)
    else:
        yield problem(f"unsupported type: {kind} is no {what}", at)


@with_settings
def both(value: Any, at: str, *checks: Check) -> Problems:
    """The later ones may trust what the earlier ones found in order."""
    for one in checks:
        found = list(one(value, at))
        yield from found
        if found:
            return


@with_settings
def either(value: Any, at: str, one: str, other: str) -> Problems:
    if (one in value) == (other in value):
        yield problem(f"must have either {one} or {other}", at)


def _repeated(ids: Iterable[object]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for index, one in enumerate(ids):
        if isinstance(one, str) and one in seen:
            yield index, one
        elif isinstance(one, str) and one:
            seen.add(one)


# --- composition objects ---


def plain(limit: int, least: int = 1) -> Check:
    fields = {"type": one_of("plain_text"), "text": text(limit, least)}
    return thing(fields, {"emoji": flag})


def mrkdwn(limit: int, least: int = 1) -> Check:
    return thing({"type": one_of("mrkdwn"), "text": text(limit, least)}, {"verbatim": flag})


def any_text(limit: int, least: int = 1) -> Check:
    return typed({"plain_text": plain(limit, least), "mrkdwn": mrkdwn(limit, least)}, "text object")


def option(text_check: Check) -> Check:
    return thing({"text": text_check, "value": text(150, 1)}, {"description": plain(75), "url": url})


def unlike_options(value: Any, at: str) -> Problems:
    for index, key in _repeated(item["value"] for item in value):
        yield problem(f"duplicate value: {key}", f"{at}/{index}/value")


PLAIN_OPTION = option(plain(75))
RICH_OPTION = option(any_text(75))
OPTIONS = both(many(PLAIN_OPTION, 100), unlike_options)
CONFIRM = thing(
    {"text": any_text(300)},
    {"title": plain(100), "confirm": plain(30), "deny": plain(30), "style": one_of("primary", "danger")},
)
STYLE = one_of("primary", "danger")
PLACEHOLDER = plain(150)
SLACK_FILE = thing({}, {"id": text(255), "url": url})
FILTER = thing(
    {},
    {
        "include": many(one_of("im", "mpim", "private", "public"), 4),
        "exclude_external_shared_channels": flag,
        "exclude_bot_users": flag,
    },
)

# --- elements ---


def element(kind: str, required: dict[str, Check] | None = None, optional: dict[str, Check] | None = None) -> Check:
    return thing({"type": one_of(kind), **(required or {})}, {"action_id": text(255, 1), **(optional or {})})


def select(kind: str, **own: Check) -> Check:
    shared = {"placeholder": PLACEHOLDER, "focus_on_load": flag, "confirm": CONFIRM}
    check = element(kind, {}, {**shared, **own})
    if not kind.endswith("static_select"):
        return check
    return both(check, either("options", "option_groups"), starts_with_an_offer)


def within_bounds(value: Any, at: str) -> Problems:
    low, start, high = (value.get(name) for name in ("min_value", "initial_value", "max_value"))
    given = [Decimal(one) for one in (low, start, high) if one is not None]
    if given != sorted(given):
        yield problem("min_value, initial_value and max_value must be in order", at)


def starts_with_an_offer(value: Any, at: str) -> Problems:
    offered = offered_options(value)
    initial = [value["initial_option"]] if value.get("initial_option") else value.get("initial_options") or []
    if any(one not in offered for one in initial):
        yield problem("initial option must match one of the options", at)


MOST_SELECTED = {"max_selected_items": number}
STATIC = {"options": OPTIONS, "option_groups": many(thing({"label": plain(75), "options": OPTIONS}), 100)}
TYPED = {
    "placeholder": PLACEHOLDER,
    "focus_on_load": flag,
    "dispatch_action_config": thing(
        {"trigger_actions_on": many(one_of("on_enter_pressed", "on_character_entered"), 2)},
    ),
}
NUMERAL = matching(r"-?\d{1,60}(\.\d{1,30})?", "a number, written as a string")
IDS = many(text(255, 1), 1000, 0)

BUTTON = element(
    "button",
    {"text": plain(75)},
    {"value": text(2000), "url": url, "style": STYLE, "confirm": CONFIRM, "accessibility_label": text(75)},
)
CHOICES = {"focus_on_load": flag, "confirm": CONFIRM}
RICH_OPTIONS = both(many(RICH_OPTION, 10), unlike_options)
IMAGE_ELEMENT = thing({"type": one_of("image"), "alt_text": text(2000)}, {"image_url": url, "slack_file": SLACK_FILE})

CHOOSERS: dict[str, Check] = {
    "static_select": select("static_select", **STATIC, initial_option=PLAIN_OPTION),
    "users_select": select("users_select", initial_user=text(255)),
    "channels_select": select("channels_select", initial_channel=text(255), response_url_enabled=flag),
    "conversations_select": select(
        "conversations_select",
        initial_conversation=text(255),
        default_to_current_conversation=flag,
        filter=FILTER,
        response_url_enabled=flag,
    ),
    "external_select": select("external_select", initial_option=PLAIN_OPTION, min_query_length=number),
    "multi_static_select": select(
        "multi_static_select", **STATIC, **MOST_SELECTED, initial_options=many(PLAIN_OPTION, 100, 0)
    ),
    "multi_users_select": select("multi_users_select", **MOST_SELECTED, initial_users=IDS),
    "multi_channels_select": select("multi_channels_select", **MOST_SELECTED, initial_channels=IDS),
    "multi_conversations_select": select(
        "multi_conversations_select",
        **MOST_SELECTED,
        initial_conversations=IDS,
        default_to_current_conversation=flag,
        filter=FILTER,
    ),
    "multi_external_select": select(
        "multi_external_select", **MOST_SELECTED, initial_options=many(PLAIN_OPTION, 100, 0), min_query_length=number
    ),
    "datepicker": select("datepicker", initial_date=matching(r"\d{4}-\d\d-\d\d", "a date as YYYY-MM-DD")),
    "timepicker": select("timepicker", initial_time=matching(r"\d\d:\d\d", "a time as HH:mm"), timezone=text(255)),
    "datetimepicker": element("datetimepicker", {}, {**CHOICES, "initial_date_time": number}),
    "checkboxes": both(
        element("checkboxes", {"options": RICH_OPTIONS}, {**CHOICES, "initial_options": many(RICH_OPTION, 10, 0)}),
        starts_with_an_offer,
    ),
    "radio_buttons": both(
        element("radio_buttons", {"options": RICH_OPTIONS}, {**CHOICES, "initial_option": RICH_OPTION}),
        starts_with_an_offer,
    ),
}

PRESSED: dict[str, Check] = {
    "button": BUTTON,
    "overflow": element("overflow", {"options": both(many(PLAIN_OPTION, 5), unlike_options)}, {"confirm": CONFIRM}),
    "workflow_button": element(
        "workflow_button",
        {"text": plain(75), "workflow": anything},
        {"style": STYLE, "accessibility_label": text(75), "confirm": CONFIRM},
    ),
}

WRITTEN: dict[str, Check] = {
    "plain_text_input": element(
        "plain_text_input",
        {},
        {**TYPED, "initial_value": text(3000), "multiline": flag, "min_length": number, "max_length": number},
    ),
    "email_text_input": element("email_text_input", {}, {**TYPED, "initial_value": text(3000)}),
    "url_text_input": element("url_text_input", {}, {**TYPED, "initial_value": text(3000)}),
    "number_input": both(
        element(
            "number_input",
            {"is_decimal_allowed": flag},
            {**TYPED, "initial_value": NUMERAL, "min_value": NUMERAL, "max_value": NUMERAL},
        ),
        within_bounds,
    ),
    "rich_text_input": element("rich_text_input", {}, {**TYPED, "initial_value": anything}),
    "file_input": element("file_input", {}, {"filetypes": many(text(20), 50), "max_files": number}),
}

ACTION_ELEMENTS = {**CHOOSERS, **PRESSED}
ACCESSORIES = {**ACTION_ELEMENTS, "image": IMAGE_ELEMENT}
INPUT_ELEMENTS = {**CHOOSERS, **WRITTEN}

# --- blocks ---


def block(kind: str, required: dict[str, Check] | None = None, optional: dict[str, Check] | None = None) -> Check:
    return thing({"type": one_of(kind), **(required or {})}, {"block_id": text(255, 1), **(optional or {})})


def has_words(value: Any, at: str) -> Problems:
    if not value.get("text") and not value.get("fields"):
        yield problem("missing required field: text or fields", at)


def fits_table(value: Any, at: str) -> Problems:
    if sum(len(cell.get("text") or "") for row in value["rows"] for cell in row) > TABLE_CHARACTERS:
        yield problem(f"must be less than {TABLE_CHARACTERS + 1} characters", at)


RICH_TEXT = block("rich_text", {"elements": many(anything, 1000, 0)})
TABLE_CELL = typed(
    {
        "raw_text": thing({"type": anything, "text": text(TABLE_CHARACTERS)}),
        "raw_number": thing({"type": anything, "value": number}, {"text": text(255)}),
        "rich_text": RICH_TEXT,
    },
    "table cell",
)
CARD = block(
    "card",
    {},
    {
        "hero_image": IMAGE_ELEMENT,
        "icon": IMAGE_ELEMENT,
        "title": any_text(150),
        "subtitle": any_text(150),
        "body": any_text(200),
        "actions": many(BUTTON, 3),
    },
)

EVERYWHERE: dict[str, Check] = {
    "section": both(
        block(
            "section",
            {},
            {
                "text": any_text(3000),
                "fields": many(any_text(2000), 10),
                "accessory": typed(ACCESSORIES, "accessory"),
                "expand": flag,
            },
        ),
        has_words,
    ),
    "header": block("header", {"text": plain(150)}),
    "divider": block("divider"),
    "context": block(
        "context",
        {
            "elements": many(
                typed({"image": IMAGE_ELEMENT, "plain_text": plain(3000), "mrkdwn": mrkdwn(3000)}, "context element"),
                10,
            )
        },
    ),
    "actions": block("actions", {"elements": many(typed(ACTION_ELEMENTS, "element of an actions block"), 25)}),
    "image": both(
        block("image", {"alt_text": text(2000)}, {"image_url": url, "slack_file": SLACK_FILE, "title": plain(2000)}),
        either("image_url", "slack_file"),
    ),
    "video": block(
        "video",
        {"video_url": url, "thumbnail_url": url, "alt_text": text(2000), "title": plain(200)},
        {
            "title_url": url,
            "author_name": text(50),
            "provider_name": text(50),
            "provider_icon_url": url,
            "description": plain(200),
        },
    ),
    "rich_text": RICH_TEXT,
    "input": block(
        "input",
        {"label": plain(2000), "element": typed(INPUT_ELEMENTS, "input element")},
        {"hint": plain(2000), "optional": flag, "dispatch_action": flag},
    ),
}

IN_MESSAGES: dict[str, Check] = {
    **EVERYWHERE,
    "markdown": block("markdown", {"text": text(MARKDOWN_CHARACTERS, 1)}),
    "table": both(
        block(
            "table",
            {"rows": many(many(TABLE_CELL, 20), 100)},
            {"column_settings": many(thing({}, {"align": one_of("left", "center", "right"), "is_wrapped": flag}), 20)},
        ),
        fits_table,
    ),
    "file": block("file", {"source": one_of("remote"), "external_id": text(255)}),
    "card": CARD,
    "carousel": block("carousel", {"elements": many(CARD, 10)}),
    "context_actions": block("context_actions", {"elements": many(anything, 5)}),
}

BLOCKS: dict[str, Check] = {
    "message": typed(IN_MESSAGES, "block of a message"),
    "modal": typed(
        {
            **EVERYWHERE,
            "alert": block(
                "alert", {"text": any_text(3000)}, {"level": one_of("default", "info", "warning", "error", "success")}
            ),
        },
        "block of a modal",
    ),
    "home": typed(EVERYWHERE, "block of a Home tab"),
}


def check_blocks(blocks: Any, surface: Surface, at: str = "/blocks") -> list[str]:
    if found := list(many(BLOCKS[surface], MOST_BLOCKS[surface], 0)(blocks, at)):
        return found
    found += _unique_block_ids(blocks, at)
    for index, one in enumerate(blocks):
        found += _unique_action_ids(one, f"{at}/{index}")
    return found + list(_limits_of_the_whole(blocks, at))


def check_view(view: Any) -> list[str]:
    kind = view.get("type") if isinstance(view, dict) else None
    if kind not in ("modal", "home"):
        return [problem("must be a modal or a home view", "/view/type")]
    found = list(VIEWS[kind](view, "/view"))
    found += check_blocks(view.get("blocks"), kind, "/view/blocks")
    if kind == "modal" and not view.get("submit") and _has_input(view.get("blocks")):
        found.append(problem("missing required field: submit, since there is an input block", "/view"))
    return found


VIEW_FIELDS: dict[str, Check] = {
    "private_metadata": text(3000),
    "callback_id": text(255),
    "external_id": text(255),
}
VIEWS: dict[str, Check] = {
    "modal": thing(
        {"type": one_of("modal"), "title": plain(24), "blocks": anything},
        {**VIEW_FIELDS, "submit": plain(24), "close": plain(24), "clear_on_close": flag, "notify_on_close": flag,
         "submit_disabled": flag},
    ),
    "home": thing({"type": one_of("home"), "blocks": anything}, VIEW_FIELDS),
}  # fmt: skip


def interactive_elements(block: Json) -> list[Json]:
    if block["type"] == "actions":
        return list(block["elements"])
    if block["type"] == "card":
        return list(block.get("actions") or ())
    if block["type"] == "carousel":
        return [one for card in block["elements"] for one in interactive_elements(card)]
    alone = block.get("accessory") or block.get("element")
    return [alone] if alone and alone["type"] != "image" else []


def offered_options(element: Json) -> list[Json]:
    groups = element.get("option_groups") or [{"options": element.get("options") or []}]
    return [one for group in groups for one in group["options"]]


def _unique_action_ids(block: Json, at: str) -> Problems:
    for _, action_id in _repeated(item.get("action_id") for item in interactive_elements(block)):
        yield problem(f"`action_id` already exists for another element in the block: {action_id}", at)


def _unique_block_ids(blocks: list[Json], at: str) -> Problems:
    for index, block_id in _repeated(block.get("block_id") for block in blocks):
        yield problem(f"`block_id` already exists for another block: {block_id}", f"{at}/{index}/block_id")


def _limits_of_the_whole(blocks: list[Json], at: str) -> Problems:
    if sum(len(one["text"]) for one in blocks if one["type"] == "markdown") > MARKDOWN_CHARACTERS:
        yield problem(f"all markdown blocks together must be less than {MARKDOWN_CHARACTERS + 1} characters", at)
    if sum(one["type"] == "table" for one in blocks) > 1:
        yield problem("only one table allowed", at)


def _has_input(blocks: Any) -> bool:
    return isinstance(blocks, list) and any(isinstance(one, dict) and one.get("type") == "input" for one in blocks)
