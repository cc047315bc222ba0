"""Which message about an alert counts, in whatever order they come; how long a silence lasts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from bot.domain.alerts import group as rules
from bot.domain.alerts.alert import Alert, Status
from bot.domain.alerts.group import LATE_SECONDS, LastKnown, Verdict, judge, learned
from bot.domain.errors import Unclear

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
WALL = T0.timestamp()


def said(status: Status, start: int | None = None, at: int | None = None) -> Alert:
    """An alert that began `start` minutes after T0, said `at` minutes after it."""
    starts_at = None if start is None else T0 + timedelta(minutes=start)
    return Alert("f", status, "test", starts_at=starts_at, said_at=None if at is None else T0 + timedelta(minutes=at))


def after(*messages: tuple[Alert, float]) -> tuple[LastKnown | None, list[Verdict]]:
    known, verdicts = None, []
    for alert, wall in messages:
        verdicts.append(judge(known, alert, wall))
        known = learned(known, alert, verdicts[-1], wall)
    return known, verdicts


FIRES, ENDS = Status.FIRING, Status.RESOLVED


@given(
    st.lists(
        st.tuples(st.sampled_from([FIRES, ENDS]), st.integers(0, 3), st.floats(0, LATE_SECONDS / 2)), min_size=1
    ).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found)))
)
def test_the_order_of_arrival_does_not_matter(orders: tuple[list[tuple[Status, int, float]], ...]) -> None:
    """Of messages that arrive within the time of the late, the newest episode decides, and its end once it was said."""
    told, wanted = orders[0], max(start for _, start, _ in orders[0])
    is_over = any(status is ENDS and start == wanted for status, start, _ in told)
    for order in orders:
        known, _ = after(*[(said(status, start), WALL + wall) for status, start, wall in order])
        assert known is not None
        assert known.status is (ENDS if is_over else FIRES)
        assert known.starts_at == T0 + timedelta(minutes=wanted)


@given(st.lists(st.sampled_from([FIRES, ENDS]), min_size=1, max_size=20), st.integers(1, 4))
def test_repeated_messages_count_once(statuses: list[Status], times: int) -> None:
    """However often each message of an episode is said, it begins and ends at most once."""
    messages = [(said(status, 0), WALL) for status in statuses for _ in range(times)]
    _, verdicts = after(*messages)
    assert verdicts.count(Verdict.NEW) <= 1
    assert verdicts.count(Verdict.RESOLVED) <= 1


def test_the_senders_time_decides() -> None:
    """Where the sender says when it says it, an older word is late for ever."""
    _, verdicts = after((said(ENDS, at=5), WALL), (said(FIRES, at=3), WALL + 9_999), (said(FIRES, at=6), WALL))
    assert verdicts == [Verdict.UNKNOWN, Verdict.STALE, Verdict.NEW]


def test_without_times_the_order_of_arrival() -> None:
    """Two messages without any time are taken as they came in, even if they are worked the other way round."""
    _, verdicts = after((said(FIRES), WALL + 5), (said(ENDS), WALL + 1), (said(ENDS), WALL + 6))
    assert verdicts == [Verdict.NEW, Verdict.STALE, Verdict.RESOLVED]


def test_it_fires_still_after_five_minutes() -> None:
    """An alert that its sender says fires, long after its end, fires again: it is not lost."""
    _, verdicts = after(
        (said(FIRES, 0), WALL),
        (said(ENDS, 0), WALL),
        (said(FIRES, 0), WALL + LATE_SECONDS - 1),
        (said(FIRES, 0), WALL + LATE_SECONDS),
    )
    assert verdicts == [Verdict.NEW, Verdict.RESOLVED, Verdict.STALE, Verdict.NEW]


def test_a_silence() -> None:
    """A length from now on, or nine o'clock there: today's if it is still to come."""
    assert rules.silent_until("15m", T0, "UTC") == T0 + timedelta(minutes=15)
    assert rules.silent_until("morning", T0, "UTC") == T0 + timedelta(days=1)
    assert rules.silent_until("morning", T0 - timedelta(seconds=1), "UTC") == T0
    assert rules.silent_until("morning", T0, "America/New_York") == T0 + timedelta(hours=5)


@pytest.mark.parametrize("word", ["0m", "8d", "soon"])
def test_no_silence(word: str) -> None:
    """One without length, without end or in other words is refused."""
    with pytest.raises(Unclear):
        rules.silent_until(word, T0, "UTC")


def test_its_number() -> None:
    """`ALR-42` in any case; nothing else."""
    assert [rules.number(word) for word in ("ALR-42", " alr42 ", "INC-42", "ALR-", "")] == [42, 42, None, None, None]
