"""Rendered arguments, read by name and type: what does not fit is a sentence before anything happens."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from bot.domain.errors import Unclear
from bot.domain.text import duration


def text(arguments: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A number or truth, as templates may give, is written out. Raises Unclear."""
    value = arguments.get(name, default)
    if value is None:
        raise Unclear(f"{name} is missing. Say it.")
    return written(value, name)


def written(value: Any, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise Unclear(f"{name} must be a text.")
    text = str(value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Unclear(f"{name} has half a character in it, which nothing takes.")
    return text


def texts(arguments: Mapping[str, Any], name: str) -> list[str]:
    """Raises Unclear."""
    value = arguments.get(name, [])
    if not isinstance(value, list | tuple):
        raise Unclear(f"{name} must be a list.")
    return [written(one, f"each of {name}") for one in value]


def mapping(arguments: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Raises Unclear."""
    value = arguments.get(name) or {}
    if not isinstance(value, Mapping):
        raise Unclear(f"{name} must be a mapping of names and values.")
    return value


def flag(arguments: Mapping[str, Any], name: str, default: bool) -> bool:
    """true or false, and nothing that looks like it. Raises Unclear."""
    value = arguments.get(name, default)
    if not isinstance(value, bool):
        raise Unclear(f"{name} must be true or false.")
    return value


def whole(arguments: Mapping[str, Any], name: str, default: int, most: int) -> int:
    """Raises Unclear."""
    value = arguments.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise Unclear(f"{name} must be a whole number from 1 to {most:,}.")
    return value


def numbers(arguments: Mapping[str, Any], name: str, default: Collection[int]) -> frozenset[int]:
    """Raises Unclear."""
    value = arguments.get(name, default)
    value = [value] if isinstance(value, int) else value
    if not isinstance(value, Collection) or not all(type(one) is int for one in value):
        raise Unclear(f"{name} must be a list of whole numbers.")
    return frozenset(value)


def seconds(arguments: Mapping[str, Any], name: str) -> float:
    """More than nothing. Raises Unclear."""
    value = arguments.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise Unclear(f"{name} needs a unit. Write for example 30s.")
    found = value if isinstance(value, timedelta) else duration.parse(text(arguments, name))
    if found <= timedelta(0):
        raise Unclear(f"{name} must be more than nothing.")
    return found.total_seconds()
