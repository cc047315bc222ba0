"""The Slack app's manifest is within Slack's limits, for both ways to connect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import manifest
from bot.domain.errors import Unclear
from bot.paths import data


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
    assert [command["url"] for command in made["features"]["slash_commands"]] == [address]
    assert list(manifest.problems(made)) == []
    assert yaml.safe_load(manifest.as_yaml(made)) == made


@pytest.mark.parametrize("url", ["tocsin.example.com", "ftp://x", "https://", "https://x?y=1", ""])
def test_no_address(url: str) -> None:
    """What is no address is refused with an example."""
    with pytest.raises(Unclear, match=r"Write for example https://"):
        manifest.for_http(url)


def test_what_the_bot_answers() -> None:
    """The command escapes people and channels, and the shortcuts have their names."""
    features = manifest.packaged()["features"]
    assert [(one["command"], one["should_escape"]) for one in features["slash_commands"]] == [("/incident", True)]
    assert {(one["callback_id"], one["type"], one["name"]) for one in features["shortcuts"]} == {
        ("incident.declare", "global", "Declare an incident"),
        ("incident.declare_from", "message", "Declare incident"),
        ("timeline.add", "message", "Add to timeline"),
    }
    assert features["app_home"]["home_tab_enabled"] is True


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
    """A finding stands where the text stands; what is no YAML is one too."""
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
