from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from bot.domain.catalogue.catalogue import Finding
from bot.domain.errors import Unclear
from bot.paths import data

EVENTS_PATH = "/slack/events"

# place -> the longest text Slack takes there; [] is each of a list
_LENGTHS = {
    "display_information.name": 35,
    "display_information.description": 140,
    "display_information.long_description": 4_000,
    "features.bot_user.display_name": 80,
    "features.slash_commands[].command": 32,
    "features.slash_commands[].description": 2_000,
    "features.slash_commands[].usage_hint": 1_000,
    "features.shortcuts[].name": 24,
    "features.shortcuts[].callback_id": 255,
    "features.shortcuts[].description": 150,
}
_COUNTS = {
    "features.slash_commands": 50,
    "features.shortcuts": 10,
    "settings.event_subscriptions.bot_events": 100,
    "oauth_config.scopes.bot": 255,
}
_REQUIRED = (
    "display_information.name",
    "features.bot_user.display_name",
    "features.slash_commands[].command",
    "features.slash_commands[].description",
    "features.shortcuts[].name",
    "features.shortcuts[].type",
    "features.shortcuts[].callback_id",
    "features.shortcuts[].description",
)


def packaged() -> dict[str, Any]:
    return read(data("manifest.yml"))


def read(path: Path) -> dict[str, Any]:
    """Raises what reading and YAML raise."""
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def for_socket_mode() -> dict[str, Any]:
    manifest = packaged()
    manifest["settings"]["socket_mode_enabled"] = True
    return manifest


def for_http(url: str) -> dict[str, Any]:
    """Slack posts everything to `<url>/slack/events`. Raises Unclear for what is no https address."""
    manifest = packaged()
    address = _base(url) + EVENTS_PATH
    manifest["settings"]["socket_mode_enabled"] = False
    manifest["settings"]["event_subscriptions"]["request_url"] = address
    manifest["settings"]["interactivity"]["request_url"] = address
    for command in manifest["features"]["slash_commands"]:
        command["url"] = address
    return manifest


def as_yaml(manifest: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=120)
    return text


def _base(url: str) -> str:
    parts = urlsplit(url)
    # Plain http is for a simulated workspace on the same machine.
    if parts.scheme not in ("https", "http") or not parts.netloc or parts.query or parts.fragment:
        raise Unclear(f"“{url}” is not an address. Write for example https://tocsin.example.com.")
    return url.rstrip("/")


def check(path: Path) -> list[Finding]:
    try:
        text = path.read_text(encoding="utf-8")
        manifest = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as problem:
        return [Finding(str(path), 1, f"The manifest cannot be read: {problem}.")]
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        return [Finding(str(path), mark.line + 1 if mark else 1, "The manifest is not valid YAML.")]
    if not isinstance(manifest, dict):
        return [Finding(str(path), 1, "The manifest must be a mapping.")]
    return [Finding(str(path), _line(text, word), sentence) for word, sentence in problems(manifest)]


def problems(manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for place in _REQUIRED:
        if any(not found for found in _at(manifest, place)):
            yield place.rpartition(".")[2], f"{place} is missing. Slack requires it."
    for place, limit in _LENGTHS.items():
        for text in filter(None, _at(manifest, place)):
            if len(str(text)) > limit:
                yield str(text), f"“{text}” has {len(str(text))} characters. Slack takes {limit} in {place}."
    for place, limit in _COUNTS.items():
        for items in filter(None, _at(manifest, place)):
            if len(items) > limit:
                yield place.rpartition(".")[2], f"{place} has {len(items)} entries. Slack takes {limit}."
    yield from _names(manifest)


def _names(manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for command in _at(manifest, "features.slash_commands[].command"):
        if not re.fullmatch(r"/[^\sA-Z/]+", str(command)):
            yield str(command), f"“{command}” is not a command. Start it with / and use lower case."
    for sort in _at(manifest, "features.shortcuts[].type"):
        if sort not in ("message", "global"):
            yield str(sort), f"A shortcut is “message” or “global”, not “{sort}”."
    for place in ("features.slash_commands[].command", "features.shortcuts[].callback_id"):
        known = [str(one) for one in _at(manifest, place)]
        for twice in sorted({one for one in known if known.count(one) > 1}):
            yield twice, f"“{twice}” is there twice. Keep one."


def _at(value: Any, place: str) -> list[Any]:
    """What is at `a.b[].c`: None for each that is missing."""
    here, _, rest = place.partition(".")
    found = value.get(here.removesuffix("[]")) if isinstance(value, dict) else None
    many = found or [] if here.endswith("[]") else [found]
    return [inner for one in many for inner in _at(one, rest)] if rest else list(many)


def _line(text: str, word: str) -> int:
    return next((number for number, line in enumerate(text.splitlines(), 1) if word in line), 1)
