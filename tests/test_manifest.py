"""The Slack app's manifest is within Slack's limits, and asks for what the code does: no less, and no more."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import bot
import commands
from bot import manifest, simulator
from bot.domain.errors import Unclear
from bot.paths import data
from bot.slack import events
from commands import LISTENERS


def test_within_limits() -> None:
    """Slack takes the manifest as it is shipped."""
    assert manifest.check(data("manifest.yml")) == []


def test_socket_mode() -> None:
    """Socket Mode needs no address."""
    made = manifest.for_socket_mode()
    assert made["settings"]["socket_mode_enabled"] is True
    assert "request_url" not in manifest.as_yaml(made)


def test_http() -> None:
    """For HTTP everything goes to one address."""
    made = manifest.for_http("https://tocsin.example.com/")
    address = "https://tocsin.example.com/slack/events"
    assert made["settings"]["socket_mode_enabled"] is False
    assert made["settings"]["event_subscriptions"]["request_url"] == address
    assert made["settings"]["interactivity"]["request_url"] == address
    assert {command["url"] for command in made["features"]["slash_commands"]} == {address}
    assert list(manifest.problems(made)) == []
    assert yaml.safe_load(manifest.as_yaml(made)) == made


@pytest.mark.parametrize("url", ["tocsin.example.com", "ftp://x", "https://", "https://x?y=1", ""])
def test_no_address(url: str) -> None:
    """What is no address is refused with an example."""
    with pytest.raises(Unclear, match=r"Write for example https://"):
        manifest.for_http(url)


# --- what the manifest asks for is what the code does --------------------------------------------------------------

METHODS = json.loads((Path(simulator.__file__).parent / "data" / "methods.json").read_text())["methods"]
SPEAKERS = [
    Path(bot.__file__).parent / name for name in ("services", "queue", "domain", "slack", "integrations", "app")
]

# An event needs the scope to read what it tells of.
EVENT_SCOPES = {
    "app_mention": "app_mentions:read",
    "channel": "channels:read",
    "group": "groups:read",
    "member": "channels:read",
    "pin": "pins:read",
    "reaction": "reactions:read",
    "team": "users:read",
    "user": "users:read",
}
# Slack has one method for conversations of every kind, and a scope for each kind.
KINDS = {"channels": "public channels", "groups": "private incidents"}
WITHOUT_A_METHOD = {
    "commands": "slash commands and shortcuts",
    "chat:write.public": "chat.postMessage to a service's channel that the bot is no member of",
    "groups:history": "conversations.history of a private incident",
    "groups:read": "conversations.info of a private channel",
    "groups:write": "conversations.create with is_private",
    "im:history": "conversations.history of a direct message whose answer was lost",
    "im:write": "conversations.open with one person",
    "users:read.email": "the addresses in users.info and users.list, to which a severity's tell may write",
}


def called() -> set[str]:
    """Every Web API method that the bot's code names."""
    files = [file for place in (*SPEAKERS, Path(commands.__file__).parent) for file in _python(place)]
    texts = {text for file in files for text in _texts(ast.parse(file.read_text(encoding="utf-8")))}
    return texts & METHODS.keys()


def _python(place: Path) -> list[Path]:
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]


def _texts(tree: ast.AST) -> Iterator[str]:
    return (one.value for one in ast.walk(tree) if isinstance(one, ast.Constant) and isinstance(one.value, str))


def scopes() -> list[str]:
    return list(manifest.packaged()["oauth_config"]["scopes"]["bot"])


def test_commands_and_shortcuts() -> None:
    """The manifest offers the commands and shortcuts that the table answers, and the Home tab."""
    features = manifest.packaged()["features"]
    assert {one["command"] for one in features["slash_commands"]} == LISTENERS.commands.keys()
    assert all(one["should_escape"] for one in features["slash_commands"])  # people and channels come as ids
    assert {one["callback_id"] for one in features["shortcuts"]} == LISTENERS.shortcuts.keys()
    assert features["app_home"]["home_tab_enabled"] is True


def test_shortcuts_have_their_names() -> None:
    """People find the shortcuts under the names they were promised."""
    shortcuts = manifest.packaged()["features"]["shortcuts"]
    assert {(one["callback_id"], one["type"], one["name"]) for one in shortcuts} == {
        ("incident.declare", "global", "Declare an incident"),
        ("incident.declare_from", "message", "Declare incident"),
        ("timeline.add", "message", "Add to timeline"),
    }


def test_events() -> None:
    """The manifest subscribes to exactly the events that the bot acts upon."""
    wanted = manifest.packaged()["settings"]["event_subscriptions"]["bot_events"]
    assert len(wanted) == len(set(wanted))
    assert set(wanted) == events.OURS | LISTENERS.events.keys()


def test_scopes_suffice() -> None:
    """Every method that the code calls and every event that it hears is covered by a scope."""
    granted, methods = set(scopes()), called()
    assert {"conversations.create", "chat.postMessage", "views.open", "files.completeUploadExternal"} <= methods
    for method in methods:
        needed = METHODS[method]["scopes"]
        assert not needed or granted & set(needed), f"{method} needs one of {needed}"
        for kind, why in KINDS.items():
            of_kind = {scope for scope in needed if scope.startswith(f"{kind}:")}
            assert not of_kind or granted & of_kind, f"{method} needs one of {of_kind}, for {why}"
    assert _for_events() <= granted


def _for_events() -> set[str]:
    heard = manifest.packaged()["settings"]["event_subscriptions"]["bot_events"]
    return {scope for event in heard for start, scope in EVENT_SCOPES.items() if event.startswith(start)}


def test_scopes_are_needed() -> None:
    """No scope is asked for that nothing needs."""
    asked = scopes()
    assert len(asked) == len(set(asked))
    by_method = {scope for method in called() for scope in METHODS[method]["scopes"]}
    needed = (
        by_method & {scope for scope in asked if not scope.startswith(("groups:", "im:", "mpim:"))}
    ) | _for_events()
    assert set(asked) == needed | WITHOUT_A_METHOD.keys()


# --- Slack's limits ------------------------------------------------------------------------------------------------


def change(place: str, value: Any) -> dict[str, Any]:
    made = manifest.packaged()
    *outer, last = place.split(".")
    inner: Any = made
    for key in outer:
        inner = inner[int(key) if key.isdigit() else key]
    inner[int(last) if last.isdigit() else last] = value
    return made


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("display_information.name", "x" * 36, "has 36 characters. Slack takes 35"),
        ("display_information.name", "", "display_information.name is missing."),
        ("features.shortcuts.0.name", "Declare a new incident now", "Slack takes 24"),
        ("features.shortcuts.0.type", "both", "“message” or “global”"),
        ("features.shortcuts.0.callback_id", "timeline.add", "“timeline.add” is there twice"),
        ("features.slash_commands.0.command", "incident", "Start it with /"),
        ("features.slash_commands.0.command", "/" + "x" * 32, "has 33 characters"),
        ("features.shortcuts", [{}] * 11, "has 11 entries. Slack takes 10"),
        ("settings.event_subscriptions.bot_events", ["x"] * 101, "has 101 entries"),
    ],
)
def test_limits(place: str, value: Any, sentence: str) -> None:
    """What Slack would refuse is a sentence."""
    assert any(sentence in found for _, found in manifest.problems(change(place, value)))


def test_findings_have_lines(tmp_path: Path) -> None:
    """A finding has the line of its text; what is no YAML is one too."""
    path = tmp_path / "manifest.yml"
    path.write_text(data("manifest.yml").read_text().replace("name: Add to timeline", f"name: {'x' * 25}"))
    (found,) = manifest.check(path)
    assert path.read_text().splitlines()[found.line - 1].strip() == f"- name: {'x' * 25}"
    path.write_text("a: [")
    assert manifest.check(path)[0].sentence == "The manifest is not valid YAML."
    path.write_text("- a")
    assert manifest.check(path)[0].sentence == "The manifest must be a mapping."
    path.unlink()
    assert manifest.check(path)[0].sentence.startswith("The manifest cannot be read")
