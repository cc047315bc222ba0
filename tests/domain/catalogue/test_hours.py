"""Hours are somebody's wall time, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from bot.domain.catalogue.hours import DAY, Hours, moment

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Antarctica/Troll")
BUSINESS = Hours("business", "Europe/Berlin", timedelta(hours=9), timedelta(hours=17), frozenset(range(5)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def wall(text: str) -> datetime:
    """A time on somebody's wall: without a zone."""
    return datetime.fromisoformat(text)


moments = st.datetimes(wall("2025-01-01"), wall("2028-01-01"), timezones=st.just(UTC))


@st.composite
def some_hours(draw: st.DrawFn) -> Hours:
    opens, lasting = draw(st.integers(0, 1439)), draw(st.integers(1, 1440))
    days = draw(st.frozensets(st.integers(0, 6), min_size=1))
    minutes = timedelta(minutes=1)
    return Hours("some", draw(st.sampled_from(ZONES)), opens * minutes, (opens + lasting) * minutes, days)


@pytest.mark.parametrize(
    ("asked", "opens"),
    [
        ("2026-11-20T08:00:00+00:00", "2026-11-20T08:00:00+00:00"),
        ("2026-11-20T15:59:59+00:00", "2026-11-20T15:59:59+00:00"),
        ("2026-11-20T16:00:00+00:00", "2026-11-23T08:00:00+00:00"),
        ("2026-11-21T12:00:00+00:00", "2026-11-23T08:00:00+00:00"),
        ("2026-03-27T20:00:00+00:00", "2026-03-30T07:00:00+00:00"),
        ("2026-10-23T20:00:00+00:00", "2026-10-26T08:00:00+00:00"),
    ],
    ids=["at nine", "just before five", "at five on Friday", "on Saturday", "summer time begins", "summer time ends"],
)
def test_next_open(asked: str, opens: str) -> None:
    """Nine o'clock stays nine o'clock when the clocks change."""
    assert BUSINESS.next_open(at(asked)) == at(opens)


def test_overnight() -> None:
    """Hours that end after midnight belong to the day on which they begin."""
    night = Hours("night", "UTC", timedelta(hours=22), timedelta(hours=30), frozenset({4}))
    assert night.is_open(at("2026-11-21T05:59:00+00:00"))
    assert not night.is_open(at("2026-11-21T06:00:00+00:00"))
    assert not night.is_open(at("2026-11-20T05:00:00+00:00"))


def test_an_hour_that_is_left_out() -> None:
    """02:30 on the night that has none is 03:30; on the night that has two it is the first."""
    berlin = ZoneInfo("Europe/Berlin")
    assert moment(wall("2026-03-29T02:30"), berlin) == at("2026-03-29T01:30:00+00:00")
    assert moment(wall("2026-10-25T02:30"), berlin) == at("2026-10-25T00:30:00+00:00")


@given(some_hours(), moments)
def test_a_wait_ends_inside(hours: Hours, now: datetime) -> None:
    """Who waits for hours is inside them then, waited no longer than needed, and waits no more."""
    then = hours.next_open(now)
    assert then >= now
    assert hours.is_open(then)
    assert hours.next_open(then) == then
    local = then.astimezone(ZoneInfo(hours.zone)).replace(tzinfo=None)
    days = {(local - hours.opens).weekday(), local.weekday(), (local - DAY).weekday()}
    assert days & hours.days


@given(some_hours(), moments, st.floats(0, 1))
def test_shut_until_then(hours: Hours, now: datetime, part: float) -> None:
    """Between now and the next opening they are never open."""
    then = hours.next_open(now)
    between = now + (then - now) * part
    assert hours.is_open(between) == (between == then)


@given(some_hours(), moments, st.floats(0, 0.999))
def test_nothing_changes_before_the_edge(hours: Hours, now: datetime, part: float) -> None:
    """Up to the next edge they stay as they are."""
    edge = hours.next_edge(now)
    assert edge > now
    assert hours.is_open(now + (edge - now) * part) == hours.is_open(now)
