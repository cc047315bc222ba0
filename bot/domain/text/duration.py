"""Durations as people write them: `30s 15m 4h 2d 1h30m`, and as people read them: `1 hour 30 minutes`."""

from __future__ import annotations

import re
from datetime import timedelta

from bot.domain.errors import Unclear

LONGEST = timedelta(days=3650)
PATTERN = r"^(?=\d)(\d{1,6}d)?(\d{1,6}h)?(\d{1,6}m)?(\d{1,9}s)?$"  # for JSON Schemas too

_SHAPE = re.compile(PATTERN, re.ASCII)
_UNITS = (("d", "day", 86_400), ("h", "hour", 3_600), ("m", "minute", 60), ("s", "second", 1))


def parse(text: str) -> timedelta:
    """`1h30m` -> 90 minutes. Largest unit first, each at most once. Raises Unclear."""
    shape = _SHAPE.match(text.strip().lower())
    if shape is None:
        raise Unclear(f"“{text}” is not a duration. Write it with units, for example 30s, 15m, 4h, 2d or 1h30m.")
    counts = (int(part[:-1]) if part else 0 for part in shape.groups())
    duration = timedelta(seconds=sum(count * unit[2] for count, unit in zip(counts, _UNITS, strict=True)))
    if duration > LONGEST:
        raise Unclear(f"“{text}” is too long. The longest duration is {short(LONGEST)}.")
    return duration


def short(duration: timedelta) -> str:
    """90 minutes -> `1h30m`. What `parse` reads back; parts of a second are dropped."""
    return "".join(f"{count}{direct_message}" for count, direct_message, _ in _parts(duration)) or "0m"


def words(duration: timedelta, *, parts: int = 2) -> str:
    """90 minutes -> `1 hour 30 minutes`: the largest units that say something, at most `parts` of them."""
    spoken = [f"{count} {name}{'' if count == 1 else 's'}" for count, _, name in _parts(duration)]
    return " ".join(spoken[:parts]) or "0 minutes"


def _parts(duration: timedelta) -> list[tuple[int, str, str]]:
    rest = max(0, int(duration.total_seconds()))
    found = []
    for direct_message, name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            found.append((count, direct_message, name))
    return found
