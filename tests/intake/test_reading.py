"""Single values from outside: times in all the forms that vendors write, texts that can be stored, links for people."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from bot.intake.generic import problem
from bot.intake.reading import Item, Kept, Notes, as_text, as_time, clean, is_link

MOMENT = datetime(2026, 11, 20, 18, 0, 57, 568000, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-20T18:00:57.568Z",
        "2026-11-20T18:00:57.568000000Z",
        "2026-11-20T19:00:57.568+01:00",
        "2026-11-20T18:00:57.568+0000",
        "2026-11-20 18:00:57.568",
        " 2026-11-20T18:00:57.568Z ",
        1795197657.568,
        1795197657568,
        "1795197657568",
        1795197657568000,
        1795197657568000000,
    ],
)
def test_a_time_is_read_in_every_form(written: object) -> None:
    """RFC 3339 with any fraction and offset, or seconds to nanoseconds since 1970."""
    found = as_time(written)
    assert found is not None
    assert abs(found - MOMENT) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "written",
    [
        *("yesterday", "", "12", "9" * 300, "1969-01-01T00:00:00Z"),
        *("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"),
        *(True, None, 0, -5, 12, 1e308, float("inf"), float("nan"), 10**400, [], {}),
    ],
)
def test_what_is_no_time_is_none(written: object) -> None:
    """Nor is one of another century."""
    assert as_time(written) is None


@given(st.datetimes(min_value=datetime(1990, 1, 2), max_value=datetime(2199, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_every_time_survives_being_written(moment: datetime) -> None:
    """As RFC 3339 exactly, as milliseconds to the millisecond."""
    assert as_time(moment.isoformat()) == moment
    found = as_time(int(moment.timestamp() * 1_000))
    assert found is not None
    assert abs(found - moment) <= timedelta(milliseconds=1)


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none())
def test_text_can_always_be_stored(value: object) -> None:
    """UTF-8 can hold it, and PostgreSQL too."""
    text = as_text(value)
    assert text is not None
    assert "\x00" not in text
    text.encode("utf-8")


def test_a_number_of_thousands_of_digits_is_described() -> None:
    """Python refuses to write it out; the alert is kept all the same."""
    assert as_text(10**5_000) == "a number of 16610 bits"


@pytest.mark.parametrize(
    "url", ["https://x.example/a?b=c#d", "http://10.0.0.1:9090/graph?g0.expr=a%3Eb", "https://münchen.example/"]
)
def test_a_link_is_a_link(url: str) -> None:
    """http and https, with a host."""
    assert is_link(url)


def test_what_is_kept_is_bounded_and_says_so() -> None:
    """Depth, breadth and length: what goes is counted."""
    kept = Kept({"wide": list(range(1_000)), "long": "x" * 100_000, "bad": ["\x00", float("nan"), 10**300]})
    assert kept.was_cut == 936 + 1
    assert json.dumps(kept.value, allow_nan=False)
    assert len(kept.value["wide"]) == 64
    assert clean("\x00\ud800") == "\ufffd\ufffd"


def test_what_was_taken_is_not_kept_twice() -> None:
    """A field understood leaves the rest, an odd one stays in it and is named."""
    notes = Notes()
    item = Item({"a": "text", "b": ["odd"], "c": {"d": "deep", "e": 1}, "empty": ""}, "alerts[3]", notes)
    assert (item.text("a"), item.text("b")) == ("text", "")
    assert item.open("c").text("d") == "deep"
    assert item.rest() == {"b": ["odd"], "c": {"e": 1}}
    assert notes.all() == ("alerts[3].b is not text; it is kept as it came.",)


def test_a_mapping_that_cannot_work_is_explained() -> None:
    """The catalogue can say so before anything arrives."""
    assert problem("events[].{id: id}") is None
    assert (problem("events[") or "").startswith("“events[” is not a JMESPath expression")
