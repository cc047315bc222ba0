"""The rules of timers, without a database."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, strategies as st

from bot.domain.outgoing.timer import STALE_AFTER, Lateness, Timer, newest_of
from tests.support.clock import START


def timer(number: int, due_in: int, subject: str = "INC-1", lateness: Lateness = Lateness.COALESCE) -> Timer:
    due_at = START + timedelta(seconds=due_in)
    return Timer(number, due_at, "update", subject, {}, f"t{number}", lateness, attempts=0)


@given(
    st.lists(st.tuples(st.integers(-1000, 0), st.sampled_from(["INC-1", "INC-2"])), min_size=1, unique_by=lambda t: t)
)
def test_one_of_each_group_stands_for_all(drawn: list[tuple[int, str]]) -> None:
    """Of any number of coalescing timers, exactly the newest of each subject fires."""
    due = [timer(number, due_in, subject) for number, (due_in, subject) in enumerate(drawn)]
    newest = newest_of(due)
    firing = [each for each in due if each.pointless(START, newest) is None]
    assert sorted(each.subject for each in firing) == sorted({each.subject for each in due})
    for each in firing:
        assert each.due_at == max(other.due_at for other in due if other.subject == each.subject)


@given(late=st.integers(0, 10_000))
def test_only_the_skipping_are_skipped(late: int) -> None:
    """Lateness matters to the policy `skip` alone, and only beyond a minute."""
    assert (timer(1, -late, lateness=Lateness.SKIP).pointless(START, {}) is None) == (
        late <= STALE_AFTER.total_seconds()
    )
    assert timer(1, -late, lateness=Lateness.FIRE_LATE).pointless(START, {}) is None
