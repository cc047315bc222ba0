"""Durations as people write and read them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from bot.domain.errors import Unclear
from bot.domain.text import duration


@given(st.integers(min_value=0, max_value=3650 * 86_400))
def test_round_trip(seconds: int) -> None:
    """What is written short is read back the same."""
    value = timedelta(seconds=seconds)
    assert duration.parse(duration.short(value)) == value


@given(st.text(max_size=12))
def test_any_text(text: str) -> None:
    """Any text is a duration within bounds, or unclear; nothing else happens."""
    try:
        value = duration.parse(text)
    except Unclear:
        return
    assert timedelta(0) <= value <= duration.LONGEST


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("30s", 0.5),
        ("15m", 15),
        ("4h", 240),
        ("2d", 2880),
        ("1h30m", 90),
        ("0m", 0),
        (" 90M ", 90),
        ("1d1s", 1440 + 1 / 60),
    ],
)
def test_parse(text: str, minutes: float) -> None:
    """Units largest first, in any case."""
    assert duration.parse(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "15", "m", "1m1h", "1h1h", "-5m", "1.5h", "15 m", "١٥m", "99999d"])
def test_refused(text: str) -> None:
    """Everything else is unclear."""
    with pytest.raises(Unclear):
        duration.parse(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 minutes"),
        (1, "1 second"),
        (90 * 60, "1 hour 30 minutes"),
        (26 * 3600, "1 day 2 hours"),
        (93_784, "1 day 2 hours"),
        (-5, "0 minutes"),
    ],
)
def test_words(seconds: int, words: str) -> None:
    """The two largest units say enough."""
    assert duration.words(timedelta(seconds=seconds)) == words
