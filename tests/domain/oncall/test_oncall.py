"""Who is on call: exactly one person of a rotation, at any moment, and it is known until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from bot.domain.catalogue.hours import Hours
from bot.domain.catalogue.levels import Level, Override, Rotation
from bot.domain.oncall.oncall import next_change, on_call
from tests.domain.catalogue.test_hours import ZONES, at, moments, some_hours, wall

WEEK, DAY, HOUR = timedelta(days=7), timedelta(days=1), timedelta(hours=1)
WEEKLY = Rotation(("U0ADA", "U0BEN", "U0CLEO"), WEEK, wall("2026-01-05T09:00"), "Europe/Berlin")


def level(*rotations: Rotation, overrides: tuple[Override, ...] = ()) -> Level:
    return Level("primary", rotations, overrides=overrides)


def who(one: Level, moment: str, *taken: Override) -> str:
    (person,) = on_call(one, at(moment), taken).who
    return person


@pytest.mark.parametrize(
    ("moment", "person"),
    [
        ("2026-01-05T09:00:00+01:00", "U0ADA"),
        ("2026-01-12T08:59:59+01:00", "U0ADA"),
        ("2026-01-12T09:00:00+01:00", "U0BEN"),
        ("2026-01-26T09:00:00+01:00", "U0ADA"),
        ("2026-01-05T08:59:59+01:00", "U0CLEO"),
    ],
)
def test_weekly(moment: str, person: str) -> None:
    """Week after week, the first again after the last; before its start as if it had always been so."""
    assert who(level(WEEKLY), moment) == person


def test_handover_keeps_its_wall_time() -> None:
    """With a zone, nine o'clock stays nine o'clock in summer; with an offset alone every week is equally long."""
    spring = "2026-03-30T09:00:00+02:00"
    fixed = replace(WEEKLY, start=at("2026-01-05T09:00:00+01:00"), zone=None)
    before = at("2026-03-25T12:00:00+01:00")
    assert next_change(level(WEEKLY), before) == at(spring)
    assert next_change(level(fixed), before) == at(spring) + HOUR


def test_daily() -> None:
    """The day on which the clocks change has 23 or 25 hours, and one person."""
    daily = level(replace(WEEKLY, every=DAY))
    shift = at("2026-03-28T09:00:00+01:00")
    assert next_change(daily, shift) == shift + timedelta(hours=23)
    shift = at("2026-10-24T09:00:00+02:00")
    assert next_change(daily, shift) == shift + timedelta(hours=25)


def test_follow_the_sun() -> None:
    """The first rotation whose hours are open has it, the last one the rest of the day."""
    europe = Hours("europe", "Europe/Berlin", 8 * HOUR, 16 * HOUR)
    america = Hours("america", "America/New_York", 8 * HOUR, 16 * HOUR)
    sun = level(
        replace(WEEKLY, people=("U0EVA",), hours=europe),
        replace(WEEKLY, people=("U0AMY",), hours=america),
        replace(WEEKLY, people=("U0KIM",)),
    )
    day = "2026-11-20T{}:00+00:00"
    seen = [who(sun, day.format(clock)) for clock in ("06:59", "07:00", "14:59", "15:00", "20:59", "21:00")]
    assert seen == ["U0KIM", "U0EVA", "U0EVA", "U0AMY", "U0AMY", "U0KIM"]
    assert next_change(sun, at(day.format("07:00"))) == at(day.format("15:00"))


def test_overrides_win() -> None:
    """Who took it has it, up to the minute; a later one over an earlier one, Slack over the file."""
    written = Override("U0DAN", at("2026-01-06T00:00:00+00:00"), at("2026-01-08T00:00:00+00:00"))
    taken = Override("U0EVA", at("2026-01-06T12:00:00+00:00"), at("2026-01-06T14:00:00+00:00"))
    one = level(WEEKLY, overrides=(written,))
    assert who(one, "2026-01-06T13:00:00+00:00") == "U0DAN"
    assert who(one, "2026-01-06T13:00:00+00:00", taken) == "U0EVA"
    assert who(one, "2026-01-06T14:00:00+00:00", taken) == "U0DAN"
    assert on_call(one, written.begins_at).override == written
    assert next_change(one, at("2026-01-06T13:00:00+00:00"), [taken]) == taken.ends_at
    assert next_change(one, taken.ends_at, [taken]) == written.ends_at


def test_levels_without_a_rotation() -> None:
    """A list of people never changes; what PagerDuty knows is asked there, unless somebody took it."""
    people = Level("managers", who=("team:management",))
    assert on_call(people, at("2026-01-06T13:00:00+00:00")).who == ("team:management",)
    assert next_change(people, at("2026-01-06T13:00:00+00:00")) is None
    schedule = Level("primary", pagerduty_schedule="PABC123")
    found = on_call(schedule, at("2026-01-06T13:00:00+00:00"))
    assert (found.who, found.schedule) == ((), "PABC123")
    taken = Override("U0EVA", at("2026-01-06T12:00:00+00:00"), at("2026-01-06T14:00:00+00:00"))
    assert who(schedule, "2026-01-06T13:00:00+00:00", taken) == "U0EVA"
    assert next_change(schedule, at("2026-01-06T13:00:00+00:00"), [taken]) == taken.ends_at


def test_nobody_to_change_with() -> None:
    """A rotation of one person never changes."""
    assert next_change(level(replace(WEEKLY, people=("U0ADA",), every=HOUR)), at("2026-01-06T13:00:00+00:00")) is None


# --- arithmetic ---

PEOPLE = ("U0ADA", "U0BEN", "U0CLEO", "U0DAN")
NO_HOURS = st.none()


@st.composite
def some_rotation(draw: st.DrawFn, hours: st.SearchStrategy[Hours | None] = NO_HOURS) -> Rotation:
    people = tuple(draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4)))
    every = draw(st.sampled_from([HOUR, 90 * HOUR / 60, 8 * HOUR, DAY, 36 * HOUR, WEEK, 14 * DAY]))
    where = draw(st.none() | st.sampled_from(ZONES))
    start = draw(st.datetimes(wall("2024-01-01"), wall("2028-01-01")))
    return Rotation(people, every, start if where else start.replace(tzinfo=UTC), where, draw(hours))


@st.composite
def some_override(draw: st.DrawFn) -> Override:
    begins = draw(moments)
    return Override(draw(st.sampled_from(PEOPLE)), begins, begins + timedelta(minutes=draw(st.integers(1, 20_000))))


@st.composite
def some_level(draw: st.DrawFn) -> Level:
    rotations = [*draw(st.lists(some_rotation(some_hours()), max_size=2)), draw(some_rotation())]
    return Level("some", tuple(rotations), overrides=tuple(draw(st.lists(some_override(), max_size=2))))


taken_lists = st.lists(some_override(), max_size=2)


@given(some_level(), moments, taken_lists)
def test_exactly_one_person(one: Level, now: datetime, taken: list[Override]) -> None:
    """At any moment exactly one person is on call, and the override that was made last wins."""
    (person,) = on_call(one, now, taken).who
    holding = [override.person for override in (*one.overrides, *taken) if override.holds(now)]
    assert person in PEOPLE
    assert not holding or person == holding[-1]


@given(some_level(), moments, taken_lists, st.floats(0, 0.999))
def test_nothing_changes_before(one: Level, now: datetime, taken: list[Override], part: float) -> None:
    """Up to the next change it is the same person, at the next change another, and the next change only moves on."""
    change = next_change(one, now, taken)
    if change is None:
        return
    assert change > now
    between = now + (change - now) * part
    assert on_call(one, between, taken).who == on_call(one, now, taken).who
    assert on_call(one, change, taken).who != on_call(one, now, taken).who
    assert next_change(one, between, taken) == change


@given(some_rotation(), moments)
def test_shifts_follow_one_another(rotation: Rotation, now: datetime) -> None:
    """The next handover is soon enough, and with shifts of a day or more the next in the list follows."""
    rotation = replace(rotation, people=PEOPLE)
    handover = rotation.next_handover(now)
    assert now < handover <= now + rotation.every + timedelta(hours=2)
    if rotation.every >= DAY:
        turn = PEOPLE.index(rotation.person(now))
        assert rotation.person(handover) == PEOPLE[(turn + 1) % len(PEOPLE)]


@given(st.integers(-200, 200), st.sampled_from([DAY, WEEK]), st.integers(6, 22), st.sampled_from(ZONES))
def test_wall_time_of_every_handover(number: int, every: timedelta, hour: int, where: str) -> None:
    """In daytime every handover of whole days has the wall time of the start."""
    rotation = Rotation(("U0ADA",), every, wall(f"2026-01-05T{hour:02}:30"), where)
    local = rotation.handover(number).astimezone(ZoneInfo(where))
    assert (local.hour, local.minute) == (hour, 30)
