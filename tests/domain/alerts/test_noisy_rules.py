"""Which rules are noisy, and when they are listed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from bot.domain.alerts.noisy_rules import Habit, Rule, next_list, noisy, slot

QUIET = Rule("default", "Slow", fired=4, told=4, alerts=9, acted_on=0)
COUNTS = st.integers(0, 60)
RULES = st.builds(
    Rule,
    service=st.sampled_from(["a", "b"]),
    name=st.sampled_from(["X", "Y", ""]),
    fired=COUNTS,
    told=COUNTS,
    alerts=COUNTS,
    acted_on=COUNTS,
    returned=COUNTS,
    most_in_a_day=COUNTS,
)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Australia/Sydney"]
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("changes", "habit"),
    [
        ({}, None),
        ({"told": 5}, Habit.NEVER),
        ({"told": 5, "acted_on": 1}, None),  # a fifth is enough
        ({"told": 6, "acted_on": 1}, Habit.SELDOM),
        ({"most_in_a_day": 2}, None),
        ({"most_in_a_day": 3}, Habit.FLAPS),
        ({"told": 9, "most_in_a_day": 3}, Habit.FLAPS),
        ({"told": 0, "fired": 40, "most_in_a_day": 9}, None),  # nobody was told of any
    ],
)
def test_what_is_noisy(changes: dict[str, int], habit: Habit | None) -> None:
    """From five groups of which fewer than a fifth was acted on, or three returns in a day; and people were told."""
    rule = replace(QUIET, **changes)
    assert rule.habit is habit
    assert rule.is_noisy is (habit is not None)


@given(RULES)
def test_acting_never_makes_noise(rule: Rule) -> None:
    """Who acts once more makes no rule noisy that was not, and firing once more no rule quieter."""
    if replace(rule, acted_on=rule.acted_on + 1).is_noisy:
        assert rule.is_noisy
    if rule.is_noisy:
        assert replace(rule, told=rule.told + 1).is_noisy


@given(st.lists(RULES, max_size=8))
def test_the_worst_first(rules: list[Rule]) -> None:
    """The list holds all that are noisy and no others, in one order whatever order they come in."""
    listed = noisy(rules)
    assert sorted(map(repr, listed)) == sorted(repr(rule) for rule in rules if rule.is_noisy)
    assert [rule.told - rule.acted_on for rule in listed] == sorted(
        (rule.told - rule.acted_on for rule in listed), reverse=True
    )
    distinct = {(rule.service, rule.name): rule for rule in rules}.values()
    assert noisy(distinct) == noisy(reversed(list(distinct)))


@given(MOMENTS, ZONES)
def test_every_monday_once(after: datetime, zone: str) -> None:
    """The next list is on a Monday, later, at most a week and an hour away; none lies between, and each has a slot."""
    at = next_list(after, zone)
    local = at.astimezone(ZoneInfo(zone))
    assert (local.weekday(), local.hour, local.minute) == (0, 9, 0)
    assert timedelta(0) < at - after <= timedelta(days=7, hours=1)
    assert next_list(at - timedelta(microseconds=1), zone) == at
    following = next_list(at, zone)
    assert slot(following, zone) == (local.date() + timedelta(days=7)).isoformat()


def test_nine_there() -> None:
    """Nine o'clock is nine o'clock where the service is, summer and winter."""
    assert next_list(datetime(2026, 11, 20, 9, tzinfo=UTC), "Europe/Berlin") == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert next_list(datetime(2026, 7, 3, 9, tzinfo=UTC), "Europe/Berlin") == datetime(2026, 7, 6, 7, tzinfo=UTC)
