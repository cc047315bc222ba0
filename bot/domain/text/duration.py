"""Durations as people write them: `30s 15m 4h 2d 1h30m`, and as people read them: `1 hour 30 minutes`."""

from __future__ import annotations

import re
from datetime import timedelta

from bot.domain.errors import Unclear

LONGEST = timedelta(days=3650)
PATTERN = r"^(?=\d)(\d{1,6}d)?(\d{1,6}h)?(\d{1,6}m)?(\d{1,9}s)?$"  # for JSON Schemas too

_SHAPE = re.compile(PATTERN, re.ASCII)
_UNITS = (("d", "d", "day", 86_400), ("h", "h", "hour", 3_600), ("m", "min", "minute", 60), ("s", "s", "second", 1))


def parse(text: str) -> timedelta:
    """`1h30m` -> 90 minutes. Largest unit first, each at most once. Raises Unclear."""
    shape = _SHAPE.match(text.strip().lower())
    if shape is None:
        raise Unclear(f"“{text}” is not a duration. Write it with units, for example 30s, 15m, 4h, 2d or 1h30m.")
    counts = (int(part[:-1]) if part else 0 for part in shape.groups())
    duration = timedelta(seconds=sum(count * unit[-1] for count, unit in zip(counts, _UNITS, strict=True)))
    if duration > LONGEST:
        raise Unclear(f"“{text}” is too long. The longest duration is {short(LONGEST)}.")
    return duration


def short(duration: timedelta) -> str:
    """90 minutes -> `1h30m`. What `parse` reads back; parts of a second are dropped."""
    return "".join(f"{count}{letter}" for count, letter, _, _ in _parts(int(duration.total_seconds()))) or "0m"


def brief(duration: timedelta) -> str:
    """90 minutes -> `1 h 30 min`: the two largest units that say something, of the nearest second."""
    spoken = [f"{count} {unit}" for count, _, unit, _ in _parts(round(duration.total_seconds()))]
    return " ".join(spoken[:2]) or "0 s"


def words(duration: timedelta, *, parts: int = 2) -> str:
    """90 minutes -> `1 hour 30 minutes`: the largest units that say something, at most `parts` of them."""
    spoken = [
        f"{count} {name}{'' if count == 1 else 's'}" for count, _, _, name in _parts(int(duration.total_seconds()))
    ]
    return " ".join(spoken[:parts]) or "0 minutes"


def _parts(seconds: int) -> list[tuple[int, str, str, str]]:
    found, rest = [], max(0, seconds)
    for letter, unit, name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            found.append((count, letter, unit, name))
    return found
