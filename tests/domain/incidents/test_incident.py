"""The rules of incidents: measures, promises, and the words people use."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from bot.domain.catalogue.severity import Severity
from bot.domain.errors import Conflict, Unclear
from bot.domain.incidents.incident import (
    Incident,
    IncidentMessages,
    Placement,
    Role,
    Status,
    measures,
    must_be_open,
    must_be_resolved,
    next_update,
    number,
    reminder_time,
    role_from,
    shorten,
    status_from,
)

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
P1 = Severity("P1", "High", 1, update_every=timedelta(minutes=30))


def incident(**values: object) -> Incident:
    plain = {
        "id": 42, "title": "checkout is down", "service": "default", "severity": "P1", "rank": 1,
        "status": Status.INVESTIGATING, "private": False, "drill": False, "source": "slack", "declared_by": "U0ADA",
        "declared_at": START, "detected_at": START, "placement": Placement.CHANNEL,
    }  # fmt: skip
    return Incident(**(plain | values))  # type: ignore[arg-type]


# --- measures ---


def test_measures_of_what_has_not_happened() -> None:
    """Nothing is measured that has not happened."""
    taken = measures(incident())
    assert (taken.to_acknowledge, taken.to_mitigate, taken.to_resolve) == (None, None, None)


@pytest.mark.parametrize(
    ("zone", "before", "after", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 28, 21, 0), (2026, 3, 29, 21, 0), 23),
        ("Europe/Berlin", (2026, 10, 24, 21, 0), (2026, 10, 25, 21, 0), 25),
        ("America/New_York", (2026, 3, 7, 12, 0), (2026, 3, 9, 12, 0), 47),
        ("UTC", (2026, 12, 31, 23, 0), (2027, 1, 2, 1, 0), 26),
    ],
)
def test_daylight_saving_days(zone: str, before: tuple[int, ...], after: tuple[int, ...], hours: int) -> None:
    """From nine to nine is 23 or 25 hours when the clocks change, and longer than a day is no less right."""
    start = datetime(*before, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[misc,arg-type]
    end = datetime(*after, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[misc,arg-type]
    taken = measures(incident(detected_at=start, resolved_at=end, status=Status.RESOLVED))
    assert taken.to_resolve == timedelta(hours=hours)


@given(st.integers(min_value=0, max_value=10**8))
def test_measures_are_differences(seconds: int) -> None:
    """Any span comes out as long as it was."""
    at = START + timedelta(seconds=seconds)
    assert measures(incident(acknowledged_at=at)).to_acknowledge == timedelta(seconds=seconds)


# --- promises ---


def test_the_next_update() -> None:
    """By severity; an own cadence replaces it, 0 is off, and what is resolved promises nothing."""
    assert next_update(incident(), P1, START) == START + timedelta(minutes=30)
    assert next_update(incident(cadence_seconds=600), P1, START) == START + timedelta(minutes=10)
    assert next_update(incident(cadence_seconds=0), P1, START) is None
    assert next_update(incident(status=Status.RESOLVED), P1, START) is None
    assert next_update(incident(), Severity("P3", "Low", 3), START) is None


@given(
    every=st.integers(min_value=1, max_value=1440),
    lead=st.integers(min_value=0, max_value=120),
    passed=st.integers(min_value=0, max_value=1440),
)
def test_a_reminder_is_between_now_and_due(every: int, lead: int, passed: int) -> None:
    """It comes after now and before the update is due, never in the first half of the wait, or not at all."""
    severity = Severity("P", "P", 0, update_every=timedelta(minutes=every), remind_before=timedelta(minutes=lead))
    due, now = START + timedelta(minutes=every), START + timedelta(minutes=passed)
    at = reminder_time(due, severity, severity.update_every, now)
    if at is not None:
        assert now < at < due
        assert due - at <= timedelta(minutes=every) / 2


# --- words ---


@pytest.mark.parametrize(
    ("word", "found"), [("INC-42", 42), ("inc42", 42), (" Inc-7 ", 7), ("INC-", None), ("42", None)]
)
def test_numbers(word: str, found: int | None) -> None:
    """`INC-42` in any case; nothing else is an incident."""
    assert number(word) == found


@given(st.text())
def test_any_word_as_a_number(word: str) -> None:
    """Any text is a number below a billion, or none."""
    found = number(word)
    assert found is None or 0 <= found < 10**9


@given(st.text(), st.integers(min_value=1, max_value=300))
def test_shortened(text: str, limit: int) -> None:
    """On one line, at most so long, an ellipsis where something is missing."""
    short = shorten(text, limit)
    line = " ".join(text.split())
    assert len(short) <= limit
    assert short == line or short.endswith("…")


def test_roles_and_statuses_by_name() -> None:
    """What people call them, and the list where they call them something else."""
    assert role_from("IC") is Role.COMMANDER
    assert role_from("Communications") is Role.COMMS
    assert status_from("MITIGATING") is Status.MITIGATING
    with pytest.raises(Unclear, match="commander, comms, ops and scribe"):
        role_from("king")
    with pytest.raises(Unclear, match="identified, mitigating, monitoring"):
        status_from("broken")


def test_what_the_state_allows() -> None:
    """Work needs an open incident, closing a resolved one; the refusal says what to do instead."""
    must_be_open(incident())
    must_be_resolved(incident(status=Status.RESOLVED))
    with pytest.raises(Conflict, match="/incident reopen INC-42"):
        must_be_open(incident(status=Status.CLOSED))
    with pytest.raises(Conflict, match="/incident resolve INC-42"):
        must_be_resolved(incident())


def test_where_it_lives() -> None:
    """In its channel, or in the thread of its card in #incidents."""
    announced = IncidentMessages(announce_channel="C9", announce_ts="9.0")
    own = incident(slack=replace(announced, channel="C1", card_ts="1.0"))
    assert own.place == ("C1", None)
    assert own.card == ("C1", "1.0")
    thread = incident(placement=Placement.THREAD, slack=announced)
    assert thread.place == thread.card == ("C9", "9.0")
